"""Stepping through a run by a script: a command a line, each answered before the next is read."""

import sys
from collections.abc import Iterable
from pathlib import Path

from events.errors import Misconfigured, Rejected
from events.limits import INPUT_BYTES_MAX, SCRIPT_LINES_MAX
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.output import print_json
from orchestrator.cli.replay.stepping.telling import json_of, text_of
from orchestrator.insight.stepping.answers import Ended
from orchestrator.insight.stepping.session import Session
from orchestrator.replay.recording import Recording

WIDTH = 100
"""Columns of the text, always, so that what a script prints can be compared."""


def read_script(name: str) -> list[str]:
    """The lines of a file; of standard input for `-`. Raises `Misconfigured`, `Rejected`."""
    try:
        if name == "-":
            text = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                text = file.read(INPUT_BYTES_MAX + 1)
        lines = text.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Misconfigured(f"--script {name} cannot be read: {reason}") from None
    if len(lines) > SCRIPT_LINES_MAX or len(text) > INPUT_BYTES_MAX:
        raise Rejected(
            f"--script {name} has {len(lines)} lines: expected at most {SCRIPT_LINES_MAX}"
        )
    return lines


def run_script(
    recording: Recording, name: str, lines: Iterable[str], at: int, *, as_json: bool
) -> None:
    """Begins at version `at` and answers each line; raises at the first that is refused, as
    `Session.do`, with the place of the line."""
    session = Session(recording, CelExpressions())
    session.goto(at)
    for number, line in enumerate(lines, 1):
        try:
            answer = session.do(line)
        except Rejected as error:
            raise Rejected(f"{name}:{number}: {error}") from error
        if answer is None:
            continue
        if as_json:
            print_json(json_of(answer))
        else:
            sys.stdout.write(f"> {line.strip()}\n{text_of(answer, WIDTH)}")
        if isinstance(answer, Ended):
            return
