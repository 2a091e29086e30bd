"""Watches every process of a benchmark over the load phase, and makes the profile of it."""

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import msgspec

from orchestrator.adapters.host.processes import Used, machine, used, used_by_children
from orchestrator.adapters.host.stacks import BEGIN, END
from orchestrator.adapters.postgres.activity import AppendWatch, LogTotals
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.cli.bench.bound import bound
from orchestrator.cli.bench.profile import (
    AGENTS,
    CLIENT,
    COORDINATOR,
    NATS,
    PROJECTIONS,
    Instant,
    Lag,
    Log,
    Member,
    Process,
    Profile,
    cpu_us_per_task,
    host,
    lag,
    postgres_member,
    processes,
    shares,
)

STACKS_WAIT_S = 5.0
LOOK_S = 0.01
LAG_EVERY_S = 0.1
PROJECTOR = "dalsegno projections"
"""What its backend is called."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part, by process id, and where the servers are; `stacks` is the file that the
    coordinator writes."""

    coordinator: int
    agents: Mapping[str, int]
    postgres: int
    nats: int
    dsn: str
    nats_url: str
    stacks: Path
    projections: int | None = None


class Watch:
    """`begin` before the load, `end` right after it, then `profile` when the log can be read."""

    def __init__(self, watched: Watched, appends: AppendWatch, position: int) -> None:
        self.watched = watched
        self._appends = appends
        self._position = position
        self._totals = appends.totals(position)
        self._of_projections = appends.backends(PROJECTOR)
        self._before = look(watched, self._of_projections)
        self._after = self._before
        self._waits: Mapping[str, int] = {}
        self._behind: Sequence[tuple[int, float]] = ()

    def begin(self) -> None:
        os.kill(self.watched.coordinator, BEGIN)
        self._appends.start()
        self._before = look(self.watched, self._of_projections)

    def end(self, behind: Sequence[tuple[int, float]] = ()) -> None:
        """`behind`: samples of how many events and seconds projections were behind."""
        self._after = look(self.watched, self._of_projections)
        self._behind = tuple(behind)
        os.kill(self.watched.coordinator, END)
        self._waits = self._appends.stop()

    async def profile(self, events: int, tasks: int) -> Profile:
        """Of the time between `begin` and `end`, in which `events` were appended, and so many tasks
        completed."""
        wall_s = self._after.clock_s - self._before.clock_s
        found = processes(self._before, self._after)
        whole = host(self._before.machine, self._after.machine, found, wall_s)
        appends = shares(self._waits)
        rooms = shares(await anyio.to_thread.run_sync(_stacks, self.watched.stacks))
        return Profile(
            bound=bound(whole, found, appends, rooms),
            host=whole,
            processes=found,
            appends=appends,
            coordinator=rooms,
            log=_log(self._totals, self._appends.totals(self._position), events, wall_s),
            cpu_us_per_task=cpu_us_per_task(found, wall_s, tasks),
            projections=None if self.watched.projections is None else self._lag(found, tasks),
        )

    def _lag(self, found: Sequence[Process], tasks: int) -> Lag:
        wall_s = self._after.clock_s - self._before.clock_s
        ours = [process for process in found if process.group == PROJECTIONS]
        return lag(self._behind, cpu_us_per_task(ours, wall_s, tasks))


@contextmanager
def watching(watched: Watched, position: int) -> Iterator[Watch]:
    """A watch on what is appended after `position`. Raises `Unavailable`."""
    with AppendWatch(watched.dsn) as appends:
        yield Watch(watched, appends, position)


@asynccontextmanager
async def lagging(watched: Watched) -> AsyncIterator[Sequence[tuple[int, float]]]:
    """A list that grows by a sample of how far projections are behind, now and then."""
    behind: list[tuple[int, float]] = []
    async with anyio.create_task_group() as group:
        if watched.projections is not None:
            group.start_soon(_sample, watched.dsn, behind)
        yield behind
        group.cancel_scope.cancel()


async def _sample(dsn: str, behind: list[tuple[int, float]]) -> None:
    async with PostgresProjected(dsn) as projected:
        while True:
            await anyio.sleep(LAG_EVERY_S)
            serving = [one for one in await projected.generations() if one.state == "serving"]
            for one in serving:
                standing = await projected.standing(one)
                behind.append((standing.events_behind, standing.seconds_behind))


def look(watched: Watched, of_projections: frozenset[int] = frozenset()) -> Instant:
    """All counters now."""
    projections = None if watched.projections is None else used(watched.projections)
    members = [
        _member(COORDINATOR, COORDINATOR, used(watched.coordinator)),
        *(_member(name, AGENTS, used(pid)) for name, pid in watched.agents.items()),
        _member(CLIENT, CLIENT, used(os.getpid())),
        _member(NATS, NATS, used(watched.nats), single=False),
        _member(PROJECTIONS, PROJECTIONS, projections),
        *(postgres_member(one, of_projections) for one in used_by_children(watched.postgres)),
    ]
    present = tuple(member for member in members if member is not None)
    return Instant(clock_s=time.perf_counter(), machine=machine(), members=present)


def _member(row: str, group: str, found: Used | None, single: bool = True) -> Member | None:
    return None if found is None else Member(row=row, group=group, single=single, used=found)


def _stacks(path: Path) -> dict[str, int]:
    """What the coordinator has sampled of itself; nothing when it does not write it in time."""
    deadline = time.monotonic() + STACKS_WAIT_S
    while not path.exists():
        if time.monotonic() > deadline:
            return {}
        time.sleep(LOOK_S)
    return msgspec.json.decode(path.read_bytes(), type=dict[str, int])


def _log(before: LogTotals, after: LogTotals, events: int, wall_s: float) -> Log:
    commits = max(1, after.commits - before.commits)
    return Log(
        commits_per_s=round(commits / wall_s, 1),
        events_per_commit=round(events / commits, 1),
        wal_bytes_per_event=round((after.wal_bytes - before.wal_bytes) / max(1, events), 1),
    )
