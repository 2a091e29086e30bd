"""Asking before something begins that cannot be taken back."""

import sys

from events.errors import Misconfigured
from orchestrator.cli.exits import Failed

YES = frozenset({"y", "yes"})


def confirm(question: str, *, yes: bool) -> None:
    """Returns when it may begin. On a terminal the question is asked there, on stderr.

    Raises `Failed` when the answer is no, `Misconfigured` when nobody is there to answer.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Misconfigured(
            "nobody is there to confirm this, and nothing was done: give --yes when it may begin "
            "without being asked"
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in YES:
        raise Failed("not confirmed: nothing was done")
