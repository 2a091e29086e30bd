"""Definitions from files."""

import json
import sys
from pathlib import Path

import pytest

from events.definition import Definition, TaskStep
from orchestrator.authoring import InvalidDefinition, NotLoadable, load, read

EXPECTED = Definition(name="w", steps=(TaskStep(id="a", task="t"),))
YAML = "workflow: w\nsteps: [{id: a, task: t}]\n"
PYTHON = """\
from orchestrator.authoring import Workflow

flow = Workflow("w")
flow.task("a", "t")
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w.yaml", YAML),
        ("w.yml", YAML),
        ("w.json", json.dumps({"workflow": "w", "steps": [{"id": "a", "task": "t"}]}, indent="\t")),
        ("w.py", PYTHON),
        ("w.py", PYTHON + "\nagain = flow\n"),
        ("w.py", PYTHON + "\ndefinition = flow.definition()\ndel flow\n"),
    ],
)
def test_a_definition_is_loaded(tmp_path: Path, name: str, text: str) -> None:
    assert load(write(tmp_path, name, text)) == EXPECTED


def test_one_of_several_is_picked_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "w.py", PYTHON + "other = Workflow('other')\n")

    assert load(f"{path}:flow") == EXPECTED
    assert load(f"{path}:other").name == "other"


def test_places_and_the_name_come_with_a_text(tmp_path: Path) -> None:
    path = write(tmp_path, "w.yaml", YAML)
    authored = read(path)

    assert authored.name == str(path)
    assert authored.places["steps[0].task"].line == 2


def test_modules_beside_a_python_file_can_be_imported(tmp_path: Path) -> None:
    write(tmp_path, "beside_the_definition.py", "NAME = 'w'\n")
    text = PYTHON.replace("'w'", "NAME").replace('"w"', "NAME")
    path = write(tmp_path, "w.py", "from beside_the_definition import NAME\n" + text)
    before = list(sys.path)

    assert load(path) == EXPECTED
    assert sys.path == before
    del sys.modules["beside_the_definition"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("w.toml", "", "expected .yaml, .yml, .json or .py"),
        ("w", "", "expected .yaml, .yml, .json or .py"),
        ("w.py", "x = 1\n", "exactly one Workflow, found none: make one at the top level"),
        ("w.py", PYTHON + "b = Workflow('b')\n", "found flow, b: pick one with"),
        ("w.py", PYTHON + "1 / 0\n", "w.py:5: ZeroDivisionError: division by zero"),
        ("w.py", "x =\n", "w.py:1: SyntaxError"),
        ("w.py", "raise SystemExit(3)\n", "w.py:1: SystemExit: 3"),
        ("w.py", "import no_such_module_here\n", "w.py:1: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_loaded_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(NotLoadable) as refused:
        load(write(tmp_path, name, text))

    assert words in str(refused.value)
    assert refused.value.code == "not_loadable"


@pytest.mark.parametrize(
    "name", ["none.yaml", "none.py", "none.py:flow", "folder.yaml", "a/b.json"]
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.yaml").mkdir()

    with pytest.raises(NotLoadable, match="cannot be read"):
        load(tmp_path / name)


def test_an_unknown_name_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "w.py", PYTHON)

    with pytest.raises(NotLoadable, match="no Workflow or Definition called `nope`"):
        load(f"{path}:nope")


def test_bytes_that_are_no_text_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_bytes(b"workflow: w\nsteps: \xff\n")

    with pytest.raises(InvalidDefinition, match=r"w\.yaml:2:8: not UTF-8"):
        load(path)


def test_a_mistake_in_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "w.yaml", "workflow: w\n")

    with pytest.raises(InvalidDefinition, match=r"w\.yaml:1:1: `steps` is missing"):
        load(path)


@pytest.mark.parametrize("relative", ["w.py", "./w.py", "inner/../w.py"])
def test_the_line_of_a_fault_is_named_for_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: str
) -> None:
    write(tmp_path, "w.py", PYTHON + "1 / 0\n")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotLoadable, match=r"w\.py:5: ZeroDivisionError"):
        load(relative)


def test_the_line_of_a_fault_is_named_through_a_link(tmp_path: Path) -> None:
    write(tmp_path, "w.py", "1 / 0\n")
    link = tmp_path / "link.py"
    link.symlink_to("w.py")

    with pytest.raises(NotLoadable, match=r"link\.py:1: ZeroDivisionError"):
        load(link)


def test_a_syntax_error_of_another_file_is_named_with_that_file(tmp_path: Path) -> None:
    write(tmp_path, "beside_with_a_mistake.py", "a = 1\nb = 2\nc =\n")
    path = write(tmp_path, "w.py", "import beside_with_a_mistake\n")

    with pytest.raises(NotLoadable, match=r"w\.py:1: SyntaxError: .*beside_with_a_mistake\.py"):
        load(path)
