"""The journal's records, their fold, and what the agent needs of a journal.

Guarantee: a report that was ever published is in the journal, durably, until its owner has settled
it; so an attempt that completed here is reported, and not run, whatever happens to the process or
the host.

    Accepted ──► Begun ──► Ended ──► Forgot
       └───────────────────▲
       (an attempt may end without having begun, or without having been accepted)

Accepted and Begun are written without waiting for the disk. A killed process (kill -9) loses
nothing that was written; a host that loses power may lose the last of them, and then the attempt is
one that the new incarnation does not hold: its owner learns that from the heartbeat and dispatches
another. Ended is made durable before its report leaves.

What is read back at a start is the fold of the records, one `Live` for each attempt without Forgot:
with a report it is sent again; without one it was cut short and is returned to its owner.
"""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from events.ids import Attempt
from events.messages import Completed, Deferred, Failed, Once, Returned

Final = Completed | Failed | Deferred | Returned
"""A report that ends an attempt."""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Base of journal records: `[tag, field, …]`; fields are only ever added at the end."""


class Accepted(Entry, frozen=True, array_like=True, tag=1):
    """An attempt was taken; `started_at` is not 0 when its start was stamped in the same step."""

    attempt: Attempt
    shard: int
    started_at: int = 0


class Begun(Entry, frozen=True, array_like=True, tag=2):
    attempt: Attempt
    started_at: int


class Ended(Entry, frozen=True, array_like=True, tag=3):
    shard: int
    report: Final


class Forgot(Entry, frozen=True, array_like=True, tag=4):
    """Settled or dropped: of no more interest."""

    attempts: tuple[Attempt, ...]


class Incarnated(Entry, frozen=True, array_like=True, tag=5):
    """A new incarnation began; `reset`: the cluster told the old one to drop all that it held."""

    incarnation: str
    reset: bool = False


class Compacted(Entry, frozen=True, array_like=True, tag=6):
    """The `count` records that follow are all that was live: earlier segments are superfluous once
    these are whole.
    """

    incarnation: str = ""
    count: int = 0


class Noted(Entry, frozen=True, array_like=True, tag=7):
    """A part of the attempt's handler is done that is done once per task: its value."""

    shard: int
    once: Once


Record = Accepted | Begun | Ended | Forgot | Incarnated | Compacted | Noted


class Live(msgspec.Struct, frozen=True):
    """An attempt that is not forgotten: `started_at` is 0 while it has not begun."""

    attempt: Attempt
    shard: int
    started_at: int = 0
    report: Final | None = None
    once: tuple[Once, ...] = ()
    """What is to be reported before it."""


class Ledger:
    """The fold of the records: what is live."""

    __slots__ = ("incarnation", "live")

    def __init__(self) -> None:
        self.incarnation = ""
        self.live: dict[Attempt, Live] = {}

    def apply(self, record: Record) -> None:
        match record:
            case Accepted():
                self.live[record.attempt] = Live(record.attempt, record.shard, record.started_at)
            case Begun():
                self._begin(record)
            case Noted():
                self._note(record)
            case Ended():
                self._end(record)
            case Forgot():
                for attempt in record.attempts:
                    self.live.pop(attempt, None)
            case Incarnated():
                self.incarnation = record.incarnation
                if record.reset:
                    self.live.clear()
            case Compacted():
                self.incarnation = record.incarnation
                self.live.clear()

    def extend(self, records: Iterable[Record]) -> None:
        for record in records:
            self.apply(record)

    def compacted(self) -> tuple[Record, ...]:
        """Returns records whose fold, from nothing, is this ledger."""
        records: list[Record] = []
        for live in self.live.values():
            if live.report is None or live.once:
                records.append(Accepted(live.attempt, live.shard, live.started_at))
            records += [Noted(live.shard, once) for once in live.once]
            if live.report is not None:
                records.append(Ended(live.shard, live.report))
        return (Compacted(self.incarnation, len(records)), *records)

    def _begin(self, record: Begun) -> None:
        live = self.live.get(record.attempt)
        if live is not None:
            self.live[record.attempt] = Live(
                live.attempt, live.shard, record.started_at, once=live.once
            )

    def _note(self, record: Noted) -> None:
        live = self.live.get(record.once.attempt)
        if live is not None and live.report is None:
            once = (*live.once, record.once)
            self.live[live.attempt] = Live(
                live.attempt, live.shard, live.started_at, live.report, once
            )

    def _end(self, record: Ended) -> None:
        attempt = record.report.attempt
        before = self.live.get(attempt)
        began = before.started_at if before is not None else 0
        once = before.once if before is not None else ()
        self.live[attempt] = Live(attempt, record.shard, began, record.report, once)


class JournalPort(Protocol):
    """Where the records go. One process at a time."""

    def open(self) -> tuple[Live, ...]:
        """Returns what was live when the last process ended, however it did; durable by then.

        Raises `NodeTaken`, `JournalDamaged` and `Unavailable`."""

    def append(self, records: tuple[Record, ...]) -> None:
        """Hands the records to the operating system, without waiting for the disk.

        Raises `Unavailable` when that fails (disk full): the agent must then stop, as it can
        promise nothing any more.
        """

    async def sync(self) -> None:
        """Returns when everything appended before the call is durable; raises like `append`."""

    def close(self) -> None: ...
