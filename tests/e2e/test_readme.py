"""README.md is followed by a stranger: its file, its commands, their output, its promises."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.command_line import environment
from tests.e2e.installed import install
from tests.e2e.walkthrough import Command, File, actions, assert_shape, follow

pytest_plugins = ["tests.servers"]

README = (ROOT / "README.md").read_text("utf-8")
ACTIONS = actions(README)
INSTALL = '.venv/bin/pip install "$(ls ~/dalsegno/dist/*.whl)[embedded]"'
RUN_ELSEWHERE = {
    "make demo": "tests/e2e/test_cli_try.py runs the demo, .ci/run the target",
    "make test": "runs this",
    "python3 -m venv .venv": "tests/e2e/installed.py does the same without an index",
    INSTALL: "the same",
}


@pytest.mark.timeout(150)
def test_every_command_does_what_is_shown(data_folder: Path) -> None:
    """In an empty folder, with nothing but the wheel."""
    theirs = environment(**install(data_folder))
    code = "import node_agent, orchestrator; print(node_agent.__file__, orchestrator.__file__)"
    found = subprocess.check_output(
        [sys.executable, "-c", code], cwd=data_folder, env=theirs, text=True
    )
    assert found.count(str(data_folder)) == 2, "that would be the clone's"
    follow(README, data_folder, theirs, frozenset(RUN_ELSEWHERE))


def test_the_commands_that_are_left_out_are_there() -> None:
    lines = {action.line for action in ACTIONS if isinstance(action, Command)}
    assert set(RUN_ELSEWHERE) < lines
    assert len(lines) >= 8


def test_a_command_that_prints_something_else_is_found() -> None:
    shown = Command("x", "1 runs, 9 events: all sound\n…\nend\n")
    assert_shape(shown, "22 runs, 1 events: all sound\nmore\nend\n")
    with pytest.raises(AssertionError):
        assert_shape(shown, "1 runs, 9 events: 1 bad\nend\n")


def test_the_workflow_is_short() -> None:
    files = [action for action in ACTIONS if isinstance(action, File)]
    assert [len(file.text.splitlines()) <= 30 for file in files] == [True]


def promises() -> list[str]:
    _, _, rest = README.partition("| promise | attacked by |\n")
    return [line for line in rest.partition("\n\n")[0].splitlines()[1:] if line]


@pytest.mark.parametrize("row", promises(), ids=lambda row: row[2:30])
def test_a_promise_names_a_test(row: str) -> None:
    # That what it names exists, is tested with all other documents.
    assert re.search(r"`tests/[^`]*test_\w+\.py", row)


def test_every_promise_has_its_row() -> None:
    assert len(promises()) == 11
