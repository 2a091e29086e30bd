"""What is seen while a run is awaited: something on a terminal, nothing anywhere else."""

import json
import os
import pty
import re
import subprocess
import termios
from pathlib import Path

import pytest

from tests.e2e.command_line import CHECKED, COMMAND, TASKS, dalsegno, environment

STYLE = re.compile(r"\x1b\[[0-9;]*m")
RUN = ("try", "greet.py", "--json", "--input", '{"name": "bo", "fail": false}')


@pytest.mark.timeout(90)
def test_in_a_pipe_there_is_the_result_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text(TASKS)
    done = dalsegno(tmp_path, *RUN)
    assert (done.code, done.err) == (0, "")
    assert done.json["status"] == "completed"
    tasks = done.json["tasks"]
    assert isinstance(tasks, list)
    assert [task["task"] for task in tasks] == ["greet.hello", "greet.shout"]
    assert done.json["started_at"]


@pytest.mark.timeout(90)
def test_progress_is_on_the_terminal_and_the_result_in_the_pipe(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text(TASKS)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CHECKED, *RUN],
        cwd=tmp_path,
        env=environment(TERM="xterm-256color", NO_COLOR="1"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = _all_of(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen
    assert json.loads(out)["status"] == "completed"
    assert "starting Postgres and NATS" in seen
    assert "\x1b[38" not in seen, "a colour in spite of NO_COLOR"


def _all_of(terminal: int) -> str:
    said = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # nobody holds the other end any more
            os.close(terminal)
            return said.decode()
        said += part


OFFLINE = (
    "--help",
    "run start --help",
    "agent --help",
    "config show",
    "workflow plan shop.yaml",
    "workflow check gone.yaml",
)
"""Commands that need no cluster: a page, a page of the agent, tables, a tree, an error."""
WORKFLOW = """\
workflow: quarterly-consolidation-of-the-subsidiaries
options: {timeout: 2h}
steps:
  - {id: gather-the-figures-of-every-subsidiary-in-the-north, task: shop.price}
  - {id: and-those-of-every-subsidiary-in-the-south, task: shop.price, retry: {attempts: 3}}
"""


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("line", OFFLINE)
def test_nothing_is_wider_than_the_terminal(tmp_path: Path, line: str, columns: int) -> None:
    (tmp_path / "shop.yaml").write_text(WORKFLOW)
    seen = _on_terminal(tmp_path, line, columns, TERM="xterm-256color", NO_COLOR="1")
    assert seen
    assert [one for one in seen.splitlines() if len(STYLE.sub("", one)) > columns] == []
    assert "\x1b[3" not in seen, "a colour in spite of NO_COLOR"


@pytest.mark.parametrize("line", OFFLINE)
def test_a_terminal_that_knows_no_escapes_gets_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "shop.yaml").write_text(WORKFLOW)
    assert "\x1b" not in _on_terminal(tmp_path, line, 80, TERM="dumb")


def _on_terminal(folder: Path, line: str, columns: int, **more: str) -> str:
    """All that a command says on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    process = subprocess.Popen(
        [*COMMAND, *line.split()],
        cwd=folder,
        env=environment(**more),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = _all_of(ours)
    process.wait(timeout=30)
    return seen
