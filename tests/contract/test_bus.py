"""The contract of the two bus ports: what both sides may rely on, whatever carries it."""

from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import TypeVar

import anyio
import msgspec
import pytest
from anyio.abc import TaskGroup

from events.api import AnyRequest, Fetched, FetchValues, Refused
from events.errors import Rejected, Unavailable
from events.messages import Granted, Heartbeat, HeartbeatAnswer, Reset
from events.values import Value
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.coordinator import ports as coordinator
from tests.chaos_bus import Chaos, ChaosAgentBus, ChaosCoordinatorBus
from tests.contract.planes import (
    DEADLINE_S,
    Plane,
    Reader,
    commands,
    leases,
    nats_plane,
    reports,
)

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]

T = TypeVar("T")


@pytest.fixture(params=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def plane(nats_server: EmbeddedNats, nats_prefix: str) -> AsyncIterator[Plane]:
    async with nats_plane(nats_server.url, nats_prefix) as made:
        yield made


@pytest.fixture
async def steady(nats_server: EmbeddedNats, nats_prefix: str) -> AsyncIterator[Plane]:
    """Nothing comes again only because the machine stood still before the acknowledgement."""
    async with nats_plane(nats_server.url, nats_prefix, ack_wait_s=1.5) as made:
        yield made


@pytest.fixture
async def group() -> AsyncIterator[TaskGroup]:
    """Tasks that read while a test looks on; cancelled when it ends."""
    async with anyio.create_task_group() as made:
        yield made
        made.cancel_scope.cancel()


async def first(items: AsyncIterator[T]) -> T:
    with anyio.fail_after(DEADLINE_S):
        async for item in items:
            return item
    raise AssertionError("the bus was closed")


async def test_commands_reach_the_incarnation_they_are_for(plane: Plane, group: TaskGroup) -> None:
    sender, agent = plane.coordinator("c1"), plane.agent("n1")
    ours, others, other_node = Reader(), Reader(), Reader()
    group.start_soon(ours.read_commands, agent, "i1")
    group.start_soon(others.read_commands, agent, "i2")
    group.start_soon(other_node.read_commands, plane.agent("n2"), "i1")
    await sender.publish("n1", "i1", commands(1, 2))
    await sender.publish("n1", "i2", commands(3))
    await sender.publish("n2", "i1", commands(4))
    await ours.wait_for(1, 2)
    await others.wait_for(3)
    await other_node.wait_for(4)
    assert set(ours.seen) == {1, 2}
    assert set(others.seen) == {3}


async def test_commands_wait_for_a_node_that_is_not_listening_yet(
    plane: Plane, group: TaskGroup
) -> None:
    await plane.coordinator("c1").publish("n1", "i1", commands(1))
    reader = Reader()
    group.start_soon(reader.read_commands, plane.agent("n1"))
    await reader.wait_for(1)


async def test_a_command_comes_again_until_it_is_acknowledged(
    plane: Plane, group: TaskGroup
) -> None:
    reader = Reader()
    await plane.coordinator("c1").publish("n1", "i1", commands(1))
    group.start_soon(reader.read_commands, plane.agent("n1"), "i1", False)
    await reader.wait_until(lambda seen: seen.count(1) >= 2)


async def test_an_acknowledged_command_does_not_come_again(steady: Plane, group: TaskGroup) -> None:
    sender, agent = steady.coordinator("c1"), steady.agent("n1")
    acknowledging, idle = Reader(), Reader()
    group.start_soon(acknowledging.read_commands, agent, "i1")
    group.start_soon(idle.read_commands, agent, "i2", False)
    await sender.publish("n1", "i1", commands(1))
    await acknowledging.wait_for(1)
    await sender.publish("n1", "i2", commands(2))
    await idle.wait_until(lambda seen: seen.count(2) >= 2)
    assert acknowledging.seen == [1]


async def test_the_same_command_may_be_sent_again_at_once(steady: Plane, group: TaskGroup) -> None:
    """Nothing on the way takes it for a duplicate and drops it."""
    sender, reader = steady.coordinator("c1"), Reader()
    group.start_soon(reader.read_commands, steady.agent("n1"))
    for _ in range(3):
        await sender.publish("n1", "i1", commands(1))
    await reader.wait_until(lambda seen: seen.count(1) == 3)


async def test_reports_reach_whoever_holds_their_shard(plane: Plane, group: TaskGroup) -> None:
    agent, evens, odds = plane.agent("n1"), Reader(), Reader()
    group.start_soon(evens.read_reports, plane.coordinator("c1"), leases(0, 2))
    group.start_soon(odds.read_reports, plane.coordinator("c2"), leases(1, 3))
    for shard in range(4):
        await agent.publish_reports(shard, reports(shard))
    await evens.wait_for(0, 2)
    await odds.wait_for(1, 3)
    assert set(evens.seen) == {0, 2}
    assert set(odds.seen) == {1, 3}


async def test_a_delivery_names_its_shard_and_stands_in_order(
    plane: Plane, group: TaskGroup
) -> None:
    agent, owner = plane.agent("n1"), plane.coordinator("c1")
    for number in (1, 2, 3):
        await agent.publish_reports(5, reports(number))
    got: list[coordinator.ReportDelivery] = []
    with anyio.fail_after(DEADLINE_S):
        async for batch in owner.reports(leases(5)):
            got += batch
            if len(got) >= 3:
                break
    assert [delivery.shard for delivery in got[:3]] == [5, 5, 5]
    assert [delivery.reports for delivery in got[:3]] == [reports(1), reports(2), reports(3)]
    sequences = [delivery.sequence for delivery in got[:3]]
    assert sequences == sorted(set(sequences))


async def test_reports_come_again_until_they_are_acknowledged(
    plane: Plane, group: TaskGroup
) -> None:
    reader = Reader()
    await plane.agent("n1").publish_reports(0, reports(1))
    group.start_soon(reader.read_reports, plane.coordinator("c1"), leases(0), lambda _: False)
    await reader.wait_until(lambda seen: seen.count(1) >= 2)


async def test_acknowledging_one_report_acknowledges_all_before_it_on_its_shard_only(
    steady: Plane, group: TaskGroup
) -> None:
    """What comes again does so in its order: those before 3 would come before it."""
    agent, owner, reader = steady.agent("n1"), steady.coordinator("c1"), Reader()
    for shard, number in [(0, 1), (0, 2), (1, 3), (0, 4), (0, 5)]:
        await agent.publish_reports(shard, reports(number))

    def is_last_of_its_shard(delivery: coordinator.ReportDelivery) -> bool:
        return delivery.reports == reports(5)

    group.start_soon(reader.read_reports, owner, leases(0, 1), is_last_of_its_shard)
    await reader.wait_until(lambda seen: seen.count(3) >= 3)
    counts = Counter(reader.seen)
    assert counts[1] == counts[2] == 1


async def test_a_new_epoch_is_given_what_the_last_one_left_open(
    plane: Plane, group: TaskGroup
) -> None:
    agent, before, after = plane.agent("n1"), Reader(), Reader()
    await agent.publish_reports(0, reports(1))
    group.start_soon(
        before.read_reports, plane.coordinator("c1"), leases(0, epoch=1), lambda _: False
    )
    await before.wait_for(1)
    group.start_soon(after.read_reports, plane.coordinator("c2"), leases(0, epoch=2))
    await after.wait_for(1)


async def test_other_leases_bring_what_is_new_and_nothing_that_is_done(
    plane: Plane, group: TaskGroup
) -> None:
    agent, owner, before, after = plane.agent("n1"), plane.coordinator("c1"), Reader(), Reader()
    for shard, number in [(0, 1), (1, 2), (0, 3)]:
        await agent.publish_reports(shard, reports(number))
    async with anyio.create_task_group() as first_lease:
        first_lease.start_soon(before.read_reports, owner, leases(0))
        await before.wait_for(1, 3)
        first_lease.cancel_scope.cancel()
    group.start_soon(after.read_reports, owner, leases(0, 1))
    await agent.publish_reports(0, reports(4))
    await after.wait_for(2, 4)
    assert set(after.seen) == {2, 4}


async def test_heartbeats_are_heard_by_all_and_answered_by_any(
    plane: Plane, group: TaskGroup
) -> None:
    agent, heard = plane.agent("n1"), Counter[str]()
    beat = Heartbeat(node="n1", incarnation="i1", sequence=3)
    granted = Granted(
        coordinator="c1", sequence=3, incarnation="i1", shards=(0, 1), lease_ttl_s=5.0
    )
    reset = Reset(coordinator="c2", sequence=3, incarnation="i1")

    async def serve(name: str, answer: HeartbeatAnswer) -> None:
        bus = plane.coordinator(name)
        async for got, reply_to in bus.heartbeats():
            assert got == beat
            heard[name] += 1
            await bus.answer_heartbeat(reply_to, answer)

    async def beat_on() -> None:
        while True:  # as agents do: the first ones may go out before anybody listens
            await agent.heartbeat(beat)
            await anyio.sleep(0.02)

    group.start_soon(serve, "c1", granted)
    group.start_soon(serve, "c2", reset)
    group.start_soon(beat_on)
    wanted: set[HeartbeatAnswer] = {granted, reset}
    with anyio.fail_after(DEADLINE_S):
        async for answer in agent.answers():
            wanted.discard(answer)
            if not wanted:
                break
    assert set(heard) == {"c1", "c2"}


async def test_an_agent_reads_values_from_any_coordinator(plane: Plane, group: TaskGroup) -> None:
    agent, answering = plane.agent("n1"), plane.coordinator("c1")
    wanted = "a" * 64
    asked: list[AnyRequest] = []

    async def answer_all() -> None:
        async for request, reply_to in answering.requests([]):
            asked.append(request)
            is_known = isinstance(request, FetchValues) and request.hash == wanted
            known = Fetched(values=msgspec.Raw(b'["b",{"c":null}]'))
            unknown = Refused(code="rejected", message="there are none")
            await answering.answer(reply_to, known if is_known else unknown)

    async def until_heard() -> list[Value]:
        while True:  # as the reader does: the first questions may go out before anybody listens
            try:
                return await agent.fetch_values(wanted, 7)
            except Unavailable:
                await anyio.sleep(0.02)

    with pytest.raises(Unavailable, match="nobody answers"):
        await agent.fetch_values(wanted, 0)
    group.start_soon(answer_all)
    with anyio.fail_after(DEADLINE_S):
        assert await until_heard() == ["b", {"c": None}]
    assert asked == [FetchValues(actor="node:n1", hash=wanted, first=7)]
    with pytest.raises(Rejected, match="there are none"):
        await agent.fetch_values("b" * 64, 0)


async def test_everything_twice_and_in_random_order_still_arrives(
    plane: Plane, group: TaskGroup
) -> None:
    chaos = Chaos(group, Random(17))
    owner = ChaosCoordinatorBus(plane.coordinator("c1"), chaos)
    agent = ChaosAgentBus(plane.agent("n1"), chaos)
    ordered, received, reported = list(range(200)), Reader(), Reader()
    group.start_soon(received.read_commands, agent)
    group.start_soon(reported.read_reports, owner, leases(0, 1))
    await owner.publish("n1", "i1", commands(*ordered))
    for shard in (0, 1):
        await agent.publish_reports(shard, reports(*ordered[shard::2]))
    for reader in (received, reported):
        await reader.wait_until(lambda seen: min(map(Counter(seen).__getitem__, ordered)) >= 2)
        assert reader.seen != sorted(reader.seen)
        assert set(reader.seen) == set(ordered)


async def test_closing_ends_every_loop(plane: Plane) -> None:
    owner, agent = plane.coordinator("c1"), plane.agent("n1")

    async def drain(items: AsyncIterator[object]) -> None:
        async for _ in items:
            pass

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as loops:
            loops.start_soon(drain, owner.reports(leases(0)))
            loops.start_soon(drain, owner.heartbeats())
            loops.start_soon(drain, owner.requests([0]))
            loops.start_soon(drain, agent.commands("i1"))
            loops.start_soon(drain, agent.answers())
            await owner.publish("n1", "i1", commands(1))
            await owner.close()
            await agent.close()
