"""What commands print: JSON for programs, tables and colours for people; secrets covered."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import msgspec

from events.personal import ERASED
from events.redaction import redact_text
from orchestrator.kernel.durations import length

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GOOD, BAD, UNSURE, ACTIVE, WAITING, CALLED_OFF = (
    "color(28)",  # green
    "color(160)",  # red
    "color(130)",  # orange
    "color(31)",  # cyan
    "color(32)",  # blue
    "color(133)",  # magenta
)
"""Colours of the fixed palette, of middling light: they stand out from black and from white, which
the sixteen that every theme chooses for itself do not."""
DIM = "color(243)"
COLOURS = {
    "completed": GOOD,
    "running": ACTIVE,
    "dispatched": ACTIVE,
    "calling": ACTIVE,
    "entered": ACTIVE,
    "ready": UNSURE,
    "retrying": UNSURE,
    "pending": UNSURE,
    "waiting": WAITING,
    "paused": UNSURE,
    "failed": BAD,
    "timed_out": BAD,
    "cancelled": CALLED_OFF,
    "skipped": DIM,
    "healthy": GOOD,
    "suspected": UNSURE,
    "lost": BAD,
    "draining": UNSURE,
    "left": DIM,
}
VALUE_CHARS_MAX = 2000
PIPE_WIDTH = 160


def print_json(value: object) -> None:
    """One JSON document on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def console(
    stream: TextIO | None = None, *, width: int | None = None, plain_text: bool = False
) -> "Console":
    """For stdout, or for the stream given. NO_COLOR is respected, by the library. `width`: instead
    of that of the terminal; `plain_text`: whatever the stream is, neither colours nor anything else
    but text."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 -- called where the error is handled; `main` knows what it means

    # A file or a pipe has no width of its own; a table cut at 80 columns there helps nobody.
    wide = None if (stream or sys.stdout).isatty() else PIPE_WIDTH
    return Ours(
        file=stream,
        highlight=False,
        soft_wrap=False,
        width=width or wide,
        color_system=None if plain_text else "auto",
        force_terminal=False if plain_text else None,
    )


def table(*columns: str) -> "Table":
    """Columns by name; `>` behind it: numbers, to the right; `?`: left out where there is no room,
    but never the last one."""
    from orchestrator.cli.listing import Column, Listing

    return Listing(
        [
            Column(name.rstrip(">?"), ">" in name[-2:], "?" in name[-2:])
            for name in map(str.rstrip, columns)
        ]
    )


def block(lines: Iterable[tuple[str, str]]) -> "Table":
    """A line for each thing that is something, as `name  value`; the values as markup."""
    from orchestrator.cli.listing import block_of

    return block_of(lines)


def grid(lines: Iterable[Sequence[str]]) -> "Table":
    """Rows in columns without a header."""
    from rich.table import Table

    made = Table.grid(padding=(0, 2, 0, 0))
    for line in lines:
        made.add_row(*line)
    return made


def names(all_: Sequence[str], most: int) -> str:
    """The first few of many names, and how many more there are."""
    more = len(all_) - most
    return ", ".join(all_[:most]) + (f" … and {more} more" if more > 0 else "")


def rows(made: "Table", lines: Iterable[Sequence[str]]) -> "Table":
    for line in lines:
        made.add_row(*line)
    return made


def status(text: str) -> str:
    """A status in its colour."""
    colour = COLOURS.get(text)
    return f"[{colour}]{text}[/]" if colour else text


def plain(text: str) -> str:
    """User text for a table: no markup in it, no secrets."""
    from rich.markup import escape

    return escape(redact_text(text))


def instant(at: int | None) -> str | None:
    """An instant in microseconds as ISO 8601, UTC."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(at // 1_000_000, UTC).replace(microsecond=at % 1_000_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def clock(at: int | None) -> str:
    """The time of day of an instant, for tables."""
    text = instant(at)
    return "" if text is None else text[11:23]


def day(at: int | None) -> str:
    """Date and time to the second, for tables."""
    text = instant(at)
    return "" if text is None else text[:19].replace("T", " ")


def took(started_at: int | None, ended_at: int | None) -> str:
    """How long something took, in a unit that fits."""
    if started_at is None or ended_at is None:
        return ""
    return length((ended_at - started_at) / 1_000_000)


def counted(number: int, thing: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def value_text(value: object) -> str:
    """A user value in a few lines, redacted and cut."""
    if value == ERASED:
        return "(erased)"
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    if len(text) > VALUE_CHARS_MAX:
        text = f"{text[:VALUE_CHARS_MAX]} … ({len(text)} characters; --json shows all)"
    return redact_text(text)
