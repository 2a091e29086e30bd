"""A new owner of shards reads what the one before it has not recorded, and no more."""

from collections.abc import AsyncIterator

import anyio
import msgspec
import pytest
from anyio.abc import TaskGroup
from nats.aio.client import Client

from events.connection import Connection
from events.streams import Topology
from events.subjects import Subjects
from node_agent.adapters.nats.bus import NatsBus as AgentBus
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.bus import NatsBus as CoordinatorBus
from orchestrator.coordinator.ports import Lease
from tests.contract.planes import DEADLINE_S, Reader, bus_limits, leases, reports
from tests.jetstream import until_nothing_is_pending

pytest_plugins = ["tests.servers", "tests.jetstream"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class Cluster:
    """An agent that reports, and owners one after the other."""

    def __init__(self, connection: Connection, topology: Topology, raw: Client) -> None:
        self.agent = AgentBus(connection, topology, "n1")
        self.topology = topology
        self._connection = connection
        self._raw = raw
        self._owners: list[CoordinatorBus] = []

    async def close(self) -> None:
        for owner in self._owners:
            await owner.close()
        await self.agent.close()

    async def owned(self, name: str, held: list[Lease], *upto: int, acknowledges: bool) -> None:
        """An owner reads until these reports have come, and is gone."""
        reader, owner = Reader(), CoordinatorBus(self._connection, self.topology, name)
        async with anyio.create_task_group() as group:
            group.start_soon(reader.read_reports, owner, held, lambda _: acknowledges)
            await reader.wait_for(*upto)
            if acknowledges:
                await until_nothing_is_pending(self._raw, self.topology.reports.name)
            group.cancel_scope.cancel()
        await owner.close()

    async def read(self, group: TaskGroup, name: str, held: list[Lease]) -> Reader:
        reader, owner = Reader(), CoordinatorBus(self._connection, self.topology, name)
        self._owners.append(owner)
        group.start_soon(reader.read_reports, owner, held)
        return reader

    async def forget_consumers(self) -> None:
        stream, jetstream = self.topology.reports.name, self._raw.jetstream()
        for consumer in await jetstream.consumers_info(stream):
            await jetstream.delete_consumer(stream, consumer.name)


@pytest.fixture
async def cluster(
    nats_server: EmbeddedNats, nats_prefix: str, raw: Client
) -> AsyncIterator[Cluster]:
    topology = Topology(subjects=Subjects(nats_prefix), limits=bus_limits())
    made = Cluster(Connection(urls=(nats_server.url,)), topology, raw)
    yield made
    await made.close()


@pytest.fixture
async def group() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as made:
        yield made
        made.cancel_scope.cancel()


async def test_what_was_recorded_does_not_come_again(cluster: Cluster, group: TaskGroup) -> None:
    for number in (1, 2, 3):
        await cluster.agent.publish_reports(0, reports(number))
    await cluster.owned("c1", leases(0, 1), 1, 2, 3, acknowledges=True)
    await cluster.agent.publish_reports(1, reports(4))
    reader = await cluster.read(group, "c2", leases(0, 1, epoch=2))
    await cluster.agent.publish_reports(0, reports(5))
    await reader.wait_for(4, 5)
    assert sorted(set(reader.seen)) == [4, 5]


async def test_what_was_read_and_not_recorded_does(cluster: Cluster, group: TaskGroup) -> None:
    await cluster.agent.publish_reports(0, reports(1))
    await cluster.owned("c1", leases(0), 1, acknowledges=True)
    await cluster.agent.publish_reports(0, reports(2))
    await cluster.owned("c2", leases(0, epoch=2), 2, acknowledges=False)
    reader = await cluster.read(group, "c3", leases(0, epoch=3))
    await reader.wait_for(2)
    assert set(reader.seen) == {2}


async def test_shards_of_two_owners(cluster: Cluster, group: TaskGroup) -> None:
    """One place for all: behind what either of them has not recorded."""
    await cluster.agent.publish_reports(1, reports(1))
    await cluster.agent.publish_reports(0, reports(2))
    await cluster.owned("c1", leases(0), 2, acknowledges=True)
    await cluster.owned("c2", leases(1), 1, acknowledges=False)
    await cluster.agent.publish_reports(0, reports(3))
    reader = await cluster.read(group, "c3", leases(0, 1, epoch=2))
    await reader.wait_for(1, 3)


async def test_a_shard_that_nobody_has_read_is_read_back_by_time(
    cluster: Cluster, group: TaskGroup
) -> None:
    await cluster.agent.publish_reports(1, reports(1))
    await cluster.agent.publish_reports(0, reports(2))
    await cluster.owned("c1", leases(0), 2, acknowledges=True)
    reader = await cluster.read(group, "c2", leases(0, 1, epoch=2))
    await reader.wait_for(1)


async def test_a_server_that_has_forgotten_is_read_back_by_time(
    cluster: Cluster, group: TaskGroup
) -> None:
    await cluster.agent.publish_reports(0, reports(1))
    await cluster.owned("c1", leases(0), 1, acknowledges=True)
    await cluster.forget_consumers()
    reader = await cluster.read(group, "c2", leases(0, epoch=2))
    await reader.wait_for(1)


async def test_what_was_not_recorded_for_long_does_not_bring_back_all_after_it(
    cluster: Cluster, group: TaskGroup
) -> None:
    await cluster.agent.publish_reports(0, reports(1))
    await cluster.owned("c1", leases(0), 1, acknowledges=False)
    limits = msgspec.structs.replace(cluster.topology.limits, report_replay_s=0.5)
    cluster.topology = msgspec.structs.replace(cluster.topology, limits=limits)
    await anyio.sleep(1.0)
    reader = await cluster.read(group, "c2", leases(0, epoch=2))
    with anyio.fail_after(DEADLINE_S):
        while not reader.seen:  # a first one may be too old when the new owner begins
            await cluster.agent.publish_reports(0, reports(2))
            with anyio.move_on_after(0.5):
                await reader.wait_for(2)
    assert set(reader.seen) == {2}
