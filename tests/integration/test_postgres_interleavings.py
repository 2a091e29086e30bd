"""Interleavings of appends, takeovers and readers, forced with real connections."""

from collections.abc import AsyncIterator

import anyio
import pytest

from events.envelope import Stored
from orchestrator.adapters.postgres import arrays
from orchestrator.adapters.postgres.columns import (
    event_columns,
    head_columns,
    index_columns,
    lease_columns,
)
from orchestrator.adapters.postgres.queries import ORDERING_LOCK, Queries
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import (
    Appended,
    AppendOutcome,
    Batch,
    Conflicted,
    FencedOff,
    Lease,
)
from tests.logs import batch, begin, continued, row
from tests.postgres import Observer

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

TTL_S = 30.0


@pytest.fixture
async def old(dsn: str) -> AsyncIterator[PostgresStore]:
    async with await PostgresStore.open(dsn) as store:
        yield store


@pytest.fixture
async def new(dsn: str) -> AsyncIterator[PostgresStore]:
    async with await PostgresStore.open(dsn) as store:
        yield store


@pytest.fixture
async def lease(old: PostgresStore) -> Lease:
    (lease,) = await old.acquire([1], "old", TTL_S)
    return lease


async def _send(eyes: Observer, sent: Batch) -> None:
    """The append's statement, on a connection whose transaction the test commits."""
    arrays.register(eyes.connection.adapters)
    columns = event_columns(sent.events) | head_columns(sent.events) | index_columns(sent.index)
    columns |= lease_columns(sent.leases) | {"ordering_lock": ORDERING_LOCK}
    await eyes.connection.execute(Queries()["append"].encode(), columns)


class _Pending:
    """Appends in the background and keeps the outcome."""

    def __init__(self, store: PostgresStore, sent: Batch) -> None:
        self._store = store
        self._sent = sent
        self.outcome: AppendOutcome | None = None

    async def run(self) -> None:
        self.outcome = await self._store.append(self._sent)


async def test_an_append_that_waited_through_a_takeover_is_refused(
    old: PostgresStore, new: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    late = _Pending(old, batch([lease], begin("run:1"), index=[row("1")]))
    async with anyio.create_task_group() as tasks, eyes.ordering_lock():
        tasks.start_soon(late.run)
        await eyes.until_waiting()
        await eyes.expire(lease)
        (taken,) = await new.acquire([1], "new", TTL_S)
    assert late.outcome == FencedOff(shards=(1,))
    assert isinstance(await new.append(batch([taken], begin("run:1", by="b"))), Appended)
    assert await new.index_row("1") is None


async def test_a_renewal_during_that_wait_does_not_disturb_the_append(
    old: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    pending = _Pending(old, batch([lease], begin("run:1")))
    async with anyio.create_task_group() as tasks, eyes.ordering_lock():
        tasks.start_soon(pending.run)
        await eyes.until_waiting()
        assert await old.renew([lease], "old", TTL_S) == [lease]
    assert isinstance(pending.outcome, Appended)


async def test_a_takeover_waits_for_the_append_under_way_and_then_sees_it(
    old: PostgresStore, new: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    await eyes.expire(lease)
    seen = list[Stored]()

    async def take_over() -> None:
        (taken,) = await new.acquire([1], "new", TTL_S)
        assert (taken.shard, taken.holder, taken.epoch > lease.epoch) == (1, "new", True)
        seen.extend(await new.read("run:1"))

    async with anyio.create_task_group() as tasks, eyes.connection.transaction():
        await _send(eyes, batch([lease], begin("run:1", 2)))
        tasks.start_soon(take_over)
        await eyes.until_waiting()
        assert seen == []
    assert [event.version for event in seen] == [1, 2]
    late = batch([lease], continued("run:1", 3))
    assert await old.append(late) == FencedOff(shards=(1,))


async def test_a_renewal_does_not_wait_for_an_append_under_way(
    old: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    async with eyes.connection.transaction():
        await _send(eyes, batch([lease], begin("run:1")))
        with anyio.fail_after(5):
            assert await old.renew([lease], "old", TTL_S) == [lease]


async def test_no_position_is_drawn_before_the_lock_is_held(
    old: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    await old.append(batch([lease], begin("run:0")))
    before = await eyes.last_drawn()
    async with anyio.create_task_group() as tasks, eyes.ordering_lock():
        tasks.start_soon(old.append, batch([lease], begin("run:1", 3)))
        await eyes.until_waiting()
        assert await eyes.last_drawn() == before
    assert await eyes.last_drawn() == await old.last_position()


async def test_a_fenced_batch_draws_no_position(
    old: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    before = await eyes.last_drawn()
    await eyes.expire(lease)
    await old.acquire([1], "new", TTL_S)
    await old.append(batch([lease], begin("run:1", 3)))
    assert await eyes.last_drawn() == before


async def test_a_reader_never_sees_a_position_before_an_earlier_one(
    old: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    """The second append is ready first; without the ordering lock it would be visible first."""
    second = _Pending(old, batch([lease], begin("run:2")))
    async with anyio.create_task_group() as tasks, eyes.connection.transaction():
        await _send(eyes, batch([lease], begin("run:1")))
        tasks.start_soon(second.run)
        await eyes.until_waiting()
        assert await old.read_log() == []
    assert [event.stream for event in await old.read_log()] == ["run:1", "run:2"]


async def test_the_second_of_two_at_one_version_is_in_conflict(
    old: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    second = _Pending(old, batch([lease], begin("run:1", by="b"), begin("run:2")))
    async with anyio.create_task_group() as tasks, eyes.connection.transaction():
        await _send(eyes, batch([lease], begin("run:1")))
        tasks.start_soon(second.run)
        await eyes.until_waiting()
    assert second.outcome == Conflicted(streams=("run:1",))
    assert await old.read("run:2") == []


async def test_takeover_and_append_of_many_shards_do_not_deadlock(
    old: PostgresStore, new: PostgresStore, eyes: Observer
) -> None:
    shards = list(range(20))
    leases = await old.acquire(shards, "old", TTL_S)

    async def append() -> None:
        for n in range(20):
            await old.append(batch(leases[::-1], begin(f"run:{n}")))

    async def renew() -> None:
        for n in range(20):
            await old.renew(leases if n % 2 else leases[::-1], "old", TTL_S)

    async def take() -> None:
        for n in range(20):
            await new.acquire(shards if n % 2 else shards[::-1], "new", TTL_S)

    async with anyio.create_task_group() as tasks:
        for work in (append, renew, take):
            tasks.start_soon(work)
    assert len(await old.read_log()) == 20


async def test_an_audit_does_not_overwrite_what_an_append_has_written_meanwhile(
    old: PostgresStore, new: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    await old.append(batch([lease], begin("run:1"), index=[row("1")]))
    written = list[str]()

    async def audit() -> None:
        written.extend(await new.replace_index_rows([row("1", 1, status="paused")]))

    async with anyio.create_task_group() as tasks, eyes.connection.transaction():
        await _send(eyes, batch([lease], continued("run:1", 2), index=[row("1", 2)]))
        tasks.start_soon(audit)
        await eyes.until_waiting()
    assert written == []
    assert await new.index_row("1") == row("1", 2)


async def test_two_who_take_shards_that_nobody_ever_had(
    old: PostgresStore, new: PostgresStore
) -> None:
    """As two coordinators do that are started together on an empty database."""
    for first in range(100, 900, 8):
        shards = range(first, first + 8)
        taken: dict[str, list[Lease]] = {}

        async def take(name: str, store: PostgresStore) -> None:
            taken[name] = await store.acquire(shards, name, TTL_S)  # noqa: B023

        async with anyio.create_task_group() as group:
            group.start_soon(take, "old", old)
            group.start_soon(take, "new", new)
        leases = taken["old"] + taken["new"]
        assert sorted(lease.shard for lease in leases) == list(shards)
