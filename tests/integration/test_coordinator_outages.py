"""A coordinator that was cut off from NATS takes nobody's silence for absence."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence

import anyio
import pytest
from anyio.abc import TaskGroup

from events.catalogue import Catalogue
from events.connection import Connection
from events.ids import node_stream
from events.limits import Limits
from events.messages import Heartbeat
from events.streams import Topology
from events.subjects import Subjects
from node_agent.adapters.nats.bus import NatsBus as AgentBus
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.bootstrap import SystemClock, make_engine
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.edge import Edge
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.env import MICROSECONDS
from tests.contract.planes import DEADLINE_S, bus_limits

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]

PATIENT = Settings(lease_ttl_s=1e6, observer_gap_s=1e6)
"""The shard lease outlasts every jump of the clock, and a jump counts as time observed."""
OUTAGE_S = 20 * PATIENT.attempt_lease_ttl_s


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class JumpingClock(SystemClock):
    """The system's clock, put forward by hand."""

    def __init__(self) -> None:
        self._ahead = 0

    def jump(self, seconds: float) -> None:
        self._ahead += round(seconds * MICROSECONDS)

    def now(self) -> s.Now:
        now = super().now()
        return s.Now(now.monotonic + self._ahead, now.wall + self._ahead)


class WatchedCoordinator(Coordinator):
    """Lets a test wait for what the edge tells the core."""

    def __init__(self, identity: Identity, settings: Settings) -> None:
        super().__init__(identity, settings, make_engine(Limits()))
        self.steps = 0
        self.told: list[s.CoordinatorInput] = []
        self._event = anyio.Event()

    def hear(self, inputs: Sequence[s.CoordinatorInput], now: s.Now) -> list[s.CoordinatorOutput]:
        outputs = super().hear(inputs, now)
        self.steps += 1
        self.told += inputs
        self._event.set()
        return outputs

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        with anyio.fail_after(2 * DEADLINE_S):
            while not holds():
                self._event = anyio.Event()
                await self._event.wait()

    async def wait_for(self, *, connected: bool) -> None:
        """Told of it last."""

        def holds() -> bool:
            told = [one.connected for one in self.told if isinstance(one, s.BusChanged)]
            return told[-1:] == [connected]

        await self.wait_until(holds)

    async def wait_for_beats(self, count: int = 2) -> None:
        """New ones from now on."""

        def beats() -> int:
            return sum(isinstance(one, s.HeartbeatArrived) for one in self.told)

        wanted = beats() + count
        await self.wait_until(lambda: beats() >= wanted)


class Cluster:
    """One coordinator over a store in memory and a real server, and two nodes that say that they
    are there."""

    def __init__(self, url: str, group: TaskGroup) -> None:
        connection = Connection(urls=(url,))
        topology = Topology(subjects=Subjects("cut"), limits=bus_limits())
        self.clock = JumpingClock()
        self.log = MemoryLog(lambda: self.clock.now().wall)
        self.core = WatchedCoordinator(Identity(name="c1", seed="s", shards=2), PATIENT)
        self.bus = NatsBus(connection, topology, "c1")
        self.nodes = [AgentBus(connection, topology, name) for name in ("n1", "n2")]
        store = MemoryStore(self.log)
        loader = Loader(store, Catalogue(), "c1")
        self.edge = Edge(self.core, store, self.bus, loader, self.clock)
        self.beating = True
        group.start_soon(self.edge.run)
        for node, name in zip(self.nodes, ("n1", "n2"), strict=True):
            group.start_soon(self._listen, node)
            group.start_soon(self._beat, node, name)

    async def _beat(self, bus: AgentBus, name: str) -> None:
        sequence = 0
        while True:
            if self.beating:
                sequence += 1
                await bus.heartbeat(Heartbeat(node=name, incarnation="i1", sequence=sequence))
            await anyio.sleep(0.05)

    @staticmethod
    async def _listen(bus: AgentBus) -> None:
        """As agents do; whoever listens connects again."""
        async for _ in bus.answers():
            pass

    def facts(self, name: str) -> list[str]:
        return [stored.type for stored in self.log.read(node_stream(name))]

    async def close(self) -> None:
        await self.bus.close()
        for node in self.nodes:
            await node.close()


@pytest.fixture
async def cluster(nats_server_private: EmbeddedNats) -> AsyncIterator[Cluster]:
    async with anyio.create_task_group() as group:
        made = Cluster(nats_server_private.url, group)
        await made.core.wait_until(
            lambda: all(made.facts(name) == ["node.registered.v1"] for name in ("n1", "n2"))
        )
        await made.core.wait_for(connected=True)
        yield made
        group.cancel_scope.cancel()
    await made.close()


async def outlast(cluster: Cluster) -> None:
    """Many leases later, and the coordinator has looked at its nodes since."""
    for _ in range(20):
        cluster.clock.jump(OUTAGE_S / 20)
        seen = cluster.core.steps
        await cluster.core.wait_until(lambda seen=seen: cluster.core.steps > seen + 1)  # type: ignore[misc]


async def test_no_node_is_lost_by_an_outage_of_nats(
    cluster: Cluster, nats_server_private: EmbeddedNats
) -> None:
    await anyio.to_thread.run_sync(nats_server_private.halt)
    await cluster.core.wait_for(connected=False)
    await outlast(cluster)
    await anyio.to_thread.run_sync(nats_server_private.start)
    await cluster.core.wait_for(connected=True)
    await cluster.core.wait_for_beats()
    assert cluster.facts("n1") == cluster.facts("n2") == ["node.registered.v1"]


async def test_a_server_that_hangs_is_an_outage(
    cluster: Cluster, nats_server_private: EmbeddedNats
) -> None:
    """Its connections stand, and nothing comes over them."""
    os.kill(nats_server_private.pid, signal.SIGSTOP)
    try:
        await cluster.core.wait_for(connected=False)
        await outlast(cluster)
    finally:
        os.kill(nats_server_private.pid, signal.SIGCONT)
    await cluster.core.wait_for(connected=True)
    await cluster.core.wait_for_beats()
    assert "node.lost.v1" not in [*cluster.facts("n1"), *cluster.facts("n2")]


async def test_silence_while_connected_is_absence(cluster: Cluster) -> None:
    cluster.beating = False
    cluster.clock.jump(OUTAGE_S)
    await cluster.core.wait_until(lambda: "node.suspected.v1" in cluster.facts("n1"))
    cluster.clock.jump(OUTAGE_S)
    await cluster.core.wait_until(lambda: cluster.facts("n1")[-1] == "node.lost.v1")
    await cluster.core.wait_until(lambda: cluster.facts("n2")[-1] == "node.lost.v1")
