"""Spans: the parts of a timeline, and what is shown of it where there is little room."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

Doing = Literal[
    "queued",
    "sent",
    "running",
    "retrying",
    "waiting",
    "child",
    "deferred",
    "settling",
    "inside",
]


NAMES: Mapping[Doing, str] = {
    "inside": "holds others",
    "queued": "waits for a node",
    "sent": "sent to a node",
    "running": "runs",
    "retrying": "waits for a retry",
    "waiting": "waits",
    "child": "child run",
    "deferred": "waits for its token",
    "settling": "settles",
}
"""As a legend calls them."""


class Span(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Instants in microseconds; `ended_at` is None for what still lasts. `version`: of the event
    that began it. `failed`: that it led to no result."""

    doing: Doing
    begun_at: int
    ended_at: int | None = None
    version: int = 0
    attempt: int = 0
    node: str = ""
    note: str = ""
    failed: bool = False


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A step, or an instance of one, `parse[3]`. `status`: `open` until it is over."""

    name: str
    kind: str
    status: str = "open"
    begun_at: int
    ended_at: int | None = None
    spans: list[Span] = []

    def spent(self, doing: Doing, until: int) -> int:
        """Microseconds."""
        return sum(
            (until if one.ended_at is None else one.ended_at) - one.begun_at
            for one in self.spans
            if one.doing == doing
        )

    def length(self, until: int) -> int:
        """Microseconds from its beginning to its end, or until now."""
        return (until if self.ended_at is None else self.ended_at) - self.begun_at

    @property
    def attempts(self) -> int:
        return max((one.attempt for one in self.spans), default=0)

    @property
    def is_item(self) -> bool:
        return self.kind == "item"


def doings(rows: Iterable[Row]) -> set[Doing]:
    """What took any time at all."""
    return {span.doing for row in rows for span in row.spans if span.ended_at != span.begun_at}


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the whole run."""

    at: int
    version: int
    what: str


class Timeline(msgspec.Struct, kw_only=True):
    """`until`: its end, or the last that is known of it. `hidden`: rows left out."""

    run_id: str
    workflow: str
    status: str = "running"
    begun_at: int = 0
    until: int = 0
    rows: list[Row] = []
    marks: list[Mark] = []
    hidden: int = 0
    source: str = ""
    """Of a fork: the run that it goes on from."""
    source_version: int = 0


def fewer(found: Timeline, most: int) -> Timeline:
    """The same with at most so many rows. Items of maps go first, of these the quick ones that did
    not fail."""
    if len(found.rows) <= most:
        return found
    ordered = sorted(found.rows, key=lambda row: _weight(row, found.until), reverse=True)
    kept = {id(row) for row in ordered[:most]}
    rows = [row for row in found.rows if id(row) in kept]
    hidden = found.hidden + len(found.rows) - len(rows)
    return msgspec.structs.replace(found, rows=rows, hidden=hidden)


def ticks(span_s: float, most: int) -> list[float]:
    """Round seconds from 0 on, at most so many apart from the first."""
    if span_s <= 0:
        return [0.0]
    step = 1e-6
    for step in _tick_lengths():
        if span_s / step <= most:
            break
    return [number * step for number in range(int(span_s / step) + 1)]


def _tick_lengths() -> Iterator[float]:
    """Lengths that are read easily: 1, 2 and 5 of a power of ten, then minutes, hours, days."""
    for power in range(-6, 1):
        for digit in (1, 2, 5):
            yield digit * 10.0**power
    yield from (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200)
    yield from (86_400.0 * 2**power for power in range(20))


def _weight(row: Row, until: int) -> tuple[bool, bool, int]:
    return (not row.is_item, row.status not in {"completed", "skipped"}, row.length(until))
