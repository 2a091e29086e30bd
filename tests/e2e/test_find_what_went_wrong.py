"""docs/howto/find-what-went-wrong.md: what it says to type finds the planted bug, and mends it."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.command_line import COMMAND, dalsegno, dev, environment
from tests.e2e.walkthrough import Command, actions, assert_shape

PAGE = (ROOT / "docs/howto/find-what-went-wrong.md").read_text("utf-8")
EVENTS = re.compile(r"events? \d+(?:, \d+)?")
"""Which of several tasks at the same time is recorded first, is not the same each time."""
CELL = re.compile(r"(?<=  )(?:\d+|-), (?:\d+|-)(?=  )|(?<=  )\d+(?=  )")
APART = re.compile(r" +apart *$", re.MULTILINE)
"""A column that is there when a step took another time that is worth to be told."""
FAILS = (" diff ", "--id tuesday ")
TIMEOUT_S = 90
COMMANDS = 10
"""In fewer than these it is found and mended."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with the example and a running `dev`."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-statement-"))
    made.chmod(0o755)
    shutil.copy(ROOT / "examples/statement.py", made)
    with dev(made, "--import", "statement.py"):
        yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def once(folder: Path) -> str:
    """A run that has ended."""
    given = '{"month": "2026-03", "delivery": 1}'
    _ = run(f"dalsegno run start statement.py --id once --input '{given}' --wait", folder)
    return "once"


def typed() -> list[Command]:
    found = [one for one in actions(PAGE) if isinstance(one, Command)]
    return [one for one in found if not one.lasts and not one.line.startswith("cp ")]


def same(text: str) -> str:
    return CELL.sub("0", EVENTS.sub("event 0", APART.sub("", text)))


def run(line: str, folder: Path) -> str:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment(PATH=paths),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == any(word in f"{line} " for word in FAILS), done.stdout
    return done.stdout


@pytest.mark.timeout(300)
def test_a_newcomer_finds_the_bug_and_mends_the_run_without_doing_again_what_is_right(
    folder: Path,
) -> None:
    version, printed = "", dict[str, str]()
    for command in typed():
        line = command.line.replace("--at 10 ", f"--at {version} ")
        said = run(line, folder)
        printed[command.line] = said
        assert_shape(Command(command.line, same(command.output)), same(said))
        if found := re.search(r"vars\.returns +-204\.4 +event (\d+)", said):
            version = found[1]
    why, diff = printed["dalsegno why tuesday"], printed["dalsegno diff monday tuesday"]
    assert "vars.returns  -204.4" in why
    assert re.search(r"steps\.returns\.output\.total  179\.9 → -204\.4", diff)
    first = next(n for n, one in enumerate(typed()) if one.line.startswith("dalsegno why"))
    assert len(typed()[first:]) < COMMANDS
    shown = dalsegno(folder, "events", "show", "tuesday-mended", "--json").out
    events = [json.loads(line) for line in shown.splitlines()]
    given = {one["data"]["step"] for one in events if one["type"] == "task.dispatched.v1"}
    assert given == {"opening", "balance", "write", "reconcile"}


@pytest.mark.timeout(120)
def test_on_a_terminal_replay_opens_a_session(folder: Path, once: str) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, "replay", once],
        cwd=folder,
        env=environment(TERM="xterm-256color"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        seen = b""
        while b"run.completed" not in seen:
            seen += os.read(ours, 65536)
        os.write(ours, b"q")
        _drain(ours)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _drain(terminal: int) -> None:
    """Reads until nobody holds the other end any more."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        return


@pytest.mark.timeout(120)
def test_elsewhere_it_prints_as_it_did(folder: Path, once: str) -> None:
    plain = dalsegno(folder, "replay", once, "--at", "3")
    assert plain.code == 0, plain
    assert re.search(r"^state [\w-]{43} from 3 events", plain.out, re.MULTILINE), plain
    found = dalsegno(folder, "replay", once, "--at", "1", "--json").json
    assert (found["version"], found["status"]) == (1, "running")
    moment = found["moment"]
    assert isinstance(moment, dict)
    assert moment["input"] == {"month": "2026-03", "delivery": 1}
    assert [one["name"] for one in moment["tasks"]] == ["fees", "returns", "sales"]
