"""Lists of runs for many who ask at the same time: a few connections to each log, lent in turn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from events.limits import RUNS_LISTED_MAX
from events.views import ForkView
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.insight.counting.figures import figures
from orchestrator.insight.counting.merging import furthest_behind, merged
from orchestrator.insight.counting.projections import Standing
from orchestrator.insight.counting.statistics import Material, Statistics, Window, statistics
from orchestrator.insight.finding import RunQuery, newest_first
from orchestrator.replay.ports import IndexRow

CONNECTIONS_MAX = 4


class PostgresLists:
    """Projections of all logs as one; close it."""

    def __init__(self, logs: Sequence[Settings], connections_max: int = CONNECTIONS_MAX) -> None:
        self._lenders = [Lender(settings, connections_max) for settings in logs]

    async def find_runs(self, query: RunQuery) -> list[IndexRow]:
        """The runs that are asked for, of all logs, the newest first. Raises `Unavailable`."""
        found: list[IndexRow] = []
        for lender in self._lenders:
            async with lender.lent() as projected:
                found += await projected.find_runs(query)
        return newest_first(found, query.limit)

    async def forks_of(self, run_id: str) -> list[ForkView]:
        """The runs that were forked from this one, oldest first. Raises `Unavailable`."""
        found: list[ForkView] = []
        for lender in self._lenders:
            async with lender.lent() as projected:
                found += await projected.forks_of(run_id, RUNS_LISTED_MAX)
        return sorted(found, key=lambda fork: (fork.started_at, fork.run_id))[:RUNS_LISTED_MAX]

    async def statistics(self, workflow: str, seen: Window) -> Statistics:
        """Of the projections that serve. Raises `Unavailable` also where there are none yet."""
        parts: list[Material] = []
        standings: list[Standing] = []
        for lender in self._lenders:
            async with lender.lent() as projected, projected.snapshot():
                part, standing = await figures(projected, workflow, seen)
            parts.append(part)
            standings.append(standing)
        return statistics(merged(parts), furthest_behind(standings), seen)

    async def close(self) -> None:
        for lender in self._lenders:
            await lender.close()


class Lender:
    """Connections to one log: made when they are wanted, and kept."""

    def __init__(self, settings: Settings, most: int) -> None:
        self._settings = settings
        self._free: list[PostgresProjected] = []
        self._limiter = anyio.Semaphore(most)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[PostgresProjected]:
        """One for whoever uses it alone; waits for one to be given back. Raises `Unavailable`."""
        async with self._limiter:
            projected = self._free.pop() if self._free else await self._made()
            try:
                yield projected
            finally:
                self._free.append(projected)

    async def _made(self) -> PostgresProjected:
        return await PostgresProjected(self._settings).__aenter__()

    async def close(self) -> None:
        for projected in self._free:
            await projected.close()
        self._free.clear()
