"""What the coordinator needs of a store and of a bus. Adapters implement it, twins imitate it.

Every method may raise `Unavailable` (the other side cannot be reached; nothing was changed unless
the method says otherwise) and must return or raise within its own timeout.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from events.api import AnyAnswer, AnyRequest
from events.envelope import Stored
from events.messages import Commands, Heartbeat, HeartbeatAnswer, Reports
from events.references import Payload
from events.sealing import EventKey
from orchestrator.replay.ports import End, IndexedHistory, IndexRow
from orchestrator.replay.retention.archives import Tombstone
from orchestrator.replay.snapshots import Snapshot, SnapshotInfo, SnapshotPlace

__all__ = [
    "FIRST_DUE",
    "AppendOutcome",
    "Appended",
    "Batch",
    "Bus",
    "Conflicted",
    "Due",
    "FencedOff",
    "IndexRow",
    "Lease",
    "Payloads",
    "ReportDelivery",
    "Snapshot",
    "SnapshotInfo",
    "SnapshotPlace",
    "Store",
]
"""What replay knows by the same names included: whoever has the store's port needs no other."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what crosses the store port."""


class Lease(Record, frozen=True, kw_only=True):
    """A right to append for `shard`, and its number.

    `granted_s`: for how long from its beginning nodes may still begin what an owner before has
    allowed them. Nothing where that one's lease had ended.
    """

    shard: int
    epoch: int
    holder: str = ""
    granted_s: float = 0.0


class Batch(Record, frozen=True, kw_only=True):
    """Events of many streams that become durable together or not at all, with the runs' index rows.

    Each event's `version` is the expected one: taken versions are a conflict. `leases` are checked
    in the same statement.
    """

    id: str
    leases: tuple[Lease, ...]
    events: tuple[Stored, ...]
    index: tuple[IndexRow, ...] = ()
    payloads: tuple[Payload, ...] = ()
    """What the events name by its hash; whoever appends puts it first."""
    snapshots: tuple[Snapshot, ...] = ()
    """States before what these events change; saved first as well."""


class Appended(Record, frozen=True, kw_only=True):
    """Durable; `position` is the log position of the batch's last event."""

    position: int


class Conflicted(Record, frozen=True, kw_only=True):
    """Nothing was appended: another writer has appended to these streams."""

    streams: tuple[str, ...]


class FencedOff(Record, frozen=True, kw_only=True):
    """Nothing was appended: these shards have a newer epoch."""

    shards: tuple[int, ...]


Due = tuple[int, str]
"""A place in the order of timers: when, and of which run."""

FIRST_DUE: Due = (-1, "")

AppendOutcome = Appended | Conflicted | FencedOff


class Payloads(Protocol):
    """Values that are too large for an event, under the hash of their bytes."""

    async def put_payloads(self, payloads: Sequence[Payload]) -> None:
        """Durable when it returns; what is there already stays."""

    async def load_payload(self, hash_: str) -> bytes | None:
        """The bytes, None when nothing was ever put under this hash. Raises `Corrupt` when they do
        not have it."""


class Store(IndexedHistory, Payloads, Protocol):
    """The log, its index, snapshots and leases, in one database: what replay reads, and more."""

    async def append(self, batch: Batch) -> AppendOutcome:
        """Appends in one statement. `Unavailable.unknown` is true when the commit may have
        happened: then `landed` must be asked before the batch is tried again; the adapter never
        retries."""

    async def landed(self, batch: Batch) -> bool:
        """Whether the batch is in the log, by event ids; waits for an append still under way."""

    async def end_of(self, run_id: str) -> End | None:
        """Where a run ends by the index; None when that has no row of it."""

    async def archived(self, run_id: str) -> Tombstone | None:
        """What is left of a run that was moved to an archive; None for every other one. To begin
        such a run is a conflict."""

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Events with position > `after`, in order of position; misses none that commits later."""

    async def due_runs(
        self, shards: Sequence[int], before: int, limit: int, after: Due = FIRST_DUE
    ) -> list[IndexRow]:
        """Open runs whose `next_due_at` <= `before`, earliest first, then by id; those behind
        `after`."""

    async def active_runs(self, shards: Sequence[int], after: str, limit: int) -> list[IndexRow]:
        """Open runs with something to be done: outstanding ones, ready ones that are not paused,
        and those of which fewer children are open than they wait for. Run ids > `after`, in order
        of run id."""

    async def stray_children(self, shards: Sequence[int], limit: int) -> list[IndexRow]:
        """Open runs that were started by one which has ended, or by one of which more children are
        open than it waits for; in no order."""

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keeps it, and of the stream's older ones of its kind only the newest few; a newer one
        stays, and so does every manual one. One of the same kind at the same version is replaced.
        """

    async def delete_snapshot(self, place: SnapshotPlace) -> bool:
        """Whether there was one to delete."""

    async def join_data_key(self, run_id: str, subject: str, id_: str) -> EventKey:
        """What a personal run of this subject is written with, from its first event on; made under
        this id if it is the subject's first. Raises `Rejected`, `MissingKey`."""

    async def data_key_of(self, run_id: str) -> EventKey:
        """What a personal run goes on with. Raises `Corrupt` when it was erased or is not there,
        `MissingKey`."""

    async def attend(self, name: str, ttl_s: float) -> list[str]:
        """Notes that this coordinator is there, for so long by the database's clock. Returns the
        names of all that are and may own shards, in order; without ours, if a newer release has
        changed the log so that this one must not."""

    async def leave(self, name: str) -> None:
        """This coordinator is not there any more."""

    async def acquire(
        self, shards: Sequence[int], holder: str, ttl_s: float, most: int | None = None
    ) -> list[Lease]:
        """Takes those of `shards` that are free or expired by the database's clock, or were ours
        before a restart; the first `most` of them. Each gets a new epoch. Shards that are held by
        another are left out."""

    async def renew(self, leases: Sequence[Lease], holder: str, ttl_s: float) -> list[Lease]:
        """Extends the leases that are still ours, and returns these; those that are not are left
        out."""

    async def release(self, leases: Sequence[Lease], holder: str) -> None: ...

    async def close(self) -> None: ...


class ReportDelivery(msgspec.Struct, frozen=True):
    """A message from the report stream; acknowledging `sequence` acknowledges all before it."""

    shard: int
    sequence: int
    reports: Reports


class Bus(Protocol):
    """The command plane. It may lose, repeat, delay, reorder; nothing depends on it for truth."""

    def connection(self) -> AsyncIterator[bool]:
        """Whether the bus can be reached: first how it is now, then every change, a few seconds
        late at most. While it cannot be, nothing that is not heard means anything."""

    async def publish(self, node: str, incarnation: str, commands: Commands) -> None:
        """Hands a batch to the command stream and waits for its acknowledgement."""

    def reports(self, leases: Sequence[Lease]) -> AsyncIterator[list[ReportDelivery]]:
        """Batches of deliveries for the leased shards, redelivered until acknowledged; goes on
        through reconnects, and declares streams and consumers anew when they have vanished."""

    async def acknowledge(self, deliveries: Sequence[ReportDelivery]) -> None:
        """After the commit: never delivered again (best effort)."""

    def heartbeats(self) -> AsyncIterator[tuple[Heartbeat, str]]:
        """Heartbeats with the subject that awaits the answer."""

    async def answer_heartbeat(self, reply_to: str, answer: HeartbeatAnswer) -> None: ...

    def requests(self, shards: Sequence[int]) -> AsyncIterator[tuple[AnyRequest, str]]:
        """Client requests for these shards and for the cluster, with the subject to answer.
        Undecodable ones are answered by the adapter."""

    async def answer(self, reply_to: str, answer: AnyAnswer) -> None: ...

    async def announce(self, log: str, position: int) -> None:
        """Core message that the log has grown; best effort."""

    async def close(self) -> None: ...
