"""The edge: what is carried out, and when it is over."""

from collections.abc import AsyncIterator, Sequence

import anyio
import anyio.lowlevel
import pytest

from events.api import AnyAnswer, AnyRequest
from events.catalogue import Catalogue
from events.messages import Commands, Heartbeat, HeartbeatAnswer
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.edge import Edge
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.ports import Lease, ReportDelivery
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, START, engine

pytestmark = pytest.mark.anyio
ALL = tuple(range(SHARDS))


class Clock:
    """It stands: no lease ends by itself."""

    def now(self) -> s.Now:
        return s.Now(1, START)


class SlowStore(MemoryStore):
    """Others run before it releases anything, as with a database."""

    async def release(self, leases: Sequence[Lease], holder: str) -> None:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        await super().release(leases, holder)


class SilentBus:
    """Connected, and nobody says anything; tells when all shards are served."""

    def __init__(self) -> None:
        self.serving = anyio.Event()

    async def connection(self) -> AsyncIterator[bool]:
        yield True
        await anyio.sleep_forever()

    async def reports(self, leases: Sequence[Lease]) -> AsyncIterator[list[ReportDelivery]]:
        if len(leases) == SHARDS:
            self.serving.set()
        await anyio.sleep_forever()
        yield []

    async def heartbeats(self) -> AsyncIterator[tuple[Heartbeat, str]]:
        await anyio.sleep_forever()
        yield Heartbeat(node="", incarnation="", sequence=0), ""

    async def requests(self, shards: Sequence[int]) -> AsyncIterator[tuple[AnyRequest, str]]:
        await anyio.sleep_forever()
        for nothing in list[tuple[AnyRequest, str]]():
            yield nothing

    async def publish(self, node: str, incarnation: str, commands: Commands) -> None: ...

    async def acknowledge(self, deliveries: Sequence[ReportDelivery]) -> None: ...

    async def answer_heartbeat(self, reply_to: str, answer: HeartbeatAnswer) -> None: ...

    async def answer(self, reply_to: str, answer: AnyAnswer) -> None: ...

    async def announce(self, log: str, position: int) -> None: ...

    async def close(self) -> None: ...


async def test_whoever_comes_next_need_not_wait_for_the_leases_of_one_that_was_stopped() -> None:
    log, bus = MemoryLog(lambda: START), SilentBus()
    store = SlowStore(log)
    core = Coordinator(Identity(name="c1", seed="s", shards=SHARDS), Settings(), engine())
    edge = Edge(core, store, bus, Loader(store, Catalogue(), "c1"), Clock())
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(edge.run)
            await bus.serving.wait()
            assert log.acquire(ALL, "c2", 1.0) == []
            await edge.stop()
    assert [lease.shard for lease in log.acquire(ALL, "c2", 1.0)] == [*ALL]
