"""What is seen while a run is awaited: something on a terminal, nothing anywhere else."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.e2e.command_line import CHECKED, TASKS, dalsegno, environment

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
