"""Writers append to one log and are killed in the middle, while a follower reads by position."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from orchestrator.adapters.postgres.queries import ORDERING_LOCK
from orchestrator.adapters.postgres.store import PostgresStore
from tests.postgres import Observer, observer, until

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real, pytest.mark.timeout(90)]

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 4
KILLS = 10
AHEAD = 30
"""Events that must arrive after each kill, while the log grows: it has not stalled."""

Place = tuple[int, str, int]


class Writers:
    """The writing processes, one a shard; each that is killed is replaced."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.processes = [self._start(shard) for shard in range(WRITERS)]

    def _start(self, shard: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.log_writer", self._dsn, str(shard)]
        return subprocess.Popen(command, cwd=ROOT)

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    def kill(self, pid: int) -> None:
        shard = self.pids().index(pid)
        process = self.processes[shard]
        assert process.poll() is None, f"writer {pid} has ended by itself: {process.returncode}"
        process.kill()
        process.wait()
        self.processes[shard] = self._start(shard)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def writing(dsn: str) -> Iterator[Writers]:
    writers = Writers(dsn)
    try:
        yield writers
    finally:
        writers.end()


class Follower:
    """Reads on from the last position it has seen, as every reader of the log does."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.seen = list[Place]()

    async def read_page(self) -> int:
        after = self.seen[-1][0] if self.seen else 0
        page = await self._store.read_log(after, limit=100)
        self.seen += [(event.position or 0, event.stream, event.version) for event in page]
        return len(page)

    async def follow(self) -> None:
        while True:
            await self.read_page()

    async def until_ahead(self) -> None:
        goal = len(self.seen) + AHEAD

        async def is_ahead() -> bool:
            return len(self.seen) >= goal

        await until(is_ahead, f"{AHEAD} more events have come")


async def holder(eyes: Observer) -> int:
    """Process id of the writer that holds the ordering lock in an open transaction."""

    async def look() -> int:
        rows = await eyes.all(
            "SELECT split_part(a.application_name, '-', 2)::int FROM pg_locks AS l"
            " JOIN pg_stat_activity AS a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND a.state = 'idle in transaction'"
            " AND (l.classid::bigint << 32 | l.objid::bigint) = %s"
            " AND a.datname = current_database()",
            ORDERING_LOCK,
        )
        return int(rows[0][0]) if rows else 0

    return await until(look, "a writer holds the ordering lock")


async def test_a_follower_misses_nothing_repeats_nothing_and_does_not_stall(
    dsn: str, store: PostgresStore
) -> None:
    follower = Follower(store)
    async with observer(dsn) as eyes, anyio.create_task_group() as tasks:
        tasks.start_soon(follower.follow)
        with writing(dsn) as writers:
            for number in range(KILLS):
                await follower.until_ahead()
                inside = number % 2 == 0
                pid = await holder(eyes) if inside else random.choice(writers.pids())
                writers.kill(pid)
            await follower.until_ahead()
        await _until_alone(eyes)
        tasks.cancel_scope.cancel()
    while await follower.read_page():
        pass
    await _compare(dsn, follower.seen)


async def _until_alone(eyes: Observer) -> None:
    async def is_alone() -> bool:
        return not await eyes.all(
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'writer-%%'"
        )

    await until(is_alone, "the backends of the writers are gone")


async def _compare(dsn: str, seen: list[Place]) -> None:
    async with observer(dsn) as eyes:
        rows = await eyes.all(
            "SELECT notification_id, originator_id, originator_version FROM dalsegno.events"
            " ORDER BY notification_id"
        )
        drawn = await eyes.last_drawn()
    assert len(set(seen)) == len(seen)
    assert seen == [tuple(row) for row in rows]
    assert isinstance(drawn, int)
    assert drawn > len(seen), "no kill has hit an open transaction: the test has tested nothing"
