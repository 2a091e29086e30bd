"""The store's twin: the same answers as Postgres gives, without IO, real time or chance.

`MemoryLog` holds all logic in plain methods, so that a simulator can call them inside its own
scheduling; `MemoryStore` is the same behind the coordinator's asynchronous port. Both may be
shared by any number of coordinators, like a database. The clock is handed in: leases expire by
it.

What it does not imitate: connections. Lost answers are the business of whoever calls it: call
`append` and keep the outcome back, and `landed` says what happened. Positions have no gaps here.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import msgspec

from events.envelope import Stored
from events.ids import run_stream
from events.limits import FOLLOWED_LOOKS_MAX, BatchLimits
from events.references import Payload, checked
from events.run_facts import RunForked
from events.sealing import EventKey, Keyring, NoKeys
from orchestrator.adapters.memory.datakeys import MemoryDataKeys
from orchestrator.adapters.memory.snapshots import MemorySnapshots
from orchestrator.coordinator.batches import check_batch
from orchestrator.coordinator.ports import (
    FIRST_DUE,
    Appended,
    AppendOutcome,
    Batch,
    Conflicted,
    Due,
    FencedOff,
    IndexRow,
    Lease,
    Snapshot,
    SnapshotInfo,
    SnapshotPlace,
)
from orchestrator.errors import InvariantViolation
from orchestrator.insight.following.feed import Taken, take
from orchestrator.insight.following.filters import EVERYTHING, Wanted
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.audit.log_batches import DIGEST_BYTES, LogBatch, chained, event_digests
from orchestrator.replay.ports import End
from orchestrator.replay.retention.archives import Tombstone, fork_source


class Holding(msgspec.Struct):
    """A shard's row: the last epoch given, who has it, until when (microseconds)."""

    epoch: int = 0
    holder: str = ""
    expires_at: int = 0


class MemoryLog:
    """The log, its index, snapshots, payloads and leases. `now` gives microseconds since 1970."""

    def __init__(
        self,
        now: Callable[[], int],
        limits: BatchLimits | None = None,
        snapshots_kept: int = 3,
        recovery_snapshots_kept: int = 10,
        keys: Keyring = NoKeys(),
    ) -> None:
        self.data_keys = MemoryDataKeys(keys)
        self._now = now
        kept = {"automatic": snapshots_kept, "recovery": recovery_snapshots_kept}
        self.snapshots = MemorySnapshots(now, kept)
        self._limits = limits or BatchLimits()
        self._log: list[Stored] = []
        self._streams: dict[str, list[Stored]] = {}
        self._batches: list[LogBatch] = []
        self.tombstones: dict[str, Tombstone] = {}
        """Runs that were moved to archives."""
        self._index: dict[str, IndexRow] = {}
        self._leases: dict[int, Holding] = {}
        self._attending: dict[str, int] = {}
        self._payloads: dict[str, bytes] = {}

    # ------------------------------------------------------------------ the log

    def append(self, batch: Batch) -> AppendOutcome:
        check_batch(batch, self._limits)
        fenced = [lease.shard for lease in batch.leases if not self._is_current(lease)]
        if fenced:
            return FencedOff(shards=tuple(sorted(fenced)))
        self._require_no_hole(batch)
        moved = {e.stream for e in batch.events if e.version == 1 and self._stands_on_moved(e)}
        if moved:
            return Conflicted(streams=tuple(sorted(moved)))
        taken = [(event, found) for event in batch.events if (found := self._at(event))]
        foreign = {event.stream for event, found in taken if event.state != found.state}
        if foreign:
            return Conflicted(streams=tuple(sorted(foreign)))
        if taken:
            return self._appended_before(batch, [found for _, found in taken])
        for event in batch.events:
            self._add(event)
        self._chain(batch.events)
        self._index.update((row.run_id, row) for row in batch.index)
        return Appended(position=len(self._log))

    def _stands_on_moved(self, event: Stored) -> bool:
        """Whether a run that begins, or what it is forked from, was moved to an archive."""
        if event.type == RunForked.TYPE and self._is_moved(fork_source(event.state)):
            return True
        return self._is_moved(event.stream)

    def landed(self, batch: Batch) -> bool:
        own = sum(1 for e in batch.events if (found := self._at(e)) and found.state == e.state)
        if own not in (0, len(batch.events)):
            raise InvariantViolation(f"batch {batch.id} is in the log by {own} events")
        return own > 0

    def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self.data_keys.opened(self._streams.get(stream, [])[max(after, 0) :][:limit])

    def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self.data_keys.opened(self._log[max(after, 0) :][:limit])

    def read_batches(self, after: int = 0, limit: int = 1000) -> list[LogBatch]:
        return self._batches[max(after, 0) :][:limit]

    @property
    def last_batch_number(self) -> int:
        return len(self._batches)

    def kept_digests(self, positions: Sequence[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for position in positions:
            at = bisect_left(self._batches, position, key=lambda batch: batch.last)
            if at < len(self._batches):
                batch = self._batches[at]
                start = (position - batch.first) * DIGEST_BYTES
                found[position] = batch.digests[start : start + DIGEST_BYTES]
        return found

    def read_streams(
        self, prefix: str, after: tuple[str, int] = ("", 0), limit: int = 1000
    ) -> list[Stored]:
        names = sorted(name for name in self._streams if name.startswith(prefix))
        events = (event for name in names if name >= after[0] for event in self._streams[name])
        found = (e for e in events if (e.stream, e.version) > after)
        return self.data_keys.opened(list(islice(found, limit)))

    def last_position(self) -> int:
        return len(self._log)

    def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        names = sorted(n for n in self._streams if n.startswith(prefix) and n > after)
        return names[:limit]

    def _at(self, event: Stored) -> Stored | None:
        stream = self._streams.get(event.stream, [])
        return stream[event.version - 1] if event.version <= len(stream) else None

    def _add(self, event: Stored) -> None:
        kept = msgspec.structs.replace(event, position=len(self._log) + 1)
        self._log.append(kept)
        self._streams.setdefault(event.stream, []).append(kept)

    def end_of(self, run_id: str) -> End | None:
        row = self._index.get(run_id)
        if row is None:
            return None
        stream = self._streams.get(run_stream(run_id), [])
        position = stream[row.version - 1].position if row.version <= len(stream) else None
        kept = self.kept_digests([position]) if position else {}
        digest = kept.get(position or 0, b"")
        return End(version=row.version, digest=digest, imported=row.shard < 0)

    def _is_moved(self, stream: str) -> bool:
        return stream.removeprefix(run_stream("")) in self.tombstones

    def _chain(self, events: Sequence[Stored]) -> None:
        before = self._batches[-1].digest if self._batches else b""
        batch = LogBatch(
            number=len(self._batches) + 1,
            first=len(self._log) - len(events) + 1,
            last=len(self._log),
            events=len(events),
            digests=event_digests([event.state for event in events]),
            digest=b"",
            recorded_at=self._now(),
        )
        self._batches.append(msgspec.structs.replace(batch, digest=chained(before, batch)))

    def _is_current(self, lease: Lease) -> bool:
        held = self._leases.get(lease.shard)
        return held is not None and held.epoch == lease.epoch

    def _appended_before(self, batch: Batch, found: list[Stored]) -> AppendOutcome:
        if len(found) != len(batch.events):
            raise InvariantViolation(f"batch {batch.id} is in the log by {len(found)} events")
        return Appended(position=max(event.position or 0 for event in found))

    def _require_no_hole(self, batch: Batch) -> None:
        heads = dict[str, int]()
        for event in batch.events:
            heads.setdefault(event.stream, event.version)
        torn = [s for s, version in heads.items() if version > len(self._streams.get(s, ())) + 1]
        if torn:
            raise InvariantViolation(f"batch {batch.id} would leave a hole in {min(torn)}")

    # ------------------------------------------------------------------ the index

    def index_row(self, run_id: str) -> IndexRow | None:
        return self._index.get(run_id)

    def index_rows(self, after: str = "", limit: int = 1000) -> list[IndexRow]:
        return self._sorted(row for row in self._index.values() if row.run_id > after)[:limit]

    def due_runs(
        self, shards: Sequence[int], before: int, limit: int, after: Due = FIRST_DUE
    ) -> list[IndexRow]:
        due = [
            (row.next_due_at, row.run_id, row)
            for row in self._open(shards)
            if row.next_due_at is not None and row.next_due_at <= before
        ]
        later = sorted(entry for entry in due if entry[:2] > after)
        return [row for _, _, row in later[:limit]]

    def active_runs(self, shards: Sequence[int], after: str, limit: int) -> list[IndexRow]:
        active = (row for row in self._open(shards) if self._is_active(row))
        return self._sorted(row for row in active if row.run_id > after)[:limit]

    def stray_children(self, shards: Sequence[int], limit: int) -> list[IndexRow]:
        return self._sorted(row for row in self._open(shards) if self._is_stray(row))[:limit]

    def _is_stray(self, row: IndexRow) -> bool:
        parent = self._index.get(row.parent) if row.parent else None
        if parent is None or parent.status in TERMINAL:
            return parent is not None
        siblings = (one for one in self._index.values() if one.parent == row.parent)
        return parent.calls < sum(1 for one in siblings if one.status not in TERMINAL)

    def replace_index_rows(self, rows: Sequence[IndexRow]) -> list[str]:
        current = [r for r in rows if r.version == len(self._streams.get(run_stream(r.run_id), ()))]
        self._index.update((row.run_id, row) for row in current)
        return sorted(row.run_id for row in current)

    def drop_stray_index_rows(self) -> list[str]:
        strays = sorted(r for r in self._index if run_stream(r) not in self._streams)
        for run_id in strays:
            del self._index[run_id]
        return strays

    def _open(self, shards: Sequence[int]) -> Iterable[IndexRow]:
        wanted = set(shards)
        rows = self._index.values()
        return (row for row in rows if row.shard in wanted and row.status not in TERMINAL)

    def _is_active(self, row: IndexRow) -> bool:
        if row.outstanding or (row.ready and row.status != "paused"):
            return True
        children = (one for one in self._index.values() if one.parent == row.run_id)
        return row.calls > sum(1 for one in children if one.status not in TERMINAL)

    def _sorted(self, rows: Iterable[IndexRow]) -> list[IndexRow]:
        return sorted(rows, key=lambda row: row.run_id)

    # ------------------------------------------------------------------ snapshots

    def save_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.save(snapshot)

    def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        return self.snapshots.load(stream, at_most)

    # ------------------------------------------------------------------ payloads

    def put_payloads(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            self._payloads.setdefault(payload.hash, payload.data)

    def load_payload(self, hash_: str) -> bytes | None:
        data = self._payloads.get(hash_)
        return None if data is None else checked(hash_, data)

    # ------------------------------------------------------------------ leases

    def attend(self, name: str, ttl_s: float) -> list[str]:
        self._attending[name] = self._until(ttl_s)
        now = self._now()
        return sorted(one for one, end in self._attending.items() if one == name or end > now)

    def leave(self, name: str) -> None:
        self._attending.pop(name, None)

    def acquire(
        self, shards: Sequence[int], holder: str, ttl_s: float, most: int | None = None
    ) -> list[Lease]:
        taken: list[Lease] = []
        for shard in sorted(set(shards)):
            if len(taken) == most:
                break
            row = self._leases.setdefault(shard, Holding())
            left = max(0, row.expires_at - self._now())
            if left == 0 or row.holder in ("", holder):
                row.epoch += 1
                row.holder, row.expires_at = holder, self._until(ttl_s)
                lease = Lease(
                    shard=shard, epoch=row.epoch, holder=holder, granted_s=left / 1_000_000
                )
                taken.append(lease)
        return taken

    def renew(self, leases: Sequence[Lease], holder: str, ttl_s: float) -> list[Lease]:
        ours = [lease for lease in leases if self._is_held(lease, holder)]
        for lease in ours:
            self._leases[lease.shard].expires_at = self._until(ttl_s)
        return sorted(ours, key=lambda lease: lease.shard)

    def release(self, leases: Sequence[Lease], holder: str) -> None:
        for lease in leases:
            if self._is_held(lease, holder):
                self._leases[lease.shard].holder = ""

    def _is_held(self, lease: Lease, holder: str) -> bool:
        return self._is_current(lease) and self._leases[lease.shard].holder == holder

    def _until(self, ttl_s: float) -> int:
        return self._now() + round(ttl_s * 1_000_000)


def _place(row: IndexRow) -> tuple[int, str]:
    return row.started_at, row.run_id


class MemoryStore:
    """`MemoryLog` behind the coordinator's port `Store`. Closing it loses nothing."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log

    async def append(self, batch: Batch) -> AppendOutcome:
        return self.log.append(batch)

    async def landed(self, batch: Batch) -> bool:
        return self.log.landed(batch)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self.log.read(stream, after, limit)

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self.log.read_log(after, limit)

    async def read_wanted(self, after: int, wanted: Wanted = EVERYTHING) -> Taken:
        return take(self.log.read_log(after, FOLLOWED_LOOKS_MAX), after, wanted)

    async def begins_of(self, streams: Sequence[str]) -> list[Stored]:
        return [one for stream in streams for one in self.log.read(stream, 0, 1)]

    async def read_batches(self, after: int = 0, limit: int = 1000) -> list[LogBatch]:
        return self.log.read_batches(after, limit)

    async def last_batch(self) -> LogBatch | None:
        return next(iter(self.log.read_batches(self.log.last_batch_number - 1, 1)), None)

    async def kept_digests(self, positions: Sequence[int]) -> dict[int, bytes]:
        return self.log.kept_digests(positions)

    async def end_of(self, run_id: str) -> End | None:
        return self.log.end_of(run_id)

    async def archived(self, run_id: str) -> Tombstone | None:
        return self.log.tombstones.get(run_id)

    async def read_streams(
        self, prefix: str, after: tuple[str, int] = ("", 0), limit: int = 1000
    ) -> list[Stored]:
        return self.log.read_streams(prefix, after, limit)

    async def last_position(self) -> int:
        return self.log.last_position()

    async def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        return self.log.stream_names(prefix, after, limit)

    async def index_row(self, run_id: str) -> IndexRow | None:
        return self.log.index_row(run_id)

    async def index_rows(self, after: str = "", limit: int = 1000) -> list[IndexRow]:
        return self.log.index_rows(after, limit)

    async def due_runs(
        self, shards: Sequence[int], before: int, limit: int, after: Due = FIRST_DUE
    ) -> list[IndexRow]:
        return self.log.due_runs(shards, before, limit, after)

    async def active_runs(self, shards: Sequence[int], after: str, limit: int) -> list[IndexRow]:
        return self.log.active_runs(shards, after, limit)

    async def stray_children(self, shards: Sequence[int], limit: int) -> list[IndexRow]:
        return self.log.stray_children(shards, limit)

    async def replace_index_rows(self, rows: Sequence[IndexRow]) -> list[str]:
        return self.log.replace_index_rows(rows)

    async def drop_stray_index_rows(self) -> list[str]:
        return self.log.drop_stray_index_rows()

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        self.log.save_snapshot(snapshot)

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        return self.log.load_snapshot(stream, at_most)

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None:
        return self.log.snapshots.find(place)

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]:
        return self.log.snapshots.list(stream, after, limit)

    async def delete_snapshot(self, place: SnapshotPlace) -> bool:
        return self.log.snapshots.delete(place)

    async def put_payloads(self, payloads: Sequence[Payload]) -> None:
        self.log.put_payloads(payloads)

    async def load_payload(self, hash_: str) -> bytes | None:
        return self.log.load_payload(hash_)

    async def join_data_key(self, run_id: str, subject: str, id_: str) -> EventKey:
        return self.log.data_keys.join(run_id, subject, id_)

    async def data_key_of(self, run_id: str) -> EventKey:
        return self.log.data_keys.of_run(run_id)

    async def attend(self, name: str, ttl_s: float) -> list[str]:
        return self.log.attend(name, ttl_s)

    async def leave(self, name: str) -> None:
        self.log.leave(name)

    async def acquire(
        self, shards: Sequence[int], holder: str, ttl_s: float, most: int | None = None
    ) -> list[Lease]:
        return self.log.acquire(shards, holder, ttl_s, most)

    async def renew(self, leases: Sequence[Lease], holder: str, ttl_s: float) -> list[Lease]:
        return self.log.renew(leases, holder, ttl_s)

    async def release(self, leases: Sequence[Lease], holder: str) -> None:
        self.log.release(leases, holder)

    async def close(self) -> None:
        """Nothing to close."""
