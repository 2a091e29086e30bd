"""What the handbook shows is accepted: whole workflows in YAML, parts of them, and in Python."""

import re
from pathlib import Path
from textwrap import indent

import pytest

from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring.check import check
from orchestrator.authoring.load import read
from orchestrator.authoring.yaml import read_yaml

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```yaml[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def fragments() -> list[tuple[str, str]]:
    """Of workflows; a block with a title is of something else."""
    return [
        (f"{page.name}-{number}", text)
        for page in sorted(PAGES)
        for number, text in enumerate(
            re.findall(r"^```yaml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        )
    ]


def whole(text: str) -> str:
    """The fragment as a workflow: it is one, or its steps, or other keys of one."""
    if re.search(r"^workflow:", text, re.MULTILINE):
        return text
    if text.startswith("- "):
        return f"workflow: shown\nsteps:\n{indent(text, '  ')}"
    steps = "" if re.search(r"^steps:", text, re.MULTILINE) else "steps: [{id: a, task: shown.a}]\n"
    return f"workflow: shown\n{steps}{text}"


@pytest.mark.parametrize(("name", "text"), fragments(), ids=lambda value: value[:40])
def test_it_is_accepted(name: str, text: str) -> None:
    authored = read_yaml(whole(text), name)
    check(authored.definition, CelExpressions(), places=authored.places).accepted(name)


HOWTO = ROOT / "docs/howto/authoring.md"
PYTHON = re.findall(r'^```python title="(.*?)"\n(.*?)^```$', HOWTO.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize(("name", "text"), PYTHON, ids=[name for name, _ in PYTHON])
def test_what_it_shows_in_python_is_accepted(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    authored = read(path)
    check(authored.definition, CelExpressions(), places=authored.places).accepted(name)


def test_it_shows_both_spellings_in_python() -> None:
    assert len(PYTHON) >= 2
