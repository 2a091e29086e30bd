"""What integration tests with Postgres share: fixtures of a database with our schema, and of a
second pair of eyes on its server.

PYTEST_DONT_REWRITE: there are no assertions here, and suites import it before pytest takes it as a
plugin.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import psycopg
import pytest
from psycopg.rows import TupleRow

from orchestrator.adapters.postgres.queries import ORDERING_LOCK
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Lease
from tests.servers import DatabaseFactory

T = TypeVar("T")

DEADLINE_S = 15.0
LOOK_S = 0.005

Connection = psycopg.AsyncConnection[TupleRow]


@pytest.fixture
def dsn(database_factory: DatabaseFactory) -> str:
    """The address of a database with our schema, for one test."""
    return database_factory(prepare)


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[PostgresStore]:
    """Open on it."""
    async with await PostgresStore.open(dsn) as store:
        yield store


@pytest.fixture
async def eyes(dsn: str) -> AsyncIterator["Observer"]:
    async with observer(dsn) as eyes:
        yield eyes


def prepare(dsn: str) -> None:
    """Sets up a template database with our schema."""
    migrate(dsn)


@asynccontextmanager
async def observer(dsn: str) -> AsyncIterator["Observer"]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield Observer(connection)


class Observer:
    """Looks at a database, and interferes, through a connection of its own."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def all(self, query: str, *values: object) -> list[TupleRow]:
        cursor = await self.connection.execute(query.encode(), values)
        return await cursor.fetchall()

    async def value(self, query: str, *values: object) -> object:
        ((value,),) = await self.all(query, *values)
        return value

    async def do(self, command: str, *values: object) -> None:
        await self.connection.execute(command.encode(), values)

    async def expire(self, lease: Lease) -> None:
        await self.do(
            "UPDATE dalsegno.shard_lease SET expires_at = clock_timestamp() WHERE shard = %s",
            lease.shard,
        )

    async def waiting(self) -> list[int]:
        """Process ids of this database's backends that wait for a lock."""
        await self.do("SELECT pg_stat_clear_snapshot()")  # else the same in all of a transaction
        rows = await self.all(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return [row[0] for row in rows]

    async def until_waiting(self, count: int = 1) -> list[int]:
        async def enough() -> list[int]:
            pids = await self.waiting()
            return pids if len(pids) >= count else []

        return await until(enough, f"{count} backends wait for a lock")

    async def until_gone(self, pid: int) -> None:
        async def gone() -> bool:
            await self.do("SELECT pg_stat_clear_snapshot()")
            return not await self.all("SELECT FROM pg_stat_activity WHERE pid = %s", pid)

        await until(gone, f"backend {pid} is gone")

    async def last_drawn(self) -> object:
        """The last position drawn, committed or not."""
        return await self.value("SELECT last_value FROM dalsegno.events_notification_id_seq")

    @asynccontextmanager
    async def ordering_lock(self) -> AsyncIterator[None]:
        """Keeps all appends waiting."""
        await self.do("SELECT pg_advisory_lock(%s)", ORDERING_LOCK)
        try:
            yield
        finally:
            await self.do("SELECT pg_advisory_unlock(%s)", ORDERING_LOCK)


async def until(look: Callable[[], Awaitable[T]], what: str) -> T:
    """Looks until what is seen is true, and returns it; fails after a deadline."""
    with anyio.move_on_after(DEADLINE_S):
        while True:
            if seen := await look():
                return seen
            await anyio.sleep(LOOK_S)
    raise AssertionError(f"waited {DEADLINE_S} s in vain until {what}")


async def until_somebody_listens(dsn: str) -> None:
    """What is notified before is lost to a subscription; it looks at the log once it listens."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query ~ '(^|\n)LISTEN'
    """
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            if await (await connection.execute(query)).fetchone() != (0,):
                return
            await anyio.sleep(LOOK_S)
