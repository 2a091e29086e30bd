"""Foreseeing: variables changed in an editor, answered with what a fork with these values would do.

The history stays what it is. The wish is that of `dalsegno fork`, so the command that is told here,
and `:fork`, do exactly what was foreseen.
"""

import shlex
from collections.abc import Sequence

from events.codec import encode
from events.limits import NAMES_SHOWN_MAX
from orchestrator.dap.values import text_of
from orchestrator.dap.wants import Change
from orchestrator.replay.what_if.forks import Foreseen, Wish

FORK = "preview"
"""The id of the fork that is only foreseen."""
CHARS = 200


def wish_of(change: Change, fork_id: str = FORK) -> Wish:
    return Wish(
        run_id=change.run_id, fork_id=fork_id, at=change.version, variables=change.variables
    )


def command_of(change: Change) -> str:
    """The command that makes the fork, as a shell takes it."""
    parts = ["dalsegno", "fork", change.run_id, "--at", str(change.version)]
    for name, value in change.variables.items():
        parts += ["--set", f"{name}={encode(value).decode()}"]
    return " ".join(map(shlex.quote, parts))


def preview_of(found: Foreseen, change: Change) -> str:
    """What is kept, what is executed again, and how to have it."""
    again = [f"{one.step} ({one.was or 'open'})" for one in found.again]
    lines = [
        f"The run stays as it is. In a fork from its version {found.version}:",
        *(f"  vars.{name}: {text_of(to, CHARS)}" for name, to in change.variables.items()),
        f"  kept: {_named(found.kept)}",
        f"  executed again: {_named(again)}, and what follows",
    ]
    if found.repeats:
        lines.append(f"  {found.repeats}")
    if found.ends_as:
        lines.append(f"  it would be {found.ends_as} at once")
    return "\n".join([*lines, f"To begin it: `:fork` in the console, or {command_of(change)}"])


def _named(steps: Sequence[str]) -> str:
    more = len(steps) - NAMES_SHOWN_MAX
    told = ", ".join(steps[:NAMES_SHOWN_MAX]) or "none"
    return f"{told} and {more} more" if more > 0 else told
