"""When journal records are written, and when a final report may leave.

Records of a step are written in that step. One sync is under way at a time; final reports that
gather meanwhile are covered by the next one. A report is released by the sync of its own batch or a
later one.
"""

from collections import deque
from typing import NamedTuple

from events.messages import Once
from node_agent.attempts import Held
from node_agent.journal import Accepted, Ended, Final, Noted, Record
from node_agent.steps import Journal


class Note(NamedTuple):
    """A value of a part that is done once, of so many bytes."""

    held: Held
    once: Once
    size: int


class GroupCommit:
    __slots__ = ("_accepted", "_batch", "_notes", "_records", "_syncing", "_unsynced")

    def __init__(self) -> None:
        self._batch = 0
        self._accepted: list[Held] = []
        self._records: list[Record] = []
        self._syncing: int | None = None
        self._unsynced: deque[Held] = deque()
        self._notes: deque[tuple[int, Note]] = deque()

    def accept(self, held: Held) -> None:
        """The attempt was taken in this step; if it also begins in it, one record says both."""
        self._accepted.append(held)

    def record(self, record: Record) -> None:
        self._records.append(record)

    def end(self, held: Held, report: Final) -> None:
        held.batch = self._batch + 1
        held.durable = False
        self._records.append(Ended(held.shard, report))
        self._unsynced.append(held)

    def note(self, held: Held, once: Once, size: int) -> None:
        """A value that is to be durable before it is reported."""
        self._records.append(Noted(held.shard, once))
        self._notes.append((self._batch + 1, Note(held, once, size)))

    def flush(self) -> Journal | None:
        """Returns what the journal has to do for this step, or None."""
        sync = self._syncing is None and bool(self._unsynced or self._notes)
        if not (sync or self._records or self._accepted):
            return None
        self._batch += 1
        if sync:
            self._syncing = self._batch
        taken = [Accepted(held.attempt, held.shard, held.started_at) for held in self._accepted]
        for held in self._accepted:
            held.is_recorded = True
        records = (*taken, *self._records)
        self._accepted = []
        self._records = []
        return Journal(self._batch, records, sync)

    def synced(self, batch: int) -> list[Held]:
        """Everything up to `batch` is durable: returns whose final reports that releases."""
        if batch == self._syncing:
            self._syncing = None
        released: list[Held] = []
        while self._unsynced and self._unsynced[0].batch <= batch:
            held = self._unsynced.popleft()
            held.durable = True
            released.append(held)
        return released

    def noted(self, batch: int) -> list[Note]:
        """Which values the end of the sync of this batch has made durable."""
        released: list[Note] = []
        while self._notes and self._notes[0][0] <= batch:
            released.append(self._notes.popleft()[1])
        return released

    @property
    def is_idle(self) -> bool:
        return not self._unsynced

    def forget_unsynced(self) -> None:
        """Nobody wants the reports that wait here (the records themselves are written all the
        same).
        """
        self._unsynced.clear()
        self._notes.clear()
