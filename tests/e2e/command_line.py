"""The command line as a process, for tests: run it, follow it, and see that it never spills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import CALM, ROOT

COMMAND = [sys.executable, "-m", "orchestrator.cli.main"]
CHECKED = [sys.executable, "-m", "tests.e2e.checked_main"]
"""The same, with the runs of its embedded servers replayed before these stop."""
EMBEDDED = ("dev", "try", "demo")
CALMLY = {
    "DALSEGNO_ENGINE__ATTEMPT_LEASE_TTL_S": str(CALM.attempt_lease_ttl_s),
    "DALSEGNO_STARTED_REPORT_AFTER_S": "60",
}
"""A machine that stands still for a second neither loses a node nor adds events to a run: what a
test counts is the same every time."""
TIMEOUT_S = 90.0
TASKS = """
from node_agent import TaskError, task
from orchestrator.authoring import Workflow


@task(name="greet.hello")
def hello(name: str) -> str:
    return f"hello {name}"


@task(name="greet.shout")
async def shout(text: str, fail: bool = False) -> str:
    if fail:
        raise TaskError("too_loud", "no shouting here")
    return text.upper()


@task(name="greet.wait")
async def wait(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


flow = Workflow("greet")
greeting = flow.task("hello", "greet.hello", name=flow.input.name)
shouted = flow.task("shout", "greet.shout", text=greeting.output, fail=flow.input.fail)
flow.output(text=shouted.output)
"""


class Done:
    """What came of a command. It never shows a traceback."""

    def __init__(self, completed: subprocess.CompletedProcess[str]) -> None:
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr
        assert "Traceback" not in self.err + self.out, self.err + self.out

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


def environment(**more: str) -> dict[str, str]:
    """Ours without settings of the product and without a width, which test processes may have; and
    calm."""
    ours = ("DALSEGNO_", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), **CALMLY, **more}


def dalsegno(folder: Path, *arguments: str, **more: str) -> Done:
    """Runs one command in `folder`; `more` are environment variables."""
    return Done(
        subprocess.run(
            [*(CHECKED if arguments[0] in EMBEDDED else COMMAND), *arguments],
            cwd=folder,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    )


@contextmanager
def dev(folder: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """`dalsegno dev` in `folder`, up and running; `more` are environment variables.

    If it still lives it is ended by Ctrl-C, and so in good order: all its runs replay to the same
    states. `stdout` has both of its outputs.
    """
    process = subprocess.Popen(
        [*CHECKED, "dev", *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("Commands in"):
                break
        else:
            raise AssertionError(f"dev ended: {said}")
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
            assert process.wait(30) == 0, said
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        process.stdout.close()


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on until somebody ends it; killed if it still lives at the end."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What it writes up to the first line with `word` in it, that one included."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        found.append(line)
        if word in line:
            return found
    raise AssertionError(f"ended without {word}: {found}")


def processes_that_name(text: str) -> list[int]:
    """Ids of living processes with `text` in their command lines."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if text in line:
                found.append(int(folder.name))
    return found


def none_is_left(text: str, within_s: float = 15.0) -> bool:
    """Waits until no process names `text` any more."""
    deadline = time.monotonic() + within_s
    while left := processes_that_name(text):
        if time.monotonic() > deadline:
            print(left)
            return False
        os.sched_yield()
    return True


def until_shown(folder: Path, run_id: str, *words: str) -> Done:
    """Shows the run until all words are there; each look is a process, so this does not spin."""
    shown: list[Done] = []
    for _ in range(40):
        shown.append(dalsegno(folder, "run", "show", run_id))
        if all(word in shown[-1].out for word in words):
            return shown[-1]
    raise AssertionError(shown[-1])
