"""Messages that are too large, too many, or none of ours."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import TaskGroup
from nats.aio.client import Client

from events.codec import encode
from events.connection import Connection
from events.errors import Rejected
from events.jetstream import PullLimits
from events.messages import Commands, Completed, Failed, Reports
from events.streams import Topology
from events.subjects import Subjects
from node_agent.adapters.nats.bus import NatsBus as AgentBus
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.bus import NatsBus as CoordinatorBus
from tests.contract.planes import (
    DEADLINE_S,
    Reader,
    bus_limits,
    cancel,
    commands,
    leases,
    reports,
    started,
)
from tests.jetstream import until_nothing_is_pending

pytest_plugins = ["tests.servers", "tests.jetstream"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def topology(nats_prefix: str) -> Topology:
    limits = bus_limits(ack_wait_s=30.0, message_bytes_max=1000)
    return Topology(subjects=Subjects(nats_prefix), limits=limits)


@pytest.fixture
def connection(nats_server: EmbeddedNats) -> Connection:
    return Connection(urls=(nats_server.url,))


@pytest.fixture
async def coordinator(connection: Connection, topology: Topology) -> AsyncIterator[CoordinatorBus]:
    bus = CoordinatorBus(connection, topology, "c1", PullLimits(messages=16))
    yield bus
    await bus.close()


@pytest.fixture
async def agent(connection: Connection, topology: Topology) -> AsyncIterator[AgentBus]:
    bus = AgentBus(connection, topology, "n1")
    yield bus
    await bus.close()


@pytest.fixture
async def group() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as made:
        yield made
        made.cancel_scope.cancel()


async def test_a_batch_is_split_until_it_fits(
    coordinator: CoordinatorBus, agent: AgentBus, group: TaskGroup
) -> None:
    sizes: list[int] = []
    received: list[int] = []
    done = anyio.Event()

    async def read() -> None:
        async for delivery in agent.commands("i1"):
            sizes.append(len(encode(delivery.commands)))
            received.extend(len(sizes) for _ in delivery.commands.commands)
            if len(received) == 100:
                done.set()

    group.start_soon(read)
    await coordinator.publish("n1", "i1", commands(*range(100)))
    with anyio.fail_after(DEADLINE_S):
        await done.wait()
    assert len(sizes) > 1
    assert max(sizes) <= 1000


async def test_one_thing_larger_than_a_message_is_refused_in_words(
    coordinator: CoordinatorBus, agent: AgentBus
) -> None:
    much = "x" * 9 * 2**20
    huge = Commands(coordinator="c1", commands=(cancel(1, run_id=much),))
    with pytest.raises(Rejected, match="max_payload"):
        await coordinator.publish("n1", "i1", huge)
    result = Completed(attempt=started(1).attempt, output=much)
    with pytest.raises(Rejected, match="max_payload"):
        await agent.publish_reports(0, Reports(node="n1", incarnation="i1", reports=(result,)))


async def test_one_thing_larger_than_our_limit_travels_alone(
    coordinator: CoordinatorBus, agent: AgentBus, group: TaskGroup
) -> None:
    large = Completed(attempt=started(1).attempt, output="x" * 7 * 2**20)
    await agent.publish_reports(0, Reports(node="n1", incarnation="i1", reports=(large,)))
    with anyio.fail_after(DEADLINE_S):
        async for batch in coordinator.reports(leases(0)):
            assert batch[0].reports.reports == (large,)
            break


async def test_what_is_no_command_is_counted_and_terminated(
    agent: AgentBus,
    coordinator: CoordinatorBus,
    raw: Client,
    topology: Topology,
    group: TaskGroup,
) -> None:
    reader = Reader()
    await coordinator.start()
    await raw.publish(topology.subjects.command("n1", "i1"), b"garbage")
    await raw.flush()
    await coordinator.publish("n1", "i1", commands(1))
    group.start_soon(reader.read_commands, agent)
    await reader.wait_for(1)
    await until_nothing_is_pending(raw, topology.commands.name)
    assert agent.unreadable == 1


@pytest.mark.parametrize("garbage_last", [False, True])
async def test_what_is_no_report_is_counted_and_acknowledged_in_its_place(
    garbage_last: bool,
    agent: AgentBus,
    coordinator: CoordinatorBus,
    raw: Client,
    topology: Topology,
    group: TaskGroup,
) -> None:
    reader = Reader()
    await coordinator.start()
    subject = topology.subjects.report(0)
    if garbage_last:
        await agent.publish_reports(0, reports(1))
    await raw.request(subject, b"garbage", timeout=5)
    if not garbage_last:
        await agent.publish_reports(0, reports(1))
    group.start_soon(reader.read_reports, coordinator, leases(0))
    await reader.wait_for(1)
    await until_nothing_is_pending(raw, topology.reports.name)
    assert coordinator.unreadable == 1
    assert reader.seen == [1]


async def test_a_bad_report_is_refused_alone_and_told_with_node_and_attempt(
    coordinator: CoordinatorBus,
    raw: Client,
    topology: Topology,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await coordinator.start()
    good = encode(reports(1, 2)).decode()
    nan = '{"type":"completed","attempt":["run","step",0,9],"output":{"mean":NaN}}'
    body = good.replace("},{", "}," + nan + ",{")
    await raw.request(topology.subjects.report(0), body.encode(), timeout=5)
    with anyio.fail_after(DEADLINE_S):
        (delivery,) = await anext(coordinator.reports(leases(0)))
    first, bad, last = delivery.reports.reports
    assert (first, last) == (started(1), started(2))
    assert isinstance(bad, Failed)
    assert (bad.attempt, bad.failure.code, bad.retryable) == (
        started(9).attempt,
        "bad_report",
        False,
    )
    (told,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert "node n1" in told
    assert "run/step~0@9" in told
    assert "output.mean is nan" in told
    assert (coordinator.refused, coordinator.unreadable) == (1, 0)


async def test_a_message_of_which_nothing_is_left_is_acknowledged(
    agent: AgentBus,
    coordinator: CoordinatorBus,
    raw: Client,
    topology: Topology,
    group: TaskGroup,
) -> None:
    reader = Reader()
    await coordinator.start()
    bad = '{"type":"progressed","attempt":["run","step",0,9],"fraction":Infinity}'
    body = '{"node":"n1","incarnation":"i1","reports":[' + bad + "]}"
    await raw.request(topology.subjects.report(0), body.encode(), timeout=5)
    await agent.publish_reports(0, reports(1))
    group.start_soon(reader.read_reports, coordinator, leases(0))
    await reader.wait_for(1)
    await until_nothing_is_pending(raw, topology.reports.name)
    assert coordinator.refused == 1


async def test_a_reader_that_takes_nothing_is_given_no_more_than_its_limit(
    agent: AgentBus,
    coordinator: CoordinatorBus,
    raw: Client,
    topology: Topology,
) -> None:
    for number in range(60):
        await agent.publish_reports(0, reports(number))
    taking = coordinator.reports(leases(0))
    with anyio.fail_after(DEADLINE_S):
        first = await anext(taking)
        while True:
            (info,) = await raw.jetstream().consumers_info(topology.reports.name)
            if info.num_ack_pending == 16:
                break
    assert len(first) <= 16
    await raw.flush()
    (info,) = await raw.jetstream().consumers_info(topology.reports.name)
    assert info.num_ack_pending == 16
