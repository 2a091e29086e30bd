"""How events are shown: a line each, in colours on a terminal, or as JSON with nothing left out."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Stored
from events.redaction import redacted_json
from orchestrator.cli.output import (
    ACTIVE,
    CALLED_OFF,
    DIM,
    UNSURE,
    WAITING,
    clock,
    console,
    instant,
    plain,
)
from orchestrator.cli.output import BAD as RED
from orchestrator.insight.following.sieve import Followed, decoded

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {
    "run": "bold",
    "task": ACTIVE,
    "attempt": UNSURE,
    "node": CALLED_OFF,
    "lease": DIM,
    "definition": WAITING,
}
BAD = ("failed", "lost", "suspected", "timed_out", "cancelled")
SHOWN_FIRST = ("step", "attempt", "node", "task", "status", "failure", "why", "reason")
DATA_CHARS = 100
DATA_COLUMNS_MIN = 40
INDENT = 6


class Printer:
    """Prints stored events; one that cannot be decoded is shown as that and stops nobody."""

    def __init__(self, *, as_json: bool, with_stream: bool, log: str = "") -> None:
        """`log`: the name of the log that they are of, where there are several."""
        self._as_json = as_json
        self._log = log
        self._with_stream = with_stream
        self._catalogue = Catalogue()
        self._console: Console | None = None if as_json else console()

    def of_log(self, log: str) -> "Printer":
        """The same, for events of one of several logs."""
        return Printer(as_json=self._as_json, with_stream=self._with_stream, log=log)

    def print(self, page: Iterable[Stored]) -> None:
        self.show(decoded(self._log, stored, self._catalogue) for stored in page)

    def show(self, page: Iterable[Followed]) -> None:
        for seen in page:
            if self._console is None:
                sys.stdout.write(json_line(seen) + "\n")
            else:
                show_line(self._console, *self._line(seen))
        sys.stdout.flush()

    def _line(self, seen: Followed) -> tuple[str, str]:
        """What and when it was, and its data, both as markup."""
        stored = seen.stored
        log = f"{seen.log} " if seen.log else ""
        place = f"{log}{stored.position:>7} " if stored.position is not None else ""
        stream = f"[{DIM}]{plain(stored.stream)}[/] " if self._with_stream else ""
        if seen.event is None:
            return f"{place}{stored.version:>5} {stream}", f"[{RED}]{plain(seen.trouble)}[/]"
        colour = RED if any(word in stored.type for word in BAD) else _colour(stored.type)
        at = clock(seen.event.header.recorded_at)
        kind = f"[{colour}]{stored.type:<24}[/]"
        head = f"[{DIM}]{place}[/]{stored.version:>5} [{DIM}]{at}[/] {kind} {stream}"
        return head.rstrip(), _data(seen.event)


def json_line(seen: Followed) -> str:
    """The whole envelope, also what is not stored because it is the default, and the position when
    it is known; `corrupt` says why, and the bytes follow, when it cannot be decoded."""
    stored, event = seen.stored, seen.event
    place: dict[str, object] = {"log": seen.log} if seen.log else {}
    if stored.position is not None:
        place["position"] = stored.position
    if event is None:
        where = {"stream": stored.stream, "version": stored.version, "type": stored.type}
        shown = {**place, **where, "corrupt": seen.trouble, "bytes": stored.state}
    else:
        header = msgspec.structs.asdict(event.header)
        header.pop("data", None)
        shown = {**place, **header, "digest": event.digest, "data": event.fact}
    return redacted_json(shown).decode()


def show_line(out: "Console", head: str, data: str) -> None:
    """One line where that fits. On a narrow terminal the data is wrapped behind its head, or
    below it; a file or pipe always gets one line."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    left = Text.from_markup(head)
    if not out.is_terminal or left.cell_len + len(data) < out.width:
        out.print(f"{head} {data}", soft_wrap=True)
    elif out.width - left.cell_len < DATA_COLUMNS_MIN:
        out.print(head, soft_wrap=True)
        out.print(Padding(Text.from_markup(data, overflow="fold"), (0, 0, 0, INDENT)))
    else:
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column(no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(left, data)
        out.print(line)


def _colour(kind: str) -> str:
    return COLOURS.get(kind.partition(".")[0], "default")


def _data(event: Event) -> str:
    """The most telling fields first, cut to a line."""
    fields = msgspec.to_builtins(event.fact)
    fields.pop("type", None)
    ordered = {key: fields[key] for key in SHOWN_FIRST if key in fields}
    ordered |= {key: value for key, value in fields.items() if key not in ordered}
    text = " ".join(f"{key}={_value(key, value)}" for key, value in ordered.items())
    cut = text if len(text) <= DATA_CHARS else f"{text[:DATA_CHARS]}…"
    return plain(cut)


def _value(key: str, value: object) -> str:
    """Texts as they are, instants as times, all else as JSON."""
    if key.endswith("_at") and isinstance(value, int):
        return instant(value) or ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
