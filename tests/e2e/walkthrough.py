"""A document that is followed by a stranger: its files, its commands in order, what they print.

A block ```` ```python title="hello.py" ```` is a file of that name. A line `$ command` of a console
block is run as it stands in bash; the lines after it are what it prints, on stdout and stderr as
a terminal shows both: words with digits in them stand for any word, `ms` and `s` for both, `…` for
any text, a line of `…` for any lines. A command that lasts (`dev`) goes on while the others run, as
in another terminal, until the end of the document. `cd` lasts too.
"""

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

TIMEOUT_S = 60
ANY_LINES = r"(?:.*\n)*?"
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class File(msgspec.Struct, frozen=True):
    name: str
    text: str


class Command(msgspec.Struct, frozen=True):
    line: str
    output: str

    @property
    def lasts(self) -> bool:
        return " dev " in f" {self.line} "


def actions(document: str) -> list[File | Command]:
    """What the reader does, in order."""
    found: list[File | Command] = []
    for language, information, body in BLOCK.findall(document):
        named = re.search(r'title="([^"]+)"', information)
        if named:
            found.append(File(named[1], body))
        elif language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                found.append(Command(re.sub(r"\s+# .*", "", line), output))
    return found


def follow(
    document: str, folder: Path, environment: Mapping[str, str], elsewhere: frozenset[str]
) -> None:
    """Does it all in `folder`, but for commands that are run elsewhere; fails on the first that
    does something else than is shown."""
    with ExitStack() as stack:
        for action in actions(document):
            if isinstance(action, File):
                (folder / action.name).write_text(action.text, "utf-8")
            elif action.line in elsewhere:
                continue
            elif action.line.startswith("cd "):
                folder /= action.line.removeprefix("cd ")
            elif action.lasts:
                stack.enter_context(lasting(action, folder, environment))
            else:
                run(action, folder, environment)


def shape(output: str) -> str:
    """The pattern of what a command prints."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "".join(ANY_LINES if line == "…" else f"{_line(line)} *\n" for line in lines)


def _line(line: str) -> str:
    return r" *" + r" +".join(_word(word) for word in line.split())


def _word(word: str) -> str:
    if word == "…":
        return ".*"
    if word in {"µs", "ms", "s"}:
        return "[mµ]?s"
    if set(word) == {"─"}:
        return "─+"
    return r"\S+" if re.search(r"\d", word) and '"' not in word else re.escape(word)


def assert_shape(command: Command, printed: str) -> None:
    shown = "".join(f"{line}\n" for line in printed.splitlines() if line.strip())
    assert re.fullmatch(shape(command.output), shown), f"{command.line} printed\n{shown}"


@contextmanager
def lasting(command: Command, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Runs a command that goes on until Ctrl-C; enters when all that is shown is printed."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.line}"],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        text=True,
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


def run(command: Command, folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command.line}: {done.stdout}"
    assert_shape(command, done.stdout)
