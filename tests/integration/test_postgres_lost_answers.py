"""The wire between coordinator and database is cut at the worst moments."""

from collections.abc import AsyncIterator

import anyio
import pytest

from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Batch, Lease
from orchestrator.errors import Unavailable
from tests.logs import batch, begin, continued, row
from tests.postgres import Observer, prepare
from tests.proxies import Proxy, proxy_to

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

TTL_S = 30.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that a coordinator runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def proxy(postgres_server: EmbeddedPostgres) -> AsyncIterator[Proxy]:
    async with proxy_to(postgres_server.port) as proxy:
        yield proxy


@pytest.fixture
async def store(dsn: str, proxy: Proxy) -> AsyncIterator[PostgresStore]:
    settings = Settings(dsn=proxy.dsn(dsn), append_timeout_s=2.0, answer_grace_s=0.3)
    async with await PostgresStore.open(settings) as store:
        yield store


@pytest.fixture
async def patient(dsn: str, proxy: Proxy) -> AsyncIterator[PostgresStore]:
    """A store whose statements outlast every deadline of a test."""
    settings = Settings(dsn=proxy.dsn(dsn), append_timeout_s=60.0, read_timeout_s=60.0)
    async with await PostgresStore.open(settings) as store:
        yield store


@pytest.fixture
async def lease(store: PostgresStore) -> Lease:
    """A lease; the connection for appends exists when the test begins."""
    (lease,) = await store.acquire([0], "a", TTL_S)
    await store.append(batch([lease], begin("node:1")))
    return lease


async def lose(store: PostgresStore, lost: Batch) -> None:
    with pytest.raises(Unavailable) as caught:
        await store.append(lost)
    assert caught.value.unknown


async def test_the_answer_to_a_commit_is_lost(
    store: PostgresStore, proxy: Proxy, lease: Lease
) -> None:
    lost = batch([lease], begin("run:1", 2), index=[row("1", 2)])
    proxy.swallow_answers()
    await lose(store, lost)
    assert proxy.swallowed.is_set()
    proxy.pass_all()
    assert await store.landed(lost)
    assert len(await store.read("run:1")) == 2
    assert await store.index_row("1") == row("1", 2)


async def test_a_batch_that_landed_and_is_tried_again_is_not_appended_twice(
    store: PostgresStore, proxy: Proxy, lease: Lease
) -> None:
    lost = batch([lease], begin("run:1", 2))
    proxy.swallow_answers()
    await lose(store, lost)
    proxy.pass_all()
    (_, last) = await store.read("run:1")
    assert await store.append(lost) == Appended(position=last.position or 0)
    assert len(await store.read_log()) == 3


async def test_a_request_that_never_arrived_has_not_landed_even_if_it_arrives_later(
    store: PostgresStore, proxy: Proxy, lease: Lease, eyes: Observer
) -> None:
    lost = batch([lease], begin("run:1"))
    proxy.hold_requests()
    await lose(store, lost)
    proxy.pass_all()
    assert not await store.landed(lost)
    await proxy.deliver_held()
    again = batch([lease], begin("run:1", by="b"))
    assert isinstance(await store.append(again), Appended)
    assert await eyes.value("SELECT count(*) FROM dalsegno.events") == 2


async def test_an_append_that_still_waits_for_the_lock_cannot_land_after_the_answer(
    patient: PostgresStore, proxy: Proxy, lease: Lease, eyes: Observer
) -> None:
    lost = batch([lease], begin("run:1"))
    answers = list[bool]()

    async def ask() -> None:
        answers.append(await patient.landed(lost))

    async with anyio.create_task_group() as tasks, eyes.ordering_lock():
        tasks.start_soon(lose, patient, lost)
        (old,) = await eyes.until_waiting()
        await proxy.cut_clients()
        tasks.start_soon(ask)
        await eyes.until_gone(old)
        await eyes.until_waiting()
        assert answers == []
    assert answers == [False]
    assert await patient.read("run:1") == []


async def test_the_server_falls_silent(store: PostgresStore, proxy: Proxy, lease: Lease) -> None:
    lost = batch([lease], begin("run:1"))
    proxy.drop_answers()
    with anyio.fail_after(20):
        await lose(store, lost)
    proxy.pass_all()
    assert await store.landed(lost)


async def test_a_lock_that_does_not_come_in_time_is_a_refusal(
    dsn: str, lease: Lease, eyes: Observer
) -> None:
    refused = batch([lease], begin("run:1"))
    settings = Settings(dsn=dsn, append_timeout_s=2.0, answer_grace_s=10.0)
    async with await PostgresStore.open(settings) as store:
        async with eyes.ordering_lock():
            with pytest.raises(Unavailable, match="timeout") as caught:
                await store.append(refused)
        assert not caught.value.unknown
        assert isinstance(await store.append(refused), Appended)


async def test_a_cancelled_append_can_be_asked_for(
    store: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    lost = batch([lease], begin("run:1"))
    async with anyio.create_task_group() as tasks, eyes.ordering_lock():
        tasks.start_soon(store.append, lost)
        await eyes.until_waiting()
        tasks.cancel_scope.cancel()
    landed = await store.landed(lost)
    assert landed == bool(await store.read("run:1"))
    assert isinstance(await store.append(batch([lease], begin("run:2"))), Appended)


async def test_the_next_use_after_all_connections_were_cut_makes_new_ones(
    store: PostgresStore, proxy: Proxy, lease: Lease
) -> None:
    await proxy.cut()
    assert len(await store.read("node:1")) == 1
    assert isinstance(await store.append(batch([lease], begin("run:1"))), Appended)


async def test_everything_comes_back_after_the_server_was_killed(
    postgres_private: EmbeddedPostgres,
) -> None:
    server = postgres_private
    await anyio.to_thread.run_sync(prepare, server.dsn)
    async with await PostgresStore.open(server.dsn) as store:
        (lease,) = await store.acquire([0], "a", TTL_S)
        await store.append(batch([lease], begin("run:1")))
        await anyio.to_thread.run_sync(server.kill9)
        refused = batch([lease], continued("run:1", 2))
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            await store.append(refused)
        assert not caught.value.unknown
        await anyio.to_thread.run_sync(server.start)
        await anyio.to_thread.run_sync(server.wait_ready)
        assert isinstance(await store.append(refused), Appended)
        assert [event.version for event in await store.read("run:1")] == [1, 2]
        assert await store.renew([lease], "a", TTL_S) == [lease]
