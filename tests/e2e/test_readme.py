"""README.md is followed by a stranger: its file, its commands in order, its output, its promises.

A line `$ command` of a console block is run as it stands; the lines after it are what it prints:
words with digits in them stand for any word, `…` for any text, a line of `…` for any lines.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.command_line import environment

pytest_plugins = ["tests.servers"]

README = (ROOT / "README.md").read_text("utf-8")
RUN_ELSEWHERE = {
    "make demo": "tests/e2e/test_cli_try.py runs the demo, .ci/run the target",
    "make test": "runs this",
}
TIMEOUT_S = 60
ANY_LINES = r"(?:.*\n)*?"


class Command(msgspec.Struct, frozen=True):
    line: str
    output: str

    @property
    def lasts(self) -> bool:
        return " dev " in f" {self.line} "


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[Command]:
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            found.append(Command(re.sub(r"\s+# .*", "", line), output))
    return found


def shape(output: str) -> str:
    """The pattern of what a command prints."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "".join(ANY_LINES if line == "…" else f"{_line(line)} *\n" for line in lines)


def _line(line: str) -> str:
    return r" *" + r" +".join(_word(word) for word in line.split())


def _word(word: str) -> str:
    if word == "…":
        return ".*"
    if set(word) == {"─"}:
        return "─+"
    return r"\S+" if re.search(r"\d", word) and '"' not in word else re.escape(word)


def assert_shape(command: Command, printed: str) -> None:
    shown = "".join(f"{line}\n" for line in printed.splitlines() if line.strip())
    assert re.fullmatch(shape(command.output), shown), f"{command.line} printed\n{shown}"


@pytest.fixture
def clone(data_folder: Path) -> Path:
    """What a newcomer has after writing the file: an environment and `hello.py`."""
    (data_folder / ".venv").symlink_to(sys.prefix)
    (data_folder / "hello.py").write_text(blocks("python")[0])
    return data_folder


@contextmanager
def lasting(command: Command, folder: Path) -> Iterator[None]:
    """Runs a command that goes on until Ctrl-C; enters when all that README shows is printed."""
    process = subprocess.Popen(
        command.line.split(), cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        last = re.compile(_line(command.output.splitlines()[-1]))
        printed = ""
        for line in process.stdout:
            printed += line
            if last.match(line):
                break
        assert_shape(command, printed)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


def run(command: Command, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{command.line}: {done.stdout}{done.stderr}"
    assert_shape(command, done.stdout)


@pytest.mark.timeout(150)
def test_every_command_does_what_is_shown(clone: Path) -> None:
    left = [command for command in commands() if command.line not in RUN_ELSEWHERE]
    at = next(number for number, command in enumerate(left) if command.lasts)
    for command in left[:at]:
        run(command, clone)
    with lasting(left[at], clone):
        for command in left[at + 1 :]:
            assert not command.lasts
            run(command, clone)


def test_the_commands_that_are_left_out_are_there() -> None:
    assert set(RUN_ELSEWHERE) < {command.line for command in commands()}
    assert len(commands()) >= 8


def test_a_command_that_prints_something_else_is_found() -> None:
    shown = Command("x", "1 runs, 9 events: all sound\n…\nend\n")
    assert_shape(shown, "22 runs, 1 events: all sound\nmore\nend\n")
    with pytest.raises(AssertionError):
        assert_shape(shown, "1 runs, 9 events: 1 bad\nend\n")


def test_the_workflow_is_short() -> None:
    assert len(blocks("python")[0].splitlines()) <= 30


def promises() -> list[str]:
    _, _, rest = README.partition("| promise | attacked by |\n")
    return [line for line in rest.partition("\n\n")[0].splitlines()[1:] if line]


@pytest.mark.parametrize("row", promises(), ids=lambda row: row[2:30])
def test_a_promise_names_a_test(row: str) -> None:
    # That what it names exists, is tested with all other documents.
    assert re.search(r"`tests/[^`]*test_\w+\.py", row)


def test_every_promise_has_its_row() -> None:
    assert len(promises()) == 11
