"""Hearing of appends from Postgres alone, as subscriptions of the eventsourcing library do.

One connection a log, made at first use. One that cannot be made, or breaks, costs the time of a
poll: its log is looked at then, and the connection is tried again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import anyio
import psycopg

from orchestrator.adapters.postgres.connections import Connection, Dialer, drop, kept_if_good
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.errors import Misconfigured, Unavailable

STATEMENT_TIMEOUT_S = 15.0


class Listening:
    """Wakes one follower of these logs; close it."""

    def __init__(self, logs: Mapping[str, Settings]) -> None:
        queries = Queries()
        self._listen = queries["listen"].encode()
        self._dialers = {name: Dialer(settings, queries) for name, settings in logs.items()}
        self._connections: dict[str, Connection] = {}
        self._rang = False

    @contextmanager
    def ear(self) -> Iterator["Listening"]:
        yield self

    async def wait(self, reached: Mapping[str, int], at_most_s: float) -> bool:
        """Waits until one of the logs has grown, as far as is heard."""
        self._rang = False
        with anyio.move_on_after(at_most_s):
            async with anyio.create_task_group() as group:
                for name in reached:
                    group.start_soon(self._hear, name, at_most_s, group.cancel_scope)
        return self._rang

    async def _hear(self, name: str, at_most_s: float, scope: anyio.CancelScope) -> None:
        """Ends the wait when something is heard; where nothing can be heard it is a poll's."""
        try:
            connection = self._connections.get(name)
            if connection is None or connection.closed:
                await self._connect(name)
                self._rang = True
            else:
                async for _ in connection.notifies(timeout=at_most_s, stop_after=1):
                    self._rang = True
        except (Unavailable, Misconfigured, psycopg.Error):
            # The log itself is no better off, and whoever reads it says so.
            await drop(self._connections.pop(name, None))
            await anyio.sleep(at_most_s)
        if self._rang:
            scope.cancel()

    async def _connect(self, name: str) -> None:
        """What came before is not heard: the log has to be looked at once more."""
        connection = await self._dialers[name].dial(STATEMENT_TIMEOUT_S)
        async with kept_if_good(connection):
            await connection.execute(self._listen)
        self._connections[name] = connection

    async def close(self) -> None:
        for connection in self._connections.values():
            await drop(connection)
        self._connections.clear()
