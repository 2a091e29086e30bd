"""Several logs read as one, for tools: what is asked of a stream or a run goes to the log that has
it, and lists are merged.

A log is opened when it is asked for the first time, so one that is away is only in the way of those
who need it. Nothing is appended through here: that is the business of each log's owners.

Positions. A log numbers its events; a place in the cluster is a log and such a number. Where one
number has to do, it is both: `number * logs + place of the log`. So the order of each log is kept,
each position belongs to one event, and pages go on where the last one ended. It is no order in
time, and whoever follows the cluster follows each log by itself.
"""

import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import anyio
import msgspec
from psycopg.rows import TupleRow

from events.envelope import Stored
from events.errors import InvariantViolation
from events.ids import run_stream
from events.limits import BatchLimits
from events.logmap import LogMap
from events.references import Payload
from events.sealing import Keyring
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import (
    AppendOutcome,
    Batch,
    IndexRow,
    Lease,
    Snapshot,
    SnapshotInfo,
    SnapshotPlace,
)
from orchestrator.replay.retention.archives import Tombstone
from orchestrator.replay.routing import Routed

T = TypeVar("T")


class PostgresCluster(PostgresStore):
    """Made of the settings of all logs, each with its name; `map_` is theirs."""

    def __init__(self, map_: LogMap, logs: Sequence[Settings], keys: Keyring) -> None:
        super().__init__(logs[0], BatchLimits(), Queries(), keys)
        self.map = map_
        self._settings = {settings.log: settings for settings in logs}
        self._names = map_.names
        self._opened: dict[str, PostgresStore] = {}
        self._opening = anyio.Lock()
        self._routed = Routed(map_, self.log)
        self.info = msgspec.structs.replace(self.info, shards=map_.shards, map=map_.text)

    async def log(self, name: str) -> PostgresStore:
        """One of the logs. Raises `Unavailable`, and `Misconfigured` as `PostgresStore.open`."""
        async with self._opening:
            if name not in self._opened:
                self._opened[name] = await PostgresStore.open(self._settings[name], keys=self._keys)
        return self._opened[name]

    async def close(self) -> None:
        for store in self._opened.values():
            await store.close()
        await super().close()

    # ------------------------------------------------------------------ positions

    def place(self, position: int) -> tuple[str, int]:
        """The log, and the position in it."""
        return self._names[position % len(self._names)], position // len(self._names)

    def _told(self, name: str, found: Iterable[Stored]) -> list[Stored]:
        """Events of a log with their positions in the cluster."""
        count, place = len(self._names), self._names.index(name)
        return [
            msgspec.structs.replace(one, position=one.position * count + place)
            if one.position is not None
            else one
            for one in found
        ]

    def _after(self, name: str, position: int) -> int:
        """The last position of a log that is not after one in the cluster."""
        return (position - self._names.index(name)) // len(self._names)

    def begins_before(self, event: Stored) -> int:
        return 0

    # ------------------------------------------------------------------ the logs

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self._told(self.map.of_stream(stream), await self._routed.read(stream, after, limit))

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        async def read(name: str, log: PostgresStore) -> list[Stored]:
            return self._told(name, await log.read_log(self._after(name, after), limit))

        return _first(await self._each(read), _position, limit)

    async def read_streams(
        self, prefix: str, after: tuple[str, int] = ("", 0), limit: int = 1000
    ) -> list[Stored]:
        """Without the copies of definitions."""

        async def read(name: str, log: PostgresStore) -> list[Stored]:
            found, last = list[Stored](), after
            while page := await log.read_streams(prefix, last, limit):
                found += (one for one in page if self.map.of_stream(one.stream) == name)
                last = page[-1].stream, page[-1].version
                if len(found) >= limit or len(page) < limit:
                    break
            return self._told(name, found)

        return _first(await self._each(read), lambda one: (one.stream, one.version, ""), limit)

    async def last_position(self) -> int:
        async def last(name: str, log: PostgresStore) -> int:
            return await log.last_position() * len(self._names) + self._names.index(name)

        return max(await self._each(last))

    async def count_type(self, topic: str, after: int) -> int:
        async def count(name: str, log: PostgresStore) -> int:
            return await log.count_type(topic, self._after(name, after))

        return sum(await self._each(count))

    async def first_events(self, topic: str, after: int, limit: int = 1000) -> list[Stored]:
        async def read(name: str, log: PostgresStore) -> list[Stored]:
            found = await log.first_events(topic, self._after(name, after), limit)
            return self._told(name, found)

        return _first(await self._each(read), _position, limit)

    async def dead_letters(self, before: int, limit: int) -> list[Stored]:
        async def read(name: str, log: PostgresStore) -> list[Stored]:
            found = await log.dead_letters(self._after(name, before - 1) + 1, limit)
            return self._told(name, found)

        return _first(await self._each(read), lambda one: -_position(one), limit)

    async def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Without the copies of definitions: each stream once."""

        async def own(name: str, log: PostgresStore) -> list[str]:
            found, last = list[str](), after
            while page := await log.stream_names(prefix, last, limit):
                found += (one for one in page if self.map.of_stream(one) == name)
                last = page[-1]
                if len(found) >= limit or len(page) < limit:
                    break
            return found

        return _first(await self._each(own), str, limit)

    # ------------------------------------------------------------------ the indexes

    async def index_row(self, run_id: str) -> IndexRow | None:
        return await self._routed.index_row(run_id)

    async def index_rows(self, after: str = "", limit: int = 1000) -> list[IndexRow]:
        found = await self._each(lambda _, log: log.index_rows(after, limit))
        return _first(found, lambda row: row.run_id, limit)

    async def replace_index_rows(self, rows: Sequence[IndexRow]) -> list[str]:
        async def replace(name: str, log: PostgresStore) -> list[str]:
            own = [row for row in rows if self.map.of(row.run_id) == name]
            return await log.replace_index_rows(own) if own else []

        return sorted(one for found in await self._each(replace) for one in found)

    async def drop_stray_index_rows(self) -> list[str]:
        found = await self._each(lambda _, log: log.drop_stray_index_rows())
        return sorted(one for page in found for one in page)

    # ------------------------------------------------------------------ snapshots and payloads

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await (await self._of(snapshot.stream)).save_snapshot(snapshot)

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        return await self._routed.load_snapshot(stream, at_most)

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None:
        return await (await self._of(place.stream)).find_snapshot(place)

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]:
        if stream:
            return await (await self._of(stream)).list_snapshots(stream, after, limit)
        found = await self._each(lambda _, log: log.list_snapshots(stream, after, limit))
        return _first(found, lambda one: (one.stream, one.version, one.kind), limit)

    async def delete_snapshot(self, place: SnapshotPlace) -> bool:
        return await (await self._of(place.stream)).delete_snapshot(place)

    async def load_payload(self, hash_: str) -> bytes | None:
        return await self._routed.load_payload(hash_)

    # ------------------------------------------------------------------ what is an owner's

    async def kept_digests(self, positions: Sequence[int]) -> dict[int, bytes]:
        asked: dict[str, dict[int, int]] = {}
        for position in positions:
            name, own = self.place(position)
            asked.setdefault(name, {})[own] = position
        found: dict[int, bytes] = {}
        for name, places in asked.items():
            kept = await (await self.log(name)).kept_digests(list(places))
            found |= {places[own]: digest for own, digest in kept.items()}
        return found

    async def archived(self, run_id: str) -> Tombstone | None:
        return await (await self._of(run_stream(run_id))).archived(run_id)

    async def append(self, batch: Batch) -> AppendOutcome:
        raise InvariantViolation(f"batch {batch.id} is for one log, and was given to all")

    async def put_payloads(self, payloads: Sequence[Payload]) -> None:
        raise InvariantViolation("payloads are put into one log, and were given to all")

    async def _rows(
        self, name: str, doing: str, values: dict[str, Any] | None = None
    ) -> list[TupleRow]:
        raise InvariantViolation(f"{doing} is a matter of one log, and all were asked")

    async def acquire(
        self, shards: Sequence[int], holder: str, ttl_s: float, most: int | None = None
    ) -> list[Lease]:
        raise InvariantViolation("shards are acquired in one log, and all were asked")

    # ------------------------------------------------------------------ asking

    async def _of(self, stream: str) -> PostgresStore:
        return await self.log(self.map.of_stream(stream))

    async def _each(self, ask: Callable[[str, PostgresStore], Awaitable[T]]) -> list[T]:
        """The answers of all logs, in the order of their names in the map."""
        return [await ask(name, await self.log(name)) for name in self._names]


def _position(one: Stored) -> int:
    return one.position or 0


def _first(
    pages: Sequence[Sequence[T]],
    key: Callable[[T], int | str | tuple[str, int, str]],
    limit: int,
) -> list[T]:
    """The first of several pages that each are in this order."""
    merged = heapq.merge(*pages, key=key)
    return [one for _, one in zip(range(limit), merged, strict=False)]
