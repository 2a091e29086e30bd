"""The log's side of imports: a run's history appended whole, in one transaction, or not at all.

Nothing of it was decided here, so no lease is asked for: it goes to streams that nobody owns, or to
that of a definition, where a registration at the same moment makes one of the two a conflict. The
ordering lock is held to the end, as in an append, so followers see all of it, in order.
"""

from collections.abc import AsyncIterator, Sequence

from psycopg import errors

from events.envelope import Stored
from events.errors import Conflict
from orchestrator.adapters.postgres.arrays import texts
from orchestrator.adapters.postgres.columns import event_columns, index_columns
from orchestrator.adapters.postgres.connections import Connection, Pool
from orchestrator.adapters.postgres.queries import ORDERING_LOCK, Queries
from orchestrator.replay.exchange.importing import SubjectKey
from orchestrator.replay.ports import IndexRow

IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10s'"
"""Appends wait for us: a process that is paused in the middle is thrown out."""


class PostgresImports:
    """Got of a store, and closed with it."""

    def __init__(self, pool: Pool, queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    async def take(
        self,
        first: Sequence[Stored],
        events: AsyncIterator[Sequence[Stored]],
        row: IndexRow | None,
        keys: Sequence[SubjectKey] = (),
    ) -> None:
        """Appends `first`, then the pages of `events`, and writes the row. Raises `Conflict`."""
        what = "a definition" if row is None else f"run {row.run_id}"
        async with self._pool.use(f"importing {what}") as connection:
            try:
                async with connection.transaction():
                    await self._take(connection, first, events, row, keys)
            except errors.UniqueViolation as error:
                raise Conflict(
                    f"{what} was changed here while it was imported: import the file again"
                ) from error

    async def _take(
        self,
        connection: Connection,
        first: Sequence[Stored],
        events: AsyncIterator[Sequence[Stored]],
        row: IndexRow | None,
        keys: Sequence[SubjectKey],
    ) -> None:
        await connection.execute(IDLE.encode())
        lock = {"ordering_lock": ORDERING_LOCK}
        await connection.execute(self._queries["take_ordering_lock"].encode(), lock)
        if keys:
            values = {
                "ids": texts([key.id for key in keys]),
                "subjects": texts([key.subject for key in keys]),
            }
            await connection.execute(self._queries["import_data_keys"].encode(), values)
        if first:
            await self._append(connection, first)
        async for page in events:
            await self._append(connection, page)
        if row is not None:
            columns = index_columns([row])
            await connection.execute(self._queries["replace_index_rows"].encode(), columns)

    async def _append(self, connection: Connection, events: Sequence[Stored]) -> None:
        await connection.execute(self._queries["import_events"].encode(), event_columns(events))
