"""`events tail --follow`: woken by announcements, and at work without NATS."""

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import anyio
import pytest

from events.connection import Connection
from events.errors import Unavailable
from events.streams import Topology
from events.subjects import Subjects
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.embedded.ports import free_port
from orchestrator.adapters.nats.announcements import ringing, ringing_all
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.config import Config
from orchestrator.coordinator.ports import Appended, Lease
from orchestrator.insight.following.bells import Bell, Bells
from orchestrator.insight.following.feed import Feed
from tests.feeds import sieve
from tests.logs import batch, begin
from tests.postgres import prepare
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

NEVER_S = 3600.0
DEADLINE_S = 20.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def store(database_factory: DatabaseFactory) -> AsyncIterator[PostgresStore]:
    async with await PostgresStore.open(database_factory(prepare)) as store:
        yield store


class Writer:
    """Appends, and announces as a coordinator does."""

    def __init__(self, store: PostgresStore, lease: Lease, bus: NatsBus | None) -> None:
        self._store = store
        self._lease = lease
        self._bus = bus
        self._count = 0

    async def write(self) -> None:
        self._count += 1
        events = begin(f"run:{self._count}")
        outcome = await self._store.append(batch([self._lease], events))
        assert isinstance(outcome, Appended)
        if self._bus is not None:
            await self._bus.announce(self._store.info.name, outcome.position)

    async def write_until(self, done: anyio.Event) -> None:
        while not done.is_set():
            await self.write()
            with anyio.move_on_after(0.1):
                await done.wait()


async def streams(store: PostgresStore, bells: Bells, count: int, poll_s: float) -> list[str]:
    """Names of the first `count` streams that a follower sees."""
    seen: list[str] = []
    name = store.info.name
    with anyio.fail_after(DEADLINE_S):
        async with aclosing(Feed({name: store}, bells, poll_s=poll_s).pages({}, sieve())) as pages:
            async for page in pages:
                seen += [one.stored.stream for one in page.events]
                if len(seen) >= count:
                    break
    return seen


async def test_announcements_alone_wake_a_follower(
    store: PostgresStore, nats_server: EmbeddedNats, nats_prefix: str
) -> None:
    (lease,) = await store.acquire([0], "a", 60.0)
    config = Config(nats=Connection(urls=(nats_server.url,)), prefix=nats_prefix)
    bus = NatsBus(config.nats, Topology(subjects=Subjects(nats_prefix)), "c1")
    await bus.start()
    done, bells = anyio.Event(), Bells()
    listening = ringing_all(config.nats, config.prefix, ["other", store.info.name], bells)
    async with listening, anyio.create_task_group() as group:
        group.start_soon(Writer(store, lease, bus).write_until, done)
        seen = await streams(store, bells, 6, NEVER_S)
        done.set()
    await bus.close()
    assert seen == [f"run:{number}" for number in range(1, len(seen) + 1)]


async def test_without_nats_a_follower_polls(store: PostgresStore) -> None:
    (lease,) = await store.acquire([0], "a", 60.0)
    nats = Connection(urls=(f"nats://127.0.0.1:{free_port()}",))
    done, bells = anyio.Event(), Bells()
    listening = ringing_all(nats, "dalsegno", [store.info.name], bells)
    async with listening, anyio.create_task_group() as group:
        group.start_soon(Writer(store, lease, None).write_until, done)
        seen = await streams(store, bells, 6, 0.05)
        done.set()
    assert seen == [f"run:{number}" for number in range(1, len(seen) + 1)]


async def test_a_follower_hears_again_when_nats_is_back(
    nats_server_private: EmbeddedNats, nats_prefix: str
) -> None:
    server = nats_server_private
    config = Config(nats=Connection(urls=(server.url,)), prefix=nats_prefix)
    async with ringing(config.nats, config.prefix, "log-1") as bell:
        assert await _heard(config, bell)
        await anyio.to_thread.run_sync(server.kill9)
        await anyio.to_thread.run_sync(server.start)
        await anyio.to_thread.run_sync(server.wait_ready)
        assert await _heard(config, bell)


async def _heard(config: Config, bell: Bell) -> bool:
    """Announces as often as it takes: announcements may be lost."""
    bus = NatsBus(config.nats, Topology(subjects=Subjects(config.prefix)), "c1")
    await bus.start()
    done = anyio.Event()

    async def announce() -> None:
        while not done.is_set():
            with suppress(Unavailable):
                await bus.announce("log-1", 7)
            with anyio.move_on_after(0.1):
                await done.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(announce)
        rang = await bell.wait(0, DEADLINE_S)
        done.set()
    await bus.close()
    return rang
