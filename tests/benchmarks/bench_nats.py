"""The command plane's costs on an embedded server: `python -m tests.benchmarks.bench_nats`.

Prints JSON: latency from publish to receipt of single messages on an idle plane, and the rates at
which batches are published and received, with the CPU that this process spent on each message. One
process plays both ends, so the CPU of receiving includes what a coordinator or an agent does for
it, and not the server's.
"""

import json
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial

import anyio
import uvloop

from events.connection import Connection
from events.ids import Attempt
from events.messages import Commands, Completed, Execute, Reports
from events.streams import Topology
from node_agent.adapters.nats.bus import NatsBus as AgentBus
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.bus import NatsBus as CoordinatorBus
from orchestrator.coordinator.ports import Lease

Send = Callable[[], Coroutine[object, object, None]]

IDLE_MESSAGES, MESSAGES, IN_FLIGHT = 1000, 4000, 64
BATCHES = (1, 16, 256)
SHARDS, UNREAD_SHARD = 16, 99


def commands(number: int) -> Commands:
    return Commands(
        coordinator="c1",
        commands=tuple(
            Execute(
                attempt=Attempt(f"run-{n:020d}", "parse.step", 0, 1),
                shard=0,
                task="census.parse",
                inputs={"path": "x" * 60},
            )
            for n in range(number)
        ),
    )


def reports(number: int) -> Reports:
    return Reports(
        node="n1",
        incarnation="i1",
        reports=tuple(
            Completed(
                attempt=Attempt(f"run-{n:020d}", "parse.step", 0, 1),
                output={"lines": 100, "names": "x" * 40},
                started_at=1,
                ended_at=2,
            )
            for n in range(number)
        ),
    )


class Arrivals:
    """Counts what arrives, so that a sender can wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._event = anyio.Event()

    def note(self, messages: int) -> None:
        self.count += messages
        self._event.set()

    async def reach(self, count: int) -> None:
        while self.count < count:
            self._event = anyio.Event()
            await self._event.wait()


class Bench:
    def __init__(self, coordinator: CoordinatorBus, agent: AgentBus) -> None:
        self.coordinator, self.agent = coordinator, agent
        self.commands, self.reports = Arrivals(), Arrivals()

    async def read_commands(self) -> None:
        async for delivery in self.agent.commands("i1"):
            await self.agent.acknowledge(delivery)
            self.commands.note(1)

    async def read_reports(self) -> None:
        held = [Lease(shard=shard, epoch=1) for shard in range(SHARDS)]
        async for batch in self.coordinator.reports(held):
            await self.coordinator.acknowledge(batch)
            self.reports.note(len(batch))

    async def run(self) -> dict[str, object]:
        async with anyio.create_task_group() as group:
            published = await self._rates("publish alone", received=False)
            group.start_soon(self.read_commands)
            group.start_soon(self.read_reports)
            idle = await self._idle()
            both = await self._rates("publish and receive", received=True)
            await self.coordinator.close()
            await self.agent.close()
        return idle | published | both

    async def _idle(self) -> dict[str, object]:
        return {
            "idle_command_ms": await _latency(
                partial(self.coordinator.publish, "n1", "i1", commands(1)), self.commands
            ),
            "idle_report_ms": await _latency(
                partial(self.agent.publish_reports, 0, reports(1)), self.reports
            ),
        }

    async def _rates(self, what: str, received: bool) -> dict[str, object]:
        """Unread messages go to a node and a shard that nobody reads."""
        node, shard = ("n1", 0) if received else ("nobody", UNREAD_SHARD)
        found: dict[str, object] = {}
        for size in BATCHES:
            send_commands = partial(self.coordinator.publish, node, "i1", commands(size))
            send_reports = partial(self.agent.publish_reports, shard, reports(size))
            found[f"{what}: commands, {size} a message"] = await _rate(
                send_commands, size, self.commands if received else None
            )
            found[f"{what}: reports, {size} a message"] = await _rate(
                send_reports, size, self.reports if received else None
            )
        return found


async def _latency(send: Send, arrivals: Arrivals) -> dict[str, float]:
    taken = []
    for _ in range(IDLE_MESSAGES):
        await anyio.sleep(0.002)
        expected = arrivals.count + 1
        begun = time.perf_counter()
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await arrivals.reach(expected)
            taken.append(time.perf_counter() - begun)
    taken.sort()
    return {
        name: round(taken[int(len(taken) * share)] * 1000, 3)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }


async def _rate(send: Send, size: int, arrivals: Arrivals | None) -> dict[str, float]:
    left = MESSAGES
    expected = 0 if arrivals is None else arrivals.count + MESSAGES

    async def sender() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await send()

    begun, cpu_begun = time.perf_counter(), time.process_time()
    async with anyio.create_task_group() as group:
        for _ in range(IN_FLIGHT):
            group.start_soon(sender)
    if arrivals is not None:
        await arrivals.reach(expected)
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_begun
    return {
        "messages_per_s": round(MESSAGES / wall_s),
        "items_per_s": round(MESSAGES * size / wall_s),
        "cpu_us_per_message": round(cpu_s / MESSAGES * 1e6, 1),
        "cpu_us_per_item": round(cpu_s / MESSAGES / size * 1e6, 2),
    }


async def main(url: str) -> None:
    connection, topology = Connection(urls=(url,)), Topology()
    bench = Bench(CoordinatorBus(connection, topology, "c1"), AgentBus(connection, topology, "n1"))
    sys.stdout.write(json.dumps(await bench.run(), indent=2) + "\n")


if __name__ == "__main__":
    with EmbeddedNats() as server:
        uvloop.run(main(server.url))
