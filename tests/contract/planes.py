"""What a bus contract test needs of a bus: both ends of it, and how they are made."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, TypeVar

import anyio

from events.connection import Connection
from events.ids import Attempt
from events.messages import Cancel, Command, Commands, Report, Reports, Started
from events.streams import BusLimits, StreamLimits, Topology
from events.subjects import Subjects
from node_agent import ports as agent
from node_agent.adapters.nats.bus import NatsBus as NatsAgentBus
from orchestrator.adapters.nats.bus import NatsBus as NatsCoordinatorBus
from orchestrator.coordinator import ports as coordinator
from orchestrator.coordinator.ports import Lease, ReportDelivery

DEADLINE_S = 10.0
ACK_WAIT_S = 0.5
"""What is not acknowledged comes again after this long, so that tests see it."""

T = TypeVar("T")


def bus_limits(
    ack_wait_s: float = ACK_WAIT_S,
    publish_timeout_s: float = 3.0,
    stuck_s: float = 8.0,
    message_bytes_max: int = 2**19,
) -> BusLimits:
    """Limits for tests: a server reserves what streams may take, and tests share one server."""
    small = StreamLimits(age_max_s=600.0, bytes_max=32 * 2**20)
    return BusLimits(
        commands=small,
        reports=small,
        ack_wait_s=ack_wait_s,
        publish_timeout_s=publish_timeout_s,
        stuck_s=stuck_s,
        message_bytes_max=message_bytes_max,
    )


class Plane(Protocol):
    """One command plane; its buses are closed when the test ends."""

    def coordinator(self, name: str) -> coordinator.Bus: ...

    def agent(self, node: str) -> agent.Bus: ...


class NatsPlane:
    """Buses over a real server, under one prefix."""

    def __init__(
        self, url: str, prefix: str, stack: AsyncExitStack, ack_wait_s: float = ACK_WAIT_S
    ) -> None:
        self.connection = Connection(urls=(url,))
        self.topology = Topology(subjects=Subjects(prefix), limits=bus_limits(ack_wait_s))
        self._stack = stack

    def coordinator(self, name: str) -> NatsCoordinatorBus:
        bus = NatsCoordinatorBus(self.connection, self.topology, name)
        self._stack.push_async_callback(bus.close)
        return bus

    def agent(self, node: str) -> NatsAgentBus:
        bus = NatsAgentBus(self.connection, self.topology, node)
        self._stack.push_async_callback(bus.close)
        return bus


@asynccontextmanager
async def nats_plane(
    url: str, prefix: str, ack_wait_s: float = ACK_WAIT_S
) -> AsyncIterator[NatsPlane]:
    async with AsyncExitStack() as stack:
        yield NatsPlane(url, prefix, stack, ack_wait_s)


def cancel(number: int, run_id: str = "run") -> Cancel:
    """A command that can be told from others by its number."""
    return Cancel(attempt=Attempt(run_id, "step", 0, number), shard=0)


def started(number: int) -> Started:
    """A report that can be told from others by its number."""
    return Started(attempt=Attempt("run", "step", 0, number), started_at=number)


def commands(*numbers: int) -> Commands:
    return Commands(coordinator="c1", commands=tuple(cancel(number) for number in numbers))


def reports(*numbers: int) -> Reports:
    return Reports(
        node="n1", incarnation="i1", reports=tuple(started(number) for number in numbers)
    )


def leases(*shards: int, epoch: int = 1) -> list[Lease]:
    return [Lease(shard=shard, epoch=epoch) for shard in shards]


def numbers_of_command(command: Command) -> list[int]:
    assert isinstance(command, Cancel)
    return [command.attempt.number]


def numbers_of_report(report: Report) -> list[int]:
    assert isinstance(report, Started)
    return [report.attempt.number]


class Reader:
    """Reads a bus in the background and lets a test wait for what it wants to have come.

    The buses' iterators must not be cancelled between two items, so a task of its own reads them.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []
        self._event = anyio.Event()

    async def read_commands(
        self, bus: agent.Bus, incarnation: str = "i1", acknowledge: bool = True
    ) -> None:
        async for delivery in bus.commands(incarnation):
            if acknowledge:
                await bus.acknowledge(delivery)
            for command in delivery.commands.commands:
                self._note(numbers_of_command(command))

    async def read_reports(
        self,
        bus: coordinator.Bus,
        held: Sequence[Lease],
        acknowledge: Callable[[ReportDelivery], bool] = lambda _: True,
    ) -> None:
        async for batch in bus.reports(held):
            await bus.acknowledge([delivery for delivery in batch if acknowledge(delivery)])
            for delivery in batch:
                for report in delivery.reports.reports:
                    self._note(numbers_of_report(report))

    async def wait_until(self, holds: Callable[[list[int]], bool]) -> None:
        """Raises `TimeoutError` naming what came instead."""
        try:
            with anyio.fail_after(DEADLINE_S):
                while not holds(self.seen):
                    self._event = anyio.Event()
                    await self._event.wait()
        except TimeoutError:
            raise TimeoutError(f"only these came: {self.seen}") from None

    async def wait_for(self, *numbers: int) -> None:
        """All of `numbers` have come."""
        await self.wait_until(lambda seen: set(numbers) <= set(seen))

    def _note(self, numbers: list[int]) -> None:
        self.seen.extend(numbers)
        self._event.set()
