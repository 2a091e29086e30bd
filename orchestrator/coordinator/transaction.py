"""Transaction: what one turn decided, and what may leave once it is durable.

Guarantee: effects of a stream leave after the commit that holds its events and never without it.
There is one commit in flight; what is decided meanwhile is of other streams and waits for the next.

    gathering ──► in flight ──► durable: effects leave
                    │  ├──► conflicted: the streams in conflict leave the batch and are decided anew
                    │  ├──► fenced: shards that are no longer ours leave the batch and are forgotten
                    │  └──► unknown: asked until it is known, then durable or sent again as it is
                    └─ store away: sent again as it is (same event ids); intake is held meanwhile
"""

from collections.abc import Callable
from functools import cached_property

import msgspec

from events.envelope import Stored
from events.ids import Attempt
from events.messages import Command
from events.references import Payload
from orchestrator.coordinator.ports import Batch, Lease, Snapshot
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.signals import Answer
from orchestrator.coordinator.waiters import Waiter
from orchestrator.coordinator.works import AnyWork

NodeKey = tuple[str, str]
"""Node and incarnation."""


class Touched(msgspec.Struct):
    """What a turn did to one stream. `slot` is None for streams that are not runs."""

    stream: str
    shard: int
    slot: Slot | None = None
    events: list[Stored] = []
    works: list[AnyWork] = []
    answers: list[Answer] = []
    waiters: list[Waiter] = []
    """Clients that are answered when the run has ended."""
    commands: dict[str, None] = {}
    """Steps whose command is to be sent, derived from the state at commit."""
    dropped: list[tuple[NodeKey, Attempt]] = []
    """Attempts that an operator has taken from their nodes."""
    orphans: list[tuple[str, str]] = []
    """Child runs that an operator has taken from their steps: of which step, and which."""
    settled: list[tuple[NodeKey, Attempt]] = []
    """Attempts whose final report is recorded or discarded, by who sent it."""
    once: list[tuple[NodeKey, tuple[Attempt, str]]] = []
    """Values of parts of handlers that are recorded, by who sent them."""
    fenced: list[tuple[NodeKey, Attempt]] = []
    """Attempts that their node is to give up: it waits for an answer about them."""
    hashes: list[tuple[str, int, str]] = []
    payloads: list[Payload] = []
    """What the events name by its hash."""
    snapshots: list[Snapshot] = []
    """States to be kept before the events are appended, such as an operator's way back. Of states
    that are in the log, not of what this turn has decided: that may never become durable."""


class Transaction:
    """One turn's streams, in order of first touch."""

    def __init__(self, batch_id: str) -> None:
        self.id = batch_id
        self.streams: dict[str, Touched] = {}
        self.direct: list[tuple[NodeKey, Command]] = []
        """Commands that depend on no commit of this turn."""
        self.events = 0
        self.bytes = 0

    def touch(self, stream: str, shard: int, slot: Slot | None = None) -> Touched:
        found = self.streams.get(stream)
        if found is None:
            found = self.streams[stream] = Touched(stream, shard)
        if slot is not None and not found.events:  # an ended run may have been read again
            found.slot = slot
        return found

    def event_id(self) -> str:
        """The next event's id: unique by the batch's id, in order within it."""
        self.events += 1
        return f"{self.id}-{self.events:x}"

    def batch(self, leases: tuple[Lease, ...]) -> Batch:
        written = [t for t in self.streams.values() if t.events]
        # What is said of nodes comes before what follows from it: an attempt is given to a node
        # after the node was uncordoned, for whoever reads the log in order.
        touched = [t for t in written if t.slot is None] + [t for t in written if t.slot]
        return Batch(
            id=self.id,
            leases=leases,
            events=tuple(event for t in touched for event in t.events),
            index=tuple(t.slot.row() for t in touched if t.slot is not None),
            payloads=tuple(payload for t in touched for payload in t.payloads),
            snapshots=tuple(snapshot for t in touched for snapshot in t.snapshots),
        )

    def without(self, leaves: Callable[[Touched], bool]) -> list[Touched]:
        """Takes streams out, and returns them."""
        leaving = [touched for touched in self.streams.values() if leaves(touched)]
        if leaving:
            # What this turn reconciled may have seen their facts; the next heartbeat repeats it.
            self.direct.clear()
        for touched in leaving:
            del self.streams[touched.stream]
        return leaving

    @cached_property
    def only_runs(self) -> bool:
        """Whether it says nothing that other streams' decisions rest on; asked for when nothing is
        added any more."""
        return all(touched.slot is not None for touched in self.streams.values() if touched.events)

    @property
    def shards(self) -> set[int]:
        return {touched.shard for touched in self.streams.values() if touched.events}

    @property
    def writes(self) -> bool:
        return any(touched.events for touched in self.streams.values())
