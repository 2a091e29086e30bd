"""How fast this server takes events, through the very statement that the coordinator uses.

Measured in a scratch database on the same server, which is dropped afterwards: the log that people
work with is not touched. The events are as runs write them: 300 bytes, two a run and batch, a
thousand runs in flight that end after twenty events, each with its index row.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import quantiles

import anyio
import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from events.codec import encode
from events.envelope import Stored
from events.ids import run_stream
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.settings import Settings, parse_dsn
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.adapters.postgres.translation import translated
from orchestrator.coordinator.ports import Appended, Batch, IndexRow, Lease
from orchestrator.errors import InvariantViolation

EVENT_BYTES = 300
EVENTS_A_RUN = 20
EVENTS_A_TURN = 2
IN_FLIGHT = 1000
TTL_S = 3600.0
HOLDER = "insert-rate"


class InsertRate(msgspec.Struct, frozen=True, kw_only=True):
    """Events a second, wall time of an append, and CPU time of this process an event."""

    batch_events: int
    events_per_s: float
    append_p50_ms: float
    append_p99_ms: float
    client_cpu_us_per_event: float


async def measure_insert_rate(dsn: str, seconds: float, batch_events: int) -> float:
    """Returns events a second, one append after the other.

    Raises `Misconfigured` when the role may not create databases, and `Unavailable`.
    """
    return (await measure(dsn, seconds, batch_events)).events_per_s


async def measure(dsn: str, seconds: float, batch_events: int) -> InsertRate:
    """Appends for `seconds` and says how it went. Raises as `measure_insert_rate` does."""
    async with (
        scratch_database(dsn) as scratch,
        await PostgresStore.open(Settings(dsn=scratch)) as store,
    ):
        (lease,) = await store.acquire([0], HOLDER, TTL_S)
        return await _measure(store, Runs(lease), seconds, batch_events)


@asynccontextmanager
async def scratch_database(dsn: str) -> AsyncIterator[str]:
    """The DSN of a migrated database beside the given one, dropped when the block ends."""
    name = f"dalsegno_scratch_{time.time_ns()}"
    await anyio.to_thread.run_sync(_command, dsn, "CREATE DATABASE {}", name)
    try:
        scratch = make_conninfo("", **{**parse_dsn(dsn), "dbname": name})
        await anyio.to_thread.run_sync(migrate, scratch)
        yield scratch
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_command, dsn, "DROP DATABASE {} WITH (FORCE)", name)


def _command(dsn: str, command: str, name: str) -> None:
    with (
        translated("making a scratch database"),
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        connection.execute(sql.SQL(command).format(sql.Identifier(name)))


class Runs:
    """Runs that take turns in adding two events each."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._versions = [0] * IN_FLIGHT
        self._ended = [0] * IN_FLIGHT
        self._turn = 0
        self._batches = 0

    def batch(self, count: int) -> Batch:
        events, index = list[Stored](), list[IndexRow]()
        while len(events) < count:
            new = self._next(min(EVENTS_A_TURN, count - len(events)))
            events.extend(new)
            index.append(self._row(new[-1]))
        self._batches += 1
        return Batch(
            id=f"{self._batches}", leases=(self._lease,), events=tuple(events), index=tuple(index)
        )

    def _next(self, count: int) -> list[Stored]:
        place = self._turn % IN_FLIGHT
        self._turn += 1
        if self._versions[place] >= EVENTS_A_RUN:
            self._versions[place] = 0
            self._ended[place] += 1
        first = self._versions[place] + 1
        self._versions[place] += count
        return [_event(f"{place}-{self._ended[place]}", first + n) for n in range(count)]

    def _row(self, last: Stored) -> IndexRow:
        return IndexRow(
            run_id=last.stream.removeprefix("run:"),
            shard=self._lease.shard,
            workflow="insert-rate",
            workflow_version="1",
            status="running" if last.version < EVENTS_A_RUN else "completed",
            version=last.version,
            outstanding=1 if last.version < EVENTS_A_RUN else 0,
            started_at=self._turn,
            updated_at=self._turn,
        )


def _event(run_id: str, version: int) -> Stored:
    stream = run_stream(run_id)
    fixed = {"id": f"{run_id}-{version}", "stream": stream, "version": version, "data": ""}
    fixed["data"] = "x" * (EVENT_BYTES - len(encode(fixed)))
    return Stored(stream, version, "task.completed.v1", encode(fixed))


async def _measure(
    store: PostgresStore, runs: Runs, seconds: float, batch_events: int
) -> InsertRate:
    await _append(store, runs.batch(batch_events))
    waits_s, cpu_s = list[float](), 0.0
    while sum(waits_s) < seconds:
        batch = runs.batch(batch_events)
        before, cpu_before = time.perf_counter(), time.process_time()
        await _append(store, batch)
        waits_s.append(time.perf_counter() - before)
        cpu_s += time.process_time() - cpu_before
    count = len(waits_s) * batch_events
    cuts = quantiles([*waits_s, waits_s[-1]], n=100)
    return InsertRate(
        batch_events=batch_events,
        events_per_s=count / sum(waits_s),
        append_p50_ms=cuts[49] * 1000,
        append_p99_ms=cuts[98] * 1000,
        client_cpu_us_per_event=cpu_s / count * 1_000_000,
    )


async def _append(store: PostgresStore, batch: Batch) -> None:
    outcome = await store.append(batch)
    if not isinstance(outcome, Appended):
        raise InvariantViolation(f"an append to a database of our own was refused: {outcome}")
