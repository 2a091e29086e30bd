"""What readers and writers of projections share: one connection, and rows as they are kept."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, ClassVar, Self

import anyio
import msgspec
import psycopg
from psycopg.rows import TupleRow

from orchestrator.adapters.postgres.arrays import Packed, integers, texts
from orchestrator.adapters.postgres.connections import Backend, Connection, Dialer, Link
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.schema import LogInfo, check_map, log_of
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.translation import translate
from orchestrator.errors import Unavailable
from orchestrator.insight.counting.projections import Generation
from orchestrator.insight.counting.tallies import Key, NodeState, Tally

_TALLY = msgspec.json.Decoder(Tally)
_NODE = msgspec.json.Decoder(NodeState)


class ProjectionLink:
    """One connection for one caller at a time; close it, or use it as an async context manager."""

    SET_UP: ClassVar[str]
    """What is set on each new connection."""

    def __init__(self, settings: Settings | str) -> None:
        if isinstance(settings, str):
            settings = Settings(dsn=settings)
        self._settings = settings
        self._queries = Queries()
        self._link = Link(Dialer(settings, self._queries), settings.read_timeout_s)
        self._answer_s = settings.read_timeout_s + settings.answer_grace_s
        self._set_up: Backend | None = None
        self._in_snapshot: Connection | None = None
        self.info = LogInfo(name="", shards=0, schema=0)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Everything that is read inside is as it was at one moment."""
        async with self._use("reading projections") as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._in_snapshot = connection
            try:
                yield
            finally:
                self._in_snapshot = None

    @asynccontextmanager
    async def _use(self, doing: str) -> AsyncIterator[Connection]:
        """The connection. Raises what driver errors mean, `Unavailable` for a silent server."""
        if self._in_snapshot is not None:
            yield self._in_snapshot
            return
        try:
            with anyio.fail_after(self._answer_s):
                async with self._link.use() as connection:
                    if self._set_up != self._link.backend:
                        await connection.execute(self.SET_UP.encode())
                        self._set_up = self._link.backend
                    yield connection
        except TimeoutError as error:
            raise Unavailable(
                f"the database did not answer within {self._answer_s} s, {doing}"
            ) from error
        except psycopg.Error as error:
            raise translate(error, doing) from error

    async def _rows(self, name: str, doing: str, values: Mapping[str, Any]) -> list[TupleRow]:
        async with self._use(doing) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries[name].encode(), values)
            return await cursor.fetchall()

    async def _do(self, name: str, doing: str, values: Mapping[str, Any]) -> int:
        """How many rows it was done to."""
        async with self._use(doing) as connection:
            return (await connection.execute(self._queries[name].encode(), values)).rowcount

    async def generations(self) -> list[Generation]:
        rows = await self._rows("projection_generations", "reading projections", {})
        return [_generation(row) for row in rows]

    async def begin(self, fold: int) -> None:
        await self._do("projection_begin", "beginning a projection", {"fold": fold})

    async def nodes(self, generation: int) -> dict[str, NodeState]:
        values = {"generation": generation}
        rows = await self._rows("projection_nodes", "reading nodes", values)
        states = [_NODE.decode(row[0]) for row in rows]
        return {state.node: state for state in states}

    async def close(self) -> None:
        await self._link.close()

    async def __aenter__(self) -> Self:
        """Checks the schema. Raises `Misconfigured` (wrong DSN, no schema, older or newer one) and
        `Unavailable`."""
        try:
            await self._link.prepare()
            self.info = await log_of(lambda name: self._rows(name, "checking the schema", {}))
            check_map(self.info, self._settings.log, self._settings.map)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _generation(row: TupleRow) -> Generation:
    return Generation(
        number=row[0],
        fold=row[1],
        state=row[2],
        position=row[3],
        recorded_at=row[4],
        begun_at=row[5],
        unread=row[6],
    )


def tally_of(row: TupleRow) -> tuple[Key, Tally]:
    return Key(*row[:6]), _TALLY.decode(row[6])


def key_columns(keys: Sequence[Key]) -> dict[str, Packed]:
    return {
        "kinds": texts([key.kind for key in keys]),
        "widths": integers([key.width_s for key in keys]),
        "buckets": integers([key.at for key in keys]),
        "workflows": texts([key.workflow for key in keys]),
        "tasks": texts([key.task for key in keys]),
        "nodes": texts([key.node for key in keys]),
    }
