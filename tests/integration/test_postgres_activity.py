"""Appends seen from the side, on a real server."""

import anyio
import pytest

from orchestrator.adapters.postgres.activity import IDLE, AppendWatch
from orchestrator.adapters.postgres.store import PostgresStore
from tests.logs import batch, begin
from tests.postgres import Observer

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_a_backend_that_has_appended_is_seen_idle(dsn: str, store: PostgresStore) -> None:
    leases = await store.acquire([1], "a", 30.0)
    with AppendWatch(dsn) as watch:
        watch.look()
        await store.append(batch(leases, begin("run:r1", 2)))
        watch.look()
        watch.start()
        assert watch.stop()[IDLE] >= 1


async def test_a_backend_that_waits_for_the_ordering_lock_is_seen_waiting(
    dsn: str, store: PostgresStore, eyes: Observer
) -> None:
    leases = await store.acquire([1], "a", 30.0)
    with AppendWatch(dsn) as watch:
        async with anyio.create_task_group() as group, eyes.ordering_lock():
            group.start_soon(store.append, batch(leases, begin("run:r1")))
            await eyes.until_waiting()
            watch.look()
        watch.start()
        assert watch.stop()["Lock advisory"] == 1


async def test_commits_are_counted_after_a_position(dsn: str, store: PostgresStore) -> None:
    leases = await store.acquire([1], "a", 30.0)
    await store.append(batch(leases, begin("run:r1", 3)))
    before = await store.last_position()
    with AppendWatch(dsn) as watch:
        first = watch.totals(before)
        await store.append(batch(leases, begin("run:r2", 3)))
        await store.append(batch(leases, begin("run:r3", 2)))
        second = watch.totals(before)
    assert (first.commits, second.commits) == (0, 2)
    assert second.wal_bytes > first.wal_bytes
