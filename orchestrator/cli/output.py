"""What commands print: JSON for programs, tables and colours for people; secrets covered."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from events.redaction import redact_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {
    "completed": "green",
    "running": "cyan",
    "dispatched": "cyan",
    "ready": "yellow",
    "retrying": "yellow",
    "pending": "yellow",
    "waiting": "blue",
    "paused": "yellow",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "magenta",
    "skipped": "bright_black",
    "healthy": "green",
    "suspected": "yellow",
    "lost": "red",
    "draining": "yellow",
    "left": "bright_black",
}
VALUE_CHARS_MAX = 2000


def print_json(value: object) -> None:
    """One JSON document on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def console() -> "Console":
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 -- called where the error is handled; `main` knows what it means

    # A file or a pipe has no width of its own; a table cut at 80 columns there helps nobody.
    wide = None if sys.stdout.isatty() else 160
    return Ours(highlight=False, soft_wrap=False, width=wide)


def table(*columns: str) -> "Table":
    from orchestrator.cli.listing import Listing

    made = Listing()
    for column in columns:
        name = column.strip(">")
        made.add_column(name, justify="right" if column.endswith(">") else "left")
    return made


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
    seconds = (ended_at - started_at) / 1_000_000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def value_text(value: object) -> str:
    """A user value in a few lines, redacted and cut."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    if len(text) > VALUE_CHARS_MAX:
        text = f"{text[:VALUE_CHARS_MAX]} … ({len(text)} characters; --json shows all)"
    return redact_text(text)
