"""Transactional tasks: a handler inside one transaction of the user's, with its completion.

    connect ─► claim (committed) ─► BEGIN ─► handler ─► completion row ─► COMMIT ─► close

An attempt that settles calls no handler: it finds the row, or puts the tombstone there. See
`node_agent.completions`. Connections are the user's, of psycopg or alike: what is used of them
stands in the protocols here.
"""

from collections.abc import Generator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from inspect import isawaitable
from typing import Protocol, TypeVar

from node_agent.completions import (
    Asking,
    Found,
    Overtaken,
    Row,
    Statement,
    abandon,
    abandoned,
    claim,
    complete,
    fenced,
    is_ours,
    look,
)
from node_agent.context import TaskContext
from node_agent.deferring import Deferral
from node_agent.errors import TaskError
from node_agent.handling import Output, admit_output
from node_agent.tasks import Arguments, Connect, Outcome, TaskType

T = TypeVar("T")
NO_TABLE = frozenset({"42P01", "3F000"})
"""SQLSTATE: no such table, no such schema."""


class Cursor(Protocol):
    def fetchone(self) -> Row: ...


class AsyncCursor(Protocol):
    async def fetchone(self) -> Row: ...


class Info(Protocol):
    @property
    def transaction_status(self) -> int:
        """0: no transaction is open."""


class Connection(Protocol):
    """As much of `psycopg.Connection` as is used."""

    @property
    def info(self) -> Info: ...
    def execute(self, query: str, params: tuple[object, ...], /) -> Cursor: ...
    def transaction(self) -> AbstractContextManager[object]: ...
    def close(self) -> None: ...


class AsyncConnection(Protocol):
    """As much of `psycopg.AsyncConnection` as is used."""

    @property
    def info(self) -> Info: ...
    async def execute(self, query: str, params: tuple[object, ...], /) -> AsyncCursor: ...
    def transaction(self) -> AbstractAsyncContextManager[object]: ...
    async def close(self) -> None: ...


class Transactional:
    """Runs the attempts of one task."""

    def __init__(self, declared: TaskType[..., object], connect: Connect, bytes_max: int) -> None:
        self._declared = declared
        self._connect = connect
        self._bytes_max = bytes_max

    # -- in the event loop ------------------------------------------------------------------------

    async def run(self, ctx: TaskContext, arguments: Arguments) -> object:
        """Returns what the task has completed with, now or before. Raises `TaskError`, and what
        the handler, the connection or the database raises."""
        opened = self._connect()
        if not isawaitable(opened):
            _close(opened)
            raise self._wrong("an async handler needs an async function that connects")
        connection: AsyncConnection = await opened
        try:
            if ctx.settles:
                return _settled(await _ask(connection, abandon(ctx.attempt_id, ctx.fence)))
            found = await _ask(connection, claim(ctx.attempt_id, ctx.fence))
            if not is_ours(found, ctx.fence):
                return found.result
            return await self._carry_out(connection, ctx, arguments)
        finally:
            await connection.close()

    async def _carry_out(
        self, connection: AsyncConnection, ctx: TaskContext, arguments: Arguments
    ) -> object:
        ctx.enter(connection)
        try:
            async with connection.transaction():
                returned = self._declared.function(**arguments)
                output = self._admitted(await returned if isawaitable(returned) else returned)
                await _drive(connection, complete(ctx.attempt_id, ctx.fence, output))
        except Overtaken:
            return _overtaken(await _ask(connection, look(ctx.attempt_id)))
        return _returned(output)

    # -- in a thread ------------------------------------------------------------------------------

    def run_in_thread(self, ctx: TaskContext, arguments: Arguments) -> object:
        """The same for a plain handler."""
        connection: Connection = self._connect()  # type: ignore[assignment]
        if isawaitable(connection):
            _close(connection)
            raise self._wrong("a plain handler needs a plain function that connects")
        try:
            if ctx.settles:
                return _settled(_ask_plainly(connection, abandon(ctx.attempt_id, ctx.fence)))
            found = _ask_plainly(connection, claim(ctx.attempt_id, ctx.fence))
            if not is_ours(found, ctx.fence):
                return found.result
            return self._carry_out_plainly(connection, ctx, arguments)
        finally:
            connection.close()

    def _carry_out_plainly(
        self, connection: Connection, ctx: TaskContext, arguments: Arguments
    ) -> object:
        ctx.enter(connection)
        try:
            with connection.transaction():
                output = self._admitted(self._declared.function(**arguments))
                _drive_plainly(connection, complete(ctx.attempt_id, ctx.fence, output))
        except Overtaken:
            return _overtaken(_ask_plainly(connection, look(ctx.attempt_id)))
        return _returned(output)

    # -- both -------------------------------------------------------------------------------------

    def _admitted(self, returned: object) -> Output:
        """Before the commit: what cannot be reported must not be done."""
        if isinstance(returned, Deferral):
            raise self._wrong(
                "a transactional task completes with its transaction, nobody else can"
            )
        return admit_output(returned, self._bytes_max)

    def _wrong(self, message: str) -> TaskError:
        text = f"{self._declared.origin}: {message}"
        return TaskError("invalid_connection", text, retryable=False)


def _close(opened: object) -> None:
    """A connection, or the coroutine that was to open one."""
    if callable(close := getattr(opened, "close", None)):
        close()


def _returned(output: Output) -> object:
    return Outcome(output.outcome, output.value) if output.outcome else output.value


def _settled(found: Found) -> object:
    """What it has completed with. Raises `TaskError` (`task_abandoned`) where it never will."""
    if found.state == "completed":
        return found.result
    raise abandoned()


def _overtaken(found: Found) -> object:
    """Another attempt was faster, or the task was given up meanwhile. Raises `TaskError`."""
    if found.state == "begun":
        raise fenced()
    return _settled(found)


async def _ask(connection: AsyncConnection, asking: Asking) -> Found:
    """In a transaction of its own, which is durable when this returns."""
    _require_idle(connection.info)
    with _explained():
        async with connection.transaction():
            return await _drive(connection, asking)


def _ask_plainly(connection: Connection, asking: Asking) -> Found:
    _require_idle(connection.info)
    with _explained(), connection.transaction():
        return _drive_plainly(connection, asking)


async def _drive(connection: AsyncConnection, asking: Generator[Statement, Row, T]) -> T:
    row: Row = None
    try:
        statement = next(asking)
        while True:
            row = await (await connection.execute(statement.text, statement.values)).fetchone()
            statement = asking.send(row)
    except StopIteration as end:
        result: T = end.value
        return result


def _drive_plainly(connection: Connection, asking: Generator[Statement, Row, T]) -> T:
    try:
        statement = next(asking)
        while True:
            row = connection.execute(statement.text, statement.values).fetchone()
            statement = asking.send(row)
    except StopIteration as end:
        result: T = end.value
        return result


@contextmanager
def _explained() -> Iterator[None]:
    """Says how the table is made, where there is none."""
    try:
        yield
    except Exception as error:
        if getattr(error, "sqlstate", None) not in NO_TABLE:
            raise
        raise TaskError(
            "no_task_table",
            "the database has no table of completions, or it may not be used: "
            "dalsegno task-table | psql DATABASE makes it",
        ) from error


def _require_idle(info: Info) -> None:
    """A transaction that is open already would make ours a part of it, which nobody commits."""
    if info.transaction_status:
        raise TaskError(
            "invalid_connection",
            "the connection is in a transaction already: commit what connecting does, or open it "
            "with autocommit=True",
            retryable=False,
        )
