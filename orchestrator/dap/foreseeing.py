"""Foreseeing: a variable changed in an editor, answered with what a fork with that value would do.

The history stays what it is. The wish is that of `dalsegno fork`, so the command that is told here
does exactly what was foreseen.
"""

import shlex
from collections.abc import Sequence

from events.codec import encode
from events.limits import NAMES_SHOWN_MAX
from orchestrator.dap.values import text_of
from orchestrator.dap.wants import Foresee
from orchestrator.replay.forks import Foreseen, Wish

FORK = "preview"
"""The id of the fork that is only foreseen."""
CHARS = 200


def wish_of(wanted: Foresee) -> Wish:
    return Wish(
        run_id=wanted.run_id,
        fork_id=FORK,
        at=wanted.version,
        variables={wanted.name: wanted.value},
    )


def command_of(wanted: Foresee) -> str:
    """The command that makes the fork, as a shell takes it."""
    given = f"{wanted.name}={encode(wanted.value).decode()}"
    parts = ("dalsegno", "fork", wanted.run_id, "--at", str(wanted.version), "--set", given)
    return " ".join(map(shlex.quote, parts))


def preview_of(found: Foreseen, wanted: Foresee) -> str:
    """What is kept, what is executed again, and how to have it."""
    again = [f"{one.step} ({one.was or 'open'})" for one in found.again]
    lines = [
        f"The run stays as it is. In a fork from its version {found.version}:",
        f"  vars.{wanted.name}: {text_of(wanted.value, CHARS)}",
        f"  kept: {_named(found.kept)}",
        f"  executed again: {_named(again)}, and what follows",
    ]
    if found.ends_as:
        lines.append(f"  it would be {found.ends_as} at once")
    return "\n".join([*lines, f"To begin it: {command_of(wanted)}"])


def _named(steps: Sequence[str]) -> str:
    more = len(steps) - NAMES_SHOWN_MAX
    told = ", ".join(steps[:NAMES_SHOWN_MAX]) or "none"
    return f"{told} and {more} more" if more > 0 else told
