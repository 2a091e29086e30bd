"""Connections that come back: made at first use, dropped when they break, made again at the next
use.

    absent ──use──► connected ──broken, cancelled or silent──► absent
       ▲               │
       └──refused──────┘   after a refusal the next use waits (backoff, doubled up to a maximum)

Nothing runs in the background: a connection is looked at only by who uses it, so a store that is
not used costs nothing, and closing it leaves no task behind.
"""

import select
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import NamedTuple, TypeAlias

import anyio
import psycopg
from psycopg.rows import TupleRow

from orchestrator.adapters.postgres import arrays
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.settings import Settings, hosts, where
from orchestrator.adapters.postgres.translation import (
    not_unicode,
    refused_connection,
    translate,
)
from orchestrator.errors import InvariantViolation, Misconfigured, Unavailable

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

CLOSE_WAIT_S = 1.0


class Backend(NamedTuple):
    """A server process that works for one connection; the pid alone may come again."""

    pid: int
    started_at: datetime


class Dialer:
    """Makes connections, with a wait between attempts that failed."""

    def __init__(self, settings: Settings, queries: Queries) -> None:
        self.settings = settings
        self.queries = queries
        self._conninfo = settings.conninfo()
        self._limit_s = settings.connect_timeout_s * hosts(settings.dsn)
        self._backoff_s = 0.0
        self._not_before = 0.0

    async def dial(self, statement_timeout_s: float) -> Connection:
        """Returns a new connection in autocommit mode.

        Raises `Unavailable`, or `Misconfigured` when the address or the login is wrong.
        """
        await anyio.sleep(max(0.0, self._not_before - time.monotonic()))
        try:
            with anyio.fail_after(self._limit_s):
                connection = await self._connect(statement_timeout_s)
        except TimeoutError as error:
            self._back_off()
            raise Unavailable(
                f"Postgres at {where(self.settings.dsn)} did not answer within {self._limit_s} s"
            ) from error
        except psycopg.Error as error:
            self._back_off()
            raise refused_connection(error, where(self.settings.dsn)) from error
        self._backoff_s = self._not_before = 0.0
        return connection

    async def _connect(self, statement_timeout_s: float) -> Connection:
        connection = await self._reach()
        async with kept_if_good(connection):
            arrays.register(connection.adapters)
            await connection.execute(
                "SELECT set_config('statement_timeout', %s, false),"
                " set_config('idle_in_transaction_session_timeout', %s, false),"
                " set_config('plan_cache_mode', 'force_generic_plan', false),"
                " set_config('search_path', 'pg_catalog', false)",
                (f"{round(statement_timeout_s * 1000)}ms",) * 2,
                prepare=False,
            )
        return connection

    async def _reach(self) -> Connection:
        """An attempt that is broken off (cancelled, say) leaves no open socket.

        The driver leaves it to the frames of the attempt, and the error keeps those until garbage
        is collected. The server would wait a minute for the rest of the login, and let no database
        be dropped meanwhile.
        """
        try:
            return await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, prepare_threshold=0
            )
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)
            raise

    def _back_off(self) -> None:
        settings = self.settings
        self._backoff_s = min(
            settings.backoff_max_s, max(settings.backoff_first_s, self._backoff_s * 2)
        )
        self._not_before = time.monotonic() + self._backoff_s


@asynccontextmanager
async def kept_if_good(connection: Connection) -> AsyncIterator[None]:
    """The connection is dropped if the block does not come to its end."""
    try:
        yield
    except BaseException:
        await drop(connection)
        raise


async def drop(connection: Connection | None) -> None:
    """Closes at once, without a word to a server that may not listen."""
    if connection is not None:
        connection.pgconn.finish()
        with suppress(psycopg.Error):
            await connection.close()


class Link:
    """One connection for one use at a time, and the backend that serves it."""

    def __init__(self, dialer: Dialer, statement_timeout_s: float) -> None:
        self._dialer = dialer
        self._timeout_s = statement_timeout_s
        self._lock = anyio.Lock(fast_acquire=True)
        self._connection: Connection | None = None
        self.backend: Backend | None = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """The connection, dropped if the block does not leave it idle. Errors pass untranslated."""
        async with self._lock:
            connection = self._connection
            if connection is None or not is_alive(connection):
                await drop(connection)
                connection = await self._renew(redial)
            clean = False
            try:
                yield connection
                clean = True
            except psycopg.Error:
                clean = is_idle(connection)
                raise
            finally:
                if not clean or not is_idle(connection):
                    self._connection = None
                    await drop(connection)

    async def prepare(self) -> None:
        """Makes the connection; raises `Misconfigured` when address or login are wrong."""
        async with self._lock:
            if self._connection is None:
                await self._renew(Dialer.dial)

    async def _renew(self, dial: Callable[[Dialer, float], Awaitable[Connection]]) -> Connection:
        self.backend = None
        connection = await dial(self._dialer, self._timeout_s)
        async with kept_if_good(connection):
            try:
                cursor = await connection.execute(self._dialer.queries["whoami"])
                row = await cursor.fetchone()
            except psycopg.Error as error:
                raise translate(error, "connecting") from error
            if row is None:
                raise InvariantViolation("a backend does not know itself")
        self._connection = connection
        self.backend = Backend(row[0], row[1])
        return connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _hang_up(connection)


class Pool:
    """A few connections for short statements; those that are not idle after use are dropped."""

    def __init__(self, dialer: Dialer, statement_timeout_s: float) -> None:
        self._dialer = dialer
        self._timeout_s = statement_timeout_s
        self._places = anyio.Semaphore(dialer.settings.connections_max, fast_acquire=True)
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def use(self, doing: str) -> AsyncIterator[Connection]:
        """A connection; driver errors of the block are translated, a silent server is
        `Unavailable`.

        Raises `Unavailable` also when no connection becomes free in time.
        """
        limit_s = self._timeout_s + self._dialer.settings.answer_grace_s
        try:
            with anyio.fail_after(limit_s):
                async with self._places, self._lend(doing) as connection:
                    yield connection
        except TimeoutError as error:
            raise Unavailable(f"the database did not answer within {limit_s} s, {doing}") from error

    @asynccontextmanager
    async def _lend(self, doing: str) -> AsyncIterator[Connection]:
        connection = await self._take()
        clean = False
        try:
            yield connection
            clean = True
        except psycopg.Error as error:
            clean = True
            if connection.closed:
                await self._drop_idle()
            raise translate(error, doing) from error
        except UnicodeEncodeError as error:
            clean = True
            raise not_unicode(error) from error
        finally:
            if clean and is_idle(connection):
                self._idle.append(connection)
            else:
                await drop(connection)

    async def _drop_idle(self) -> None:
        """What ended one connection has probably ended the others: each would fail one more use."""
        while self._idle:
            await drop(self._idle.pop())

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if is_alive(connection):
                return connection
            await drop(connection)
        return await redial(self._dialer, self._timeout_s)

    async def prepare(self) -> None:
        """Makes the first connection; raises `Misconfigured` when address or login are wrong."""
        if not self._idle:
            self._idle.append(await self._dialer.dial(self._timeout_s))

    async def close(self) -> None:
        while self._idle:
            await _hang_up(self._idle.pop())


def is_idle(connection: Connection) -> bool:
    """Whether nothing is under way on a connection that is still open."""
    idle = psycopg.pq.TransactionStatus.IDLE
    return not connection.closed and connection.pgconn.transaction_status == idle


def is_alive(connection: Connection) -> bool:
    """Whether an idle connection is still there, as far as this side has heard.

    An idle server says nothing, so something to read is its farewell. To look costs microseconds;
    not to look makes the first append after a restart of the server one whose outcome is unknown.
    """
    if not is_idle(connection):
        return False
    ear = select.poll()
    ear.register(connection.pgconn.socket, select.POLLIN)
    return not ear.poll(0)


async def redial(dialer: Dialer, statement_timeout_s: float) -> Connection:
    """As `dial`, in the middle of a life: a refused login may be a server that is being mended."""
    try:
        return await dialer.dial(statement_timeout_s)
    except Misconfigured as error:
        raise Unavailable(str(error)) from error


async def _hang_up(connection: Connection) -> None:
    with anyio.move_on_after(CLOSE_WAIT_S), suppress(psycopg.Error):
        await connection.close()
