"""The command plane through everything that can happen to its server.

What was on the way may be lost, as the ports say; in every case both directions work again by
themselves, for whoever sends afterwards.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import nats
import pytest
from anyio.abc import TaskGroup

from events.connection import Connection
from events.errors import Unavailable
from events.streams import BusLimits, Topology
from events.subjects import Subjects
from node_agent.adapters.nats.bus import NatsBus as AgentBus
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.bus import NatsBus as CoordinatorBus
from tests.contract.planes import DEADLINE_S, Reader, bus_limits, commands, leases, reports
from tests.jetstream import until_nothing_is_pending

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]

BLOCK_BYTES = 8 * 2**20
"""The server writes a stream in files of this size at most; only then it opens another one."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def server(nats_server_private: EmbeddedNats) -> EmbeddedNats:
    return nats_server_private


class Plane:
    """One coordinator and one agent that go on sending until what they sent has come."""

    def __init__(self, url: str, group: TaskGroup, limits: BusLimits) -> None:
        topology = Topology(subjects=Subjects("outage"), limits=limits)
        self.connection = Connection(urls=(url,))
        self.subjects = topology.subjects
        self.coordinator = CoordinatorBus(self.connection, topology, "c1")
        self.agent = AgentBus(self.connection, topology, "n1")
        self.received, self.reported = Reader(), Reader()
        self._group = group
        self._number = 0

    def read(self) -> None:
        self._group.start_soon(self.received.read_commands, self.agent)
        self._group.start_soon(self.reported.read_reports, self.coordinator, leases(0))

    async def send_until_it_comes(self) -> None:
        """As the owners of a command and of a report do: again and again."""
        self._number += 1
        async with anyio.create_task_group() as both:
            both.start_soon(self._command_until_received, self._number)
            both.start_soon(self._report_until_received, self._number)

    async def _command_until_received(self, number: int) -> None:
        with anyio.fail_after(2 * DEADLINE_S):
            while number not in self.received.seen:
                await _tolerant(self.coordinator.publish("n1", "i1", commands(number)))
                with anyio.move_on_after(0.5):
                    await self.received.wait_for(number)

    async def _report_until_received(self, number: int) -> None:
        with anyio.fail_after(2 * DEADLINE_S):
            while number not in self.reported.seen:
                await _tolerant(self.agent.publish_reports(0, reports(number)))
                with anyio.move_on_after(0.5):
                    await self.reported.wait_for(number)

    async def close(self) -> None:
        await self.coordinator.close()
        await self.agent.close()


async def _tolerant(publishing: object) -> None:
    try:
        await publishing  # type: ignore[misc]
    except Unavailable:
        await anyio.sleep(0.05)


@pytest.fixture
def limits() -> BusLimits:
    return bus_limits(publish_timeout_s=1.0, stuck_s=1.5)


@pytest.fixture
async def plane(server: EmbeddedNats, limits: BusLimits) -> AsyncIterator[Plane]:
    async with anyio.create_task_group() as group:
        made = Plane(server.url, group, limits)
        made.read()
        await made.send_until_it_comes()
        yield made
        await made.close()
        group.cancel_scope.cancel()


async def do(action: Callable[[], None]) -> None:
    """Starting and stopping a server blocks; the buses must see it happen."""
    await anyio.to_thread.run_sync(action)


def suspend(pid: int) -> None:
    """SIGSTOP, and wait until every thread of the process stands still."""
    os.kill(pid, signal.SIGSTOP)
    states = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    while any(state.read_text().rpartition(")")[2].split()[0] != "T" for state in states):
        os.sched_yield()


async def test_a_restart(server: EmbeddedNats, plane: Plane) -> None:
    await do(server.restart)
    await plane.send_until_it_comes()


async def test_kill_9_and_start(server: EmbeddedNats, plane: Plane) -> None:
    await do(server.kill9)
    await do(server.start)
    await plane.send_until_it_comes()


async def test_what_was_taken_before_a_restart_comes_after_it(
    server: EmbeddedNats, limits: BusLimits
) -> None:
    async with anyio.create_task_group() as group:
        plane = Plane(server.url, group, limits)
        await plane.coordinator.publish("n1", "i1", commands(101))
        await plane.agent.publish_reports(0, reports(102))
        await do(server.restart)
        plane.read()
        await plane.received.wait_for(101)
        await plane.reported.wait_for(102)
        await plane.close()


@pytest.mark.parametrize("limits", [bus_limits(ack_wait_s=30.0)], ids=["patient"])
async def test_what_was_acknowledged_before_a_restart_does_not_come_after_it(
    server: EmbeddedNats, plane: Plane
) -> None:
    for number in range(100, 150):
        await plane.coordinator.publish("n1", "i1", commands(number))
        await plane.agent.publish_reports(0, reports(number))
    await plane.received.wait_for(*range(100, 150))
    await plane.reported.wait_for(*range(100, 150))
    await until_all_is_acknowledged(server, plane)
    await do(server.restart)
    await plane.send_until_it_comes()
    for reader in (plane.received, plane.reported):
        assert [reader.seen.count(number) for number in range(100, 150)] == [1] * 50


async def until_all_is_acknowledged(server: EmbeddedNats, plane: Plane) -> None:
    """Acknowledgements leave a little later than they are given."""
    client = await nats.connect(server.url)
    try:
        for stream in (plane.subjects.command_stream, plane.subjects.report_stream):
            await until_nothing_is_pending(client, stream)
    finally:
        await client.close()


async def test_the_store_is_deleted_while_the_server_is_stopped(
    server: EmbeddedNats, plane: Plane
) -> None:
    await do(server.halt)
    await do(server.wipe)
    await do(server.start)
    await plane.send_until_it_comes()


async def test_the_store_is_deleted_under_everybody_and_the_server_restarted(
    server: EmbeddedNats, plane: Plane
) -> None:
    await do(server.wipe)
    await plane.send_until_it_comes()
    await do(server.restart)
    await plane.send_until_it_comes()


async def test_the_store_is_deleted_under_everybody_and_nobody_restarts_anything(
    server: EmbeddedNats, plane: Plane
) -> None:
    """The server goes on with its open files until one is full; then the stream takes nothing."""
    await do(server.wipe)
    await fill_a_block(server, plane.subjects.command("nobody", "i1"))
    await fill_a_block(server, plane.subjects.report(99))
    await plane.send_until_it_comes()


async def fill_a_block(server: EmbeddedNats, subject: str) -> None:
    client = await nats.connect(server.url)
    try:
        for _ in range(BLOCK_BYTES // 2**20 + 1):
            await client.publish(subject, bytes(2**20))
        await client.flush()
        with pytest.raises(nats.errors.TimeoutError):
            await client.request(subject, bytes(2**20), timeout=0.5)
    finally:
        await client.close()


@pytest.mark.parametrize("what", ["streams", "consumers"])
async def test_somebody_deletes(what: str, server: EmbeddedNats, plane: Plane) -> None:
    client = await nats.connect(server.url)
    try:
        for stream in (plane.subjects.command_stream, plane.subjects.report_stream):
            if what == "streams":
                await client.jetstream().delete_stream(stream)
                continue
            for consumer in await client.jetstream().consumers_info(stream):
                await client.jetstream().delete_consumer(stream, consumer.name)
    finally:
        await client.close()
    await plane.send_until_it_comes()


async def test_a_server_that_is_gone_is_said_to_be_unavailable_and_found_again(
    server: EmbeddedNats, plane: Plane
) -> None:
    await do(server.kill9)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        await plane.coordinator.publish("n1", "i1", commands(7))
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        await plane.agent.publish_reports(0, reports(7))
    await do(server.start)
    await plane.send_until_it_comes()


async def test_what_is_under_way_when_the_server_dies_is_said_to_be_unknown_at_once(
    server: EmbeddedNats,
) -> None:
    patient = Topology(subjects=Subjects("outage"), limits=bus_limits(publish_timeout_s=60.0))
    bus = CoordinatorBus(Connection(urls=(server.url,)), patient, "c1")
    await bus.start()
    suspend(server.pid)

    async def publish() -> None:
        with pytest.raises(Unavailable, match="lost") as caught:
            await bus.publish("n1", "i1", commands(1))
        assert caught.value.unknown

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(publish)
            await do(server.kill9)
    await bus.close()


async def test_a_server_that_stops_answering_is_unavailable_and_may_come_back(
    server: EmbeddedNats, plane: Plane
) -> None:
    suspend(server.pid)
    try:
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await plane.coordinator.publish("n1", "i1", commands(7))
            assert caught.value.unknown
    finally:
        os.kill(server.pid, signal.SIGCONT)
    await plane.send_until_it_comes()


async def test_everything_may_be_started_before_the_server(
    server: EmbeddedNats, limits: BusLimits
) -> None:
    await do(server.kill9)
    async with anyio.create_task_group() as group:
        plane = Plane(server.url, group, limits)
        plane.read()
        async with anyio.create_task_group() as sending:
            sending.start_soon(plane.send_until_it_comes)
            await do(server.start)
            await plane.send_until_it_comes()
        await plane.close()
