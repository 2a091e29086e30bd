"""Watches every process of a benchmark over the load phase, and makes the profile of it."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec

from orchestrator.adapters.host.processes import Used, machine, used, used_by_children
from orchestrator.adapters.host.stacks import BEGIN, END
from orchestrator.adapters.postgres.activity import AppendWatch, LogTotals
from orchestrator.cli.bench_bound import bound
from orchestrator.cli.bench_profile import (
    AGENTS,
    CLIENT,
    COORDINATOR,
    NATS,
    Instant,
    Log,
    Member,
    Profile,
    host,
    postgres_member,
    processes,
    shares,
)

STACKS_WAIT_S = 5.0
LOOK_S = 0.01


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


class Watch:
    """`begin` before the load, `end` right after it, then `profile` when the log can be read."""

    def __init__(self, watched: Watched, appends: AppendWatch, position: int) -> None:
        self._watched = watched
        self._appends = appends
        self._position = position
        self._totals = appends.totals(position)
        self._before = look(watched)
        self._after = self._before
        self._waits: Mapping[str, int] = {}

    def begin(self) -> None:
        os.kill(self._watched.coordinator, BEGIN)
        self._appends.start()
        self._before = look(self._watched)

    def end(self) -> None:
        self._after = look(self._watched)
        os.kill(self._watched.coordinator, END)
        self._waits = self._appends.stop()

    async def profile(self, events: int) -> Profile:
        """Of the time between `begin` and `end`, in which `events` were appended."""
        wall_s = self._after.clock_s - self._before.clock_s
        found = processes(self._before, self._after)
        whole = host(self._before.machine, self._after.machine, found, wall_s)
        appends = shares(self._waits)
        rooms = shares(await anyio.to_thread.run_sync(_stacks, self._watched.stacks))
        return Profile(
            bound=bound(whole, found, appends, rooms),
            host=whole,
            processes=found,
            appends=appends,
            coordinator=rooms,
            log=_log(self._totals, self._appends.totals(self._position), events, wall_s),
        )


@contextmanager
def watching(watched: Watched, position: int) -> Iterator[Watch]:
    """A watch on what is appended after `position`. Raises `Unavailable`."""
    with AppendWatch(watched.dsn) as appends:
        yield Watch(watched, appends, position)


def look(watched: Watched) -> Instant:
    """All counters now."""
    members = [
        _member(COORDINATOR, COORDINATOR, used(watched.coordinator)),
        *(_member(name, AGENTS, used(pid)) for name, pid in watched.agents.items()),
        _member(CLIENT, CLIENT, used(os.getpid())),
        _member(NATS, NATS, used(watched.nats), single=False),
        *(postgres_member(one) for one in used_by_children(watched.postgres)),
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
