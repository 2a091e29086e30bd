"""A bus on which everything arrives twice and in random order: wrappers for the two real ports.

    async with anyio.create_task_group() as group:
        chaos = Chaos(group, Random(seed))
        coordinator_bus = ChaosCoordinatorBus(real_coordinator_bus, chaos)
        agent_bus = ChaosAgentBus(real_agent_bus, chaos)

Each command and each report travels alone and twice, each copy after a delay of its own. A real bus
may do all of that; one that never does proves nothing. What is published counts as taken at once,
and a copy that the bus does not take is sent again until it does, so nothing is lost.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from random import Random

import anyio
from anyio.abc import TaskGroup

from events.api import AnyAnswer, AnyRequest
from events.errors import Unavailable
from events.messages import Commands, Heartbeat, HeartbeatAnswer, Reports
from events.values import Value
from node_agent import ports as agent
from orchestrator.coordinator import ports as coordinator
from orchestrator.coordinator.ports import Lease, ReportDelivery

COPIES = 2
RETRY_S = 0.05

Send = Callable[[], Awaitable[None]]


class Chaos:
    """Sends copies from a task group, each within `spread_s`."""

    def __init__(self, group: TaskGroup, random: Random, spread_s: float = 0.05) -> None:
        self._group = group
        self._random = random
        self._spread_s = spread_s

    def scatter(self, send: Send) -> None:
        for _ in range(COPIES):
            self._group.start_soon(self._send_later, send, self._random.uniform(0, self._spread_s))

    async def _send_later(self, send: Send, delay_s: float) -> None:
        await anyio.sleep(delay_s)
        while True:
            try:
                return await send()
            except Unavailable:
                await anyio.sleep(RETRY_S)


class ChaosCoordinatorBus:
    """Wraps an `orchestrator.coordinator.ports.Bus`."""

    def __init__(self, bus: coordinator.Bus, chaos: Chaos) -> None:
        self._bus = bus
        self._chaos = chaos

    def connection(self) -> AsyncIterator[bool]:
        return self._bus.connection()

    async def publish(self, node: str, incarnation: str, commands: Commands) -> None:
        for command in commands.commands:
            one = Commands(coordinator=commands.coordinator, commands=(command,))
            self._chaos.scatter(partial(self._bus.publish, node, incarnation, one))

    def reports(self, leases: Sequence[Lease]) -> AsyncIterator[list[ReportDelivery]]:
        return self._bus.reports(leases)

    async def acknowledge(self, deliveries: Sequence[ReportDelivery]) -> None:
        await self._bus.acknowledge(deliveries)

    def heartbeats(self) -> AsyncIterator[tuple[Heartbeat, str]]:
        return self._bus.heartbeats()

    async def answer_heartbeat(self, reply_to: str, answer: HeartbeatAnswer) -> None:
        self._chaos.scatter(partial(self._bus.answer_heartbeat, reply_to, answer))

    def requests(self, shards: Sequence[int]) -> AsyncIterator[tuple[AnyRequest, str]]:
        return self._bus.requests(shards)

    async def answer(self, reply_to: str, answer: AnyAnswer) -> None:
        await self._bus.answer(reply_to, answer)

    async def announce(self, log: str, position: int) -> None:
        self._chaos.scatter(partial(self._bus.announce, log, position))

    async def close(self) -> None:
        await self._bus.close()


class ChaosAgentBus:
    """Wraps a `node_agent.ports.Bus`."""

    def __init__(self, bus: agent.Bus, chaos: Chaos) -> None:
        self._bus = bus
        self._chaos = chaos

    def commands(self, incarnation: str) -> AsyncIterator[agent.Delivery]:
        return self._bus.commands(incarnation)

    async def acknowledge(self, delivery: agent.Delivery) -> None:
        await self._bus.acknowledge(delivery)

    async def publish_reports(self, shard: int, reports: Reports) -> None:
        for report in reports.reports:
            one = Reports(node=reports.node, incarnation=reports.incarnation, reports=(report,))
            self._chaos.scatter(partial(self._bus.publish_reports, shard, one))

    async def heartbeat(self, beat: Heartbeat) -> None:
        self._chaos.scatter(partial(self._bus.heartbeat, beat))

    def answers(self) -> AsyncIterator[HeartbeatAnswer]:
        return self._bus.answers()

    async def fetch_values(self, hash_: str, first: int) -> list[Value]:
        return await self._bus.fetch_values(hash_, first)

    async def ask(self, request: AnyRequest, about: str) -> AnyAnswer:
        return await self._bus.ask(request, about)

    async def close(self) -> None:
        await self._bus.close()
