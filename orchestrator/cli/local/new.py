"""`dalsegno new`: a folder with tasks, a workflow, a test and a README that all run."""

import re
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from events.errors import Rejected
from orchestrator.authoring.form_schema import form_schema_text
from orchestrator.cli.output import print_json

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
NAME_CHARS_MAX = 50
TEMPLATES = "orchestrator.cli.local", "project"


def new(project: Path, *, yaml: bool = False, json: bool = False) -> None:
    """Make a folder with tasks, a workflow, a test and a README that all run.

    Parameters
    ----------
    project
        The folder, which must not exist or be empty; its name becomes that of the workflow.
    yaml
        Write the workflow in YAML instead of Python.
    json
        Answer in JSON.

    Examples
    --------
    dalsegno new shop
    dalsegno new shop --yaml
        The workflow in YAML, beside tasks in Python.
    """
    folder = project.absolute()
    written = _written(folder, _contents(_name(folder), is_yaml=yaml))
    if json:
        print_json({"project": folder.name, "folder": str(folder), "files": written})
        return
    file = "workflow.yaml --import tasks.py" if yaml else "workflow.py"
    print(f"{project} has {', '.join(written)}.")
    print("Next:")
    if folder != Path.cwd():
        print(f"  cd {project}")
    print(f"""  dalsegno try {file} --input '{{"items": ["pen", "book"]}}'""")
    print("  pytest")


def _name(folder: Path) -> str:
    """The project's name, the last part of its path. Raises `Rejected`."""
    name = folder.name
    if not NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise Rejected(
            f"{name!r} is no name for a project: use letters, digits, `_` and `-`, beginning with "
            f"a letter, at most {NAME_CHARS_MAX} of them"
        )
    return name


def _contents(name: str, *, is_yaml: bool) -> dict[str, str]:
    """The files by name."""
    file = "workflow.yaml" if is_yaml else "workflow.py"
    schema = "| `workflow.schema.json` | for editors; `dalsegno workflow schema` prints it |"
    words = {
        "project": name,
        "file": file,
        "schema": schema if is_yaml else "",
        "imports": "from pathlib import Path" if is_yaml else "",
        "flow": '\nflow = Path(__file__).with_name("workflow.yaml")\n'
        if is_yaml
        else "from workflow import flow\n",
    }
    made = ("README.md", "tasks.py", file, "test_workflow.py")
    found = {one: _filled(f"{one}.template", words) for one in made}
    found[".gitignore"] = _filled("gitignore.template", words)
    if is_yaml:
        found["workflow.schema.json"] = form_schema_text()
    return found


def _filled(template: str, words: dict[str, str]) -> str:
    text = files(TEMPLATES[0]).joinpath(TEMPLATES[1], template).read_text("utf-8")
    for word, instead in words.items():
        text = text.replace(f"{{{{{word}}}}}\n" if not instead else f"{{{{{word}}}}}", instead)
    return text


def _written(folder: Path, contents: dict[str, str]) -> list[str]:
    """Writes all files or none; returns their names. Raises `Rejected`."""
    is_new = not folder.exists()
    made: list[Path] = []
    try:
        if is_new:
            folder.mkdir(parents=True)
        elif any(folder.iterdir()):
            raise Rejected(f"{folder} is not empty: name another folder, or empty this one")
        for name, text in contents.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
    except OSError as error:
        _undo(folder, made, is_new=is_new)
        reason = error.strerror or error
        raise Rejected(f"{folder} cannot be written: {reason}; nothing was made") from error
    return sorted(contents)


def _undo(folder: Path, made: list[Path], *, is_new: bool) -> None:
    with suppress(OSError):
        for path in made:
            path.unlink(missing_ok=True)
        if is_new:
            folder.rmdir()
