"""The store: the coordinator's port `Store`, over Postgres."""

from asyncio import get_running_loop
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
from psycopg.rows import TupleRow

from events.envelope import Stored
from events.errors import MissingKey
from events.ids import run_stream
from events.limits import BatchLimits
from events.references import Payload, checked
from events.sealing import EventKey, Keyring, NoKeys
from orchestrator.adapters.postgres.append import Appender
from orchestrator.adapters.postgres.archives import PostgresArchives, tombstone
from orchestrator.adapters.postgres.arrays import byteas, integers, texts
from orchestrator.adapters.postgres.columns import (
    index_columns,
    index_row,
    lease_columns,
    log_batch,
    wanted_columns,
)
from orchestrator.adapters.postgres.connections import Dialer, Pool
from orchestrator.adapters.postgres.datakeys import DataKeys
from orchestrator.adapters.postgres.gathering import Gathering
from orchestrator.adapters.postgres.imports import PostgresImports
from orchestrator.adapters.postgres.queries import ORDERING_LOCK, Queries
from orchestrator.adapters.postgres.resealing import Resealing
from orchestrator.adapters.postgres.schema import LogInfo, check_map, log_of, newest
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.snapshots import Snapshots
from orchestrator.adapters.postgres.subscriptions import PostgresSubscriptions
from orchestrator.adapters.postgres.waking import Waker
from orchestrator.coordinator.ports import (
    FIRST_DUE,
    Appended,
    AppendOutcome,
    Batch,
    Conflicted,
    Due,
    IndexRow,
    Lease,
    Snapshot,
    SnapshotInfo,
    SnapshotPlace,
)
from orchestrator.insight.following.feed import Taken, taken_of
from orchestrator.insight.following.filters import EVERYTHING, Wanted
from orchestrator.insight.following.positions import Batched
from orchestrator.replay.audit.log_batches import LogBatch
from orchestrator.replay.ports import End
from orchestrator.replay.retention.archives import Tombstone

AFTER_ALL = "\U0010ffff"
GATHERED_MAX = 256
"""Streams that are read with one statement."""
GATHERED_EVENTS = 50
"""Of each of them; of a longer one the rest is read by itself."""

LOOK_AGAIN_S = 30.0
"""How long it is taken for granted that no run was moved to an archive yet."""


class PostgresStore:
    """Use `open`; close it, or use it as an async context manager."""

    def __init__(
        self, settings: Settings, limits: BatchLimits, queries: Queries, keys: Keyring
    ) -> None:
        dialer = Dialer(settings, queries)
        self._queries = queries
        self._dialer = dialer
        self._pool = Pool(dialer, settings.read_timeout_s)
        self._keys = keys
        self._snapshots = Snapshots(self._pool, queries, settings.kept, keys)
        self.data_keys = DataKeys(self._pool, queries, keys)
        self.resealing = Resealing(self._pool, queries, keys, self._snapshots)
        self._appender = Appender(dialer, self._pool, limits)
        self._waker = Waker(self.wake_subscribers, settings.wake_interval_s)
        self._knows = newest()
        self._reading = Gathering(self._read_many, GATHERED_MAX)
        self._ending = Gathering(self._ends_of, GATHERED_MAX)
        self._has_archives = False
        self._look_at = 0.0
        self.info = LogInfo(name="", shards=0, schema=0)

    @classmethod
    async def open(
        cls,
        settings: Settings | str,
        limits: BatchLimits | None = None,
        keys: Keyring = NoKeys(),
    ) -> Self:
        """Returns a store whose schema has been checked. What it stores is sealed by `keys`.

        Raises `Misconfigured` (wrong DSN, no schema, older or newer schema) and `Unavailable`.
        """
        if isinstance(settings, str):
            settings = Settings(dsn=settings)
        store = cls(settings, limits or BatchLimits(), Queries(), keys)
        try:
            await store._pool.prepare()
            store.info = await log_of(lambda name: store._rows(name, "checking the schema"))
            check_map(store.info, settings.log, settings.map)
        except BaseException:
            await store.close()
            raise
        return store

    # ------------------------------------------------------------------ the log

    async def append(self, batch: Batch) -> AppendOutcome:
        outcome = await self._appender.append(batch)
        if isinstance(outcome, Appended):
            self._waker.grown()
        elif isinstance(outcome, Conflicted):
            self._look_at = 0.0  # it may be about a run that was just moved to an archive
        return outcome

    async def landed(self, batch: Batch) -> bool:
        landed = await self._appender.landed(batch)
        if landed:
            self._waker.grown()
        return landed

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        if limit <= GATHERED_EVENTS:
            return await self._read_one(stream, after, limit)
        found = await self._reading.ask((stream, after))
        if len(found) == GATHERED_EVENTS:
            last = found[-1].version
            found += await self._read_one(stream, last, limit - GATHERED_EVENTS)
        return found

    async def _read_one(self, stream: str, after: int, limit: int) -> list[Stored]:
        values = {"stream": stream, "after": after, "limit": limit}
        rows = await self._rows("read_stream", f"reading {stream}", values)
        return await self.data_keys.opened([_stored(row) for row in rows])

    async def _read_many(self, wanted: Sequence[tuple[str, int]]) -> list[list[Stored]]:
        """The first few events of each, which is all of most."""
        if len(wanted) == 1:
            return [await self._read_one(*wanted[0], GATHERED_EVENTS)]
        values = {
            "streams": texts([stream for stream, _ in wanted]),
            "afters": integers([after for _, after in wanted]),
            "limit": GATHERED_EVENTS,
        }
        rows = await self._rows("read_tails", "reading streams", values)
        events = await self.data_keys.opened([_stored(row) for _, *row in rows])
        found: list[list[Stored]] = [[] for _ in wanted]
        for (place, *_), event in zip(rows, events, strict=True):
            found[place - 1].append(event)
        return found

    async def end_of(self, run_id: str) -> End | None:
        """Where a run ends by the index; None when that has no row of it."""
        return await self._ending.ask(run_stream(run_id))

    async def _ends_of(self, streams: Sequence[str]) -> list[End | None]:
        found: list[End | None] = [None for _ in streams]
        values = {"streams": texts(list(streams))}
        for place, version, digest, imported in await self._rows(
            "ends_of", "looking for ends", values
        ):
            found[place - 1] = End(version=version, digest=bytes(digest or b""), imported=imported)
        return found

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        values = {"after": after, "limit": limit}
        rows = await self._rows("read_log", "reading the log", values)
        return await self.data_keys.opened([_stored(row) for row in rows])

    async def read_wanted(self, after: int, wanted: Wanted = EVERYTHING) -> Taken:
        """A follower's next page."""
        rows = await self._rows("read_wanted", "following the log", wanted_columns(after, wanted))
        *page, (_, looks, _, _, last) = rows
        taken = taken_of([_stored(row) for row in page], looks, last or after)
        return msgspec.structs.replace(taken, events=await self.data_keys.opened(taken.events))

    async def batch_at(self, position: int) -> Batched | None:
        rows = await self._rows("batch_at", "looking for a batch", {"position": position})
        return Batched(rows[0][0], bytes(rows[0][1]), *rows[0][2:]) if rows else None

    async def begins_of(self, streams: Sequence[str]) -> list[Stored]:
        rows = await self._rows("begins_of", "reading beginnings", {"streams": texts(streams)})
        return await self.data_keys.opened([_stored(row) for row in rows])

    async def read_streams(
        self, prefix: str, after: tuple[str, int] = ("", 0), limit: int = 1000
    ) -> list[Stored]:
        """Events of all streams that begin with `prefix`, those behind stream and version `after`,
        in order of stream and version."""
        values = {"prefix": prefix, "past": prefix + AFTER_ALL, "limit": limit}
        values |= {"after": after[0], "version": after[1]}
        async with self._pool.use("auditing") as connection, connection.transaction():
            await connection.execute(self._queries["in_index_order"].encode())
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries["read_streams"].encode(), values)
            rows = await cursor.fetchall()
        return await self.data_keys.opened([_stored(row) for row in rows])

    async def last_position(self) -> int:
        """Position of the last event, 0 in an empty log."""
        rows = await self._rows("last_position", "reading the end of the log")
        return int(rows[0][0])

    async def count_type(self, topic: str, after: int) -> int:
        """How many events of a stored name have positions > `after`; reads that part of the log."""
        rows = await self._rows("count_type", "counting", {"topic": topic, "after": after})
        return int(rows[0][0])

    def archives(self) -> PostgresArchives:
        """What was moved to archives, and may be."""
        return PostgresArchives(self._pool, self._queries, self.data_keys)

    def imports(self) -> PostgresImports:
        """Histories of other clusters' runs, brought into this log."""
        return PostgresImports(self._pool, self._queries)

    def subscriptions(self) -> PostgresSubscriptions:
        """How far programs that follow this log have got."""
        return PostgresSubscriptions(self._pool, self._queries)

    async def archived(self, run_id: str) -> Tombstone | None:
        """What is left here of a run that was moved to an archive. Where nothing ever was, that is
        asked only now and then: it would cost every start of a run a round trip."""
        now = get_running_loop().time()
        if not self._has_archives and now >= self._look_at:
            self._look_at = now + LOOK_AGAIN_S
            ((self._has_archives,),) = await self._rows("has_archives", "looking for archives")
        if not self._has_archives:
            return None
        rows = await self._rows("tombstone", f"looking for run {run_id}", {"run_id": run_id})
        return tombstone(rows[0]) if rows else None

    async def first_events(self, topic: str, after: int, limit: int = 1000) -> list[Stored]:
        """First events of streams that have this stored name, with positions > `after`; reads that
        part of the log."""
        values = {"topic": topic, "after": after, "limit": limit}
        rows = await self._rows("first_events", f"looking for {topic}", values)
        return await self.data_keys.opened([_stored(row) for row in rows])

    def begins_before(self, event: Stored) -> int:
        """A position that is not after anything that may have followed from an event."""
        return event.position or 0

    async def dead_letters(self, before: int, limit: int) -> list[Stored]:
        """Events that are dead letters, with positions < `before`, the newest first."""
        values = {"before": before, "limit": limit}
        rows = await self._rows("dead_letters", "looking for dead letters", values)
        return await self.data_keys.opened([_stored(row) for row in rows])

    async def keep_subscribers_awake(self) -> None:
        """Wakes subscriptions of the eventsourcing library after appends of this store, until it is
        cancelled. Every process that appends runs it."""
        await self._waker.run()

    async def wake_subscribers(self) -> None:
        """Tells subscriptions of the eventsourcing library to look for new events."""
        async with self._pool.use("waking subscribers") as connection:
            await connection.execute(self._queries["wake_subscribers"].encode())

    async def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Names of streams that begin with `prefix`, those after `after`, in order of bytes."""
        values = {"prefix": prefix, "past": prefix + AFTER_ALL, "after": after, "limit": limit}
        return [row[0] for row in await self._rows("stream_names", "listing streams", values)]

    async def read_batches(self, after: int = 0, limit: int = 1000) -> list[LogBatch]:
        """What was appended, those with a number > `after`, in order."""
        values = {"after": after, "limit": limit}
        rows = await self._rows("read_batches", "reading the batches of the log", values)
        return [log_batch(row) for row in rows]

    async def last_batch(self) -> LogBatch | None:
        rows = await self._rows("last_batch", "reading the last batch of the log")
        return log_batch(rows[0]) if rows else None

    async def kept_digests(self, positions: Sequence[int]) -> dict[int, bytes]:
        """What the batches say of the events there; those that they say nothing of are left out."""
        values = {"positions": integers(positions)}
        return dict(await self._rows("kept_digests", "reading digests of the log", values))

    # ------------------------------------------------------------------ the index

    async def index_row(self, run_id: str) -> IndexRow | None:
        rows = await self._rows("index_row", f"looking for run {run_id}", {"run_id": run_id})
        return index_row(rows[0]) if rows else None

    async def index_rows(self, after: str = "", limit: int = 1000) -> list[IndexRow]:
        """All rows, those with run ids > `after`, in order of run id."""
        rows = await self._rows("index_rows", "auditing", {"after": after, "limit": limit})
        return [index_row(row) for row in rows]

    async def due_runs(
        self, shards: Sequence[int], before: int, limit: int, after: Due = FIRST_DUE
    ) -> list[IndexRow]:
        values = {"shards": integers(shards), "before": before, "limit": limit}
        values |= {"after_at": after[0], "after": after[1]}
        return [index_row(r) for r in await self._rows("due_runs", "looking for timers", values)]

    async def active_runs(self, shards: Sequence[int], after: str, limit: int) -> list[IndexRow]:
        values = {"shards": integers(shards), "after": after, "limit": limit}
        return [index_row(r) for r in await self._rows("active_runs", "taking over", values)]

    async def stray_children(self, shards: Sequence[int], limit: int) -> list[IndexRow]:
        values = {"shards": integers(shards), "limit": limit}
        return [index_row(r) for r in await self._rows("stray_children", "taking over", values)]

    async def replace_index_rows(self, rows: Sequence[IndexRow]) -> list[str]:
        """Writes rows that were folded from the log; returns the runs whose row was written.

        A row whose version is not that of its stream's last event is left out: fold again.
        """
        return await self._mend("replace_index_rows", index_columns(rows))

    async def drop_stray_index_rows(self) -> list[str]:
        """Removes rows of runs that have no events; returns their run ids."""
        return await self._mend("drop_stray_index_rows", {})

    async def _mend(self, name: str, values: dict[str, Any]) -> list[str]:
        """In a pipeline, so that a client that is paused in the middle does not keep the lock."""
        async with self._pool.use("mending the index") as connection:
            async with connection.pipeline(), connection.transaction():
                await connection.execute(
                    self._queries["take_ordering_lock"], {"ordering_lock": ORDERING_LOCK}
                )
                cursor = await connection.execute(self._queries[name], values)
            return sorted(row[0] for row in await cursor.fetchall())

    # ------------------------------------------------------------------ snapshots

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self._snapshots.save(snapshot)

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        return await self._snapshots.load(stream, at_most)

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None:
        return await self._snapshots.find(place)

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]:
        return await self._snapshots.list(stream, after, limit)

    async def delete_snapshot(self, place: SnapshotPlace) -> bool:
        return await self._snapshots.delete(place)

    # ------------------------------------------------------------------ payloads

    async def put_payloads(self, payloads: Sequence[Payload]) -> None:
        sealed = [self._keys.seal(p.data, p.hash.encode()) for p in payloads]
        hashes, datas = texts([p.hash for p in payloads]), byteas(sealed)
        async with self._pool.use("storing payloads") as connection:
            values = {"hashes": hashes, "datas": datas}
            cursor = await connection.execute(self._queries["put_payloads"], values)
            if cursor.rowcount < len({p.hash for p in payloads}):
                # Some were there, maybe since a commit that nobody has waited for.
                await connection.execute(self._queries["make_durable"])

    async def load_payload(self, hash_: str) -> bytes | None:
        rows = await self._rows("load_payload", f"loading payload {hash_}", {"hash": hash_})
        if not rows:
            return None
        try:
            return checked(hash_, self._keys.open(bytes(rows[0][0]), hash_.encode()))
        except MissingKey as error:
            raise MissingKey(f"payload {hash_}: {error}") from error

    # ------------------------------------------------------------------ data keys

    async def join_data_key(self, run_id: str, subject: str, id_: str) -> EventKey:
        return await self.data_keys.join(run_id, subject, id_)

    async def data_key_of(self, run_id: str) -> EventKey:
        return await self.data_keys.of_run(run_id)

    # ------------------------------------------------------------------ leases

    async def attend(self, name: str, ttl_s: float) -> list[str]:
        values = {"name": name, "schema": self._knows, "ttl": round(ttl_s * 1_000_000)}
        return sorted(row[0] for row in await self._rows("attend", "attending", values))

    async def leave(self, name: str) -> None:
        async with self._pool.use("leaving") as connection:
            await connection.execute(self._queries["leave"], {"name": name})

    async def acquire(
        self, shards: Sequence[int], holder: str, ttl_s: float, most: int | None = None
    ) -> list[Lease]:
        wanted = {"shards": integers(sorted(set(shards)))}
        values = wanted | {"holder": holder, "ttl": round(ttl_s * 1_000_000)}
        values |= {"most": len(shards) if most is None else most, "schema": str(self._knows)}
        async with self._pool.use("acquiring shards") as connection:
            await connection.execute(self._queries["make_leases"], wanted)
            cursor = await connection.execute(self._queries["acquire_leases"], values)
            return _leases(await cursor.fetchall(), holder)

    async def renew(self, leases: Sequence[Lease], holder: str, ttl_s: float) -> list[Lease]:
        values = lease_columns(leases) | {"holder": holder, "ttl": round(ttl_s * 1_000_000)}
        kept = set(await self._rows("renew_leases", "renewing shard leases", values))
        return sorted((o for o in leases if (o.shard, o.epoch) in kept), key=lambda o: o.shard)

    async def release(self, leases: Sequence[Lease], holder: str) -> None:
        values = lease_columns(leases) | {"holder": holder}
        async with self._pool.use("releasing shards") as connection:
            await connection.execute(self._queries["release_leases"], values)

    # ------------------------------------------------------------------ life

    async def close(self) -> None:
        await self._appender.close()
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _rows(
        self, name: str, doing: str, values: dict[str, Any] | None = None
    ) -> list[TupleRow]:
        async with self._pool.use(doing) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries[name].encode(), values)
            return await cursor.fetchall()


def _stored(row: Sequence[Any]) -> Stored:
    return Stored(row[0], row[1], row[2], row[3], row[4])


def _leases(rows: Sequence[TupleRow], holder: str) -> list[Lease]:
    return [
        Lease(shard=shard, epoch=epoch, holder=holder, granted_s=granted_s)
        for shard, epoch, granted_s in sorted(rows)
    ]
