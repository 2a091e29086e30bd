"""The append: one statement, and what happens when its answer does not come.

Guarantee. A batch is in the log whole or not at all; its positions follow those of every batch that
committed before; none of its shards had a newer epoch when it committed. `landed` says the truth.

                      ┌─ position ───────────────► Appended
    append ── sql ────┼─ leases missing ─────────► FencedOff
                      ├─ a run was archived ─────► Conflicted
                      ├─ a place is taken ─ read ► Conflicted; Appended if all hold our bytes
                      ├─ an error of the server ─► Unavailable, nothing happened
                      └─ no answer ──────────────► Unavailable(unknown) ── landed ► True or False

Order. Positions are drawn from a sequence, so without care a reader could see 7 before 6 is
committed, and never look back. The statement takes one advisory lock for the log before it draws;
the server gives the lock back after the commit is visible. So positions become visible in order,
and a reader by position misses nothing. A position whose batch fails stays unused: gaps are
normal, late arrivals are not.

The statement's snapshot is older than the lock it waits for. Nothing here reads through the
snapshot: lease rows are locked (the server then looks at their newest version, and our condition
on the epoch is tested again on it), uniqueness is judged on what is committed, and the index rows
are upserted.

Fencing. The lease rows are locked FOR KEY SHARE until the commit. Acquiring a shard writes a new
epoch, which is part of a key, so it waits for appends under way; then the new owner sees all that
the old one has appended, and the old one's next append finds no row with its epoch. Renewals
change no key: they neither wait for appends nor hold them up. All or nothing: a batch with one
stale shard appends nothing.

No answer. Whether a statement whose connection broke has committed cannot be known from here. It
may also still be waiting for the lock, or lie unread in the server's socket, and commit *later*,
after somebody has looked and found nothing. Three things together make `landed` certain:
1. the backend of the lost connection (process id and start time) is ended, and its end is
awaited: after that its statement has committed or never will;
2. the ordering lock is taken and given back, so an append of anyone that was under way has
finished; it is not kept, so a process that is paused here holds nobody up;
3. the places of the batch are read and compared by bytes, which contain the event ids. If the
first cannot be done (the server is away), `landed` raises `Unavailable`, and is asked again.
With a synchronous standby a commit that nobody waits for any more is visible before the standby has
it, and would be lost by a failover. So what is found is believed only after an empty transaction of
our own has committed behind it: then the standby has both.
Should an old statement survive all this (a server that was copied while it ran), the two rows of
the same place cannot both exist: the later one is refused by the primary key, and if the refused
batch finds its own bytes at all its places, it has been appended. Nothing is ever tried twice by
itself.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow

from events.limits import BatchLimits
from orchestrator.adapters.postgres.columns import (
    event_columns,
    head_columns,
    index_columns,
    lease_columns,
)
from orchestrator.adapters.postgres.connections import (
    Backend,
    Connection,
    Dialer,
    Link,
    Pool,
    is_idle,
)
from orchestrator.adapters.postgres.queries import ORDERING_LOCK
from orchestrator.adapters.postgres.translation import translate
from orchestrator.coordinator.batches import check_batch
from orchestrator.coordinator.ports import (
    Appended,
    AppendOutcome,
    Batch,
    Conflicted,
    FencedOff,
)
from orchestrator.errors import InvariantViolation, Unavailable

END_WAIT_S = 3.0
"""How long `landed` waits for a backend that it has ended."""
LOST_KEPT = 64
"""Lost backends remembered; one is added by each append without an answer."""


class Appender:
    """Appends through one connection of its own; reads back through the pool."""

    def __init__(self, dialer: Dialer, pool: Pool, limits: BatchLimits) -> None:
        settings = dialer.settings
        self._link = Link(dialer, settings.append_timeout_s)
        self._pool = pool
        self._limits = limits
        self._queries = dialer.queries
        self._answer_s = settings.append_timeout_s + settings.answer_grace_s
        self._lost: deque[Backend] = deque(maxlen=LOST_KEPT)

    async def append(self, batch: Batch) -> AppendOutcome:
        check_batch(batch, self._limits)
        try:
            async with self._link.use() as connection:
                row = await self._send(connection, batch)
        except errors.UniqueViolation as error:
            return await self._explain_conflict(batch, error)
        except psycopg.Error as error:
            raise translate(error, f"appending batch {batch.id}") from error
        position, held, torn, moved = row
        if position is not None:
            return Appended(position=position)
        if fenced := _missing(batch, held):
            return FencedOff(shards=fenced)
        if moved:
            return Conflicted(streams=tuple(sorted(moved)))
        raise InvariantViolation(f"batch {batch.id} would leave a hole in {sorted(torn)[0]}")

    async def _send(self, connection: Connection, batch: Batch) -> TupleRow:
        """Raises driver errors that say that nothing happened, `Unavailable` where that is open."""
        columns = event_columns(batch.events) | index_columns(batch.index)
        columns |= lease_columns(batch.leases) | head_columns(batch.events)
        columns["ordering_lock"] = ORDERING_LOCK
        answered = False
        try:
            async with asyncio.timeout(self._answer_s):
                cursor = connection.cursor(binary=True)
                await cursor.execute(self._queries["append"], columns, prepare=True)
                row = await cursor.fetchone()
            answered = True
        except TimeoutError as error:
            raise Unavailable(
                f"no answer to batch {batch.id} within {self._answer_s} s", unknown=True
            ) from error
        except psycopg.Error as error:
            answered = is_idle(connection)
            if not answered:
                raise translate(error, f"appending batch {batch.id}", unknown=True) from error
            raise
        finally:
            if not answered:
                self._remember_lost()
        if row is None:
            raise InvariantViolation(f"the append of batch {batch.id} has given no row")
        return row

    def _remember_lost(self) -> None:
        if self._link.backend is not None:
            self._lost.append(self._link.backend)

    async def _explain_conflict(self, batch: Batch, error: psycopg.Error) -> AppendOutcome:
        doing = f"looking for the conflict of batch {batch.id}"
        async with self._pool.use(doing) as connection:
            taken = await self._compare(connection, batch)
            if taken:
                await connection.execute(self._queries["make_durable"])
        if len(taken) == len(batch.events) and all(own for _, own, _ in taken):
            return Appended(position=max(position for _, _, position in taken))
        foreign = {stream for stream, own, _ in taken if not own}
        if not foreign:
            raise InvariantViolation(
                f"batch {batch.id} was refused by {error.diag.constraint_name}, but no other "
                f"writer has its places; {len(taken)} of them hold its own events"
            ) from error
        return Conflicted(streams=tuple(sorted(foreign)))

    async def landed(self, batch: Batch) -> bool:
        doing = f"asking whether batch {batch.id} has landed"
        async with self._pool.use(doing) as connection:
            await self._end_lost_backends(connection)
            await connection.execute(
                self._queries["take_ordering_lock"], {"ordering_lock": ORDERING_LOCK}
            )
            taken = await self._compare(connection, batch)
            if taken:
                await connection.execute(self._queries["make_durable"])
        own = sum(1 for _, own, _ in taken if own)
        if own not in (0, len(batch.events)):
            raise InvariantViolation(
                f"batch {batch.id} is in the log by {own} of {len(batch.events)} events"
            )
        return own > 0

    async def _end_lost_backends(self, connection: Connection) -> None:
        for backend in tuple(self._lost):
            cursor = await connection.execute(
                self._queries["end_backend"],
                {
                    "pid": backend.pid,
                    "started_at": backend.started_at,
                    "wait_ms": round(END_WAIT_S * 1000),
                },
            )
            row = await cursor.fetchone()
            if row is not None and not row[0]:
                raise Unavailable(
                    f"backend {backend.pid}, which may still append, did not end within "
                    f"{END_WAIT_S} s",
                    unknown=True,
                )
            self._lost.remove(backend)

    async def _compare(self, connection: Connection, batch: Batch) -> Sequence[TupleRow]:
        columns = event_columns(batch.events)
        del columns["topics"], columns["digests"]
        cursor = connection.cursor(binary=True)
        await cursor.execute(self._queries["compare_batch"], columns)
        return await cursor.fetchall()

    async def close(self) -> None:
        await self._link.close()


def _missing(batch: Batch, held: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({lease.shard for lease in batch.leases} - set(held)))
