"""Nodes of the test kit: agents whose handlers are the user's."""

import os
from contextlib import ExitStack

import anyio
import msgspec

from dalsegno.testing.stage import Crew, Running, Stage, Troupe
from dalsegno.testing.twins.agent import AgentTwin, Executor, Host
from dalsegno.testing.twins.process import Clocks, later
from events.ids import Attempt
from events.policies import Needs
from node_agent.adapters.processes import HostProcesses
from node_agent.config import AgentConfig
from node_agent.core import AgentCore
from node_agent.executors.execution import Executions, Surroundings
from node_agent.executors.handlers import Handlers
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.settings import Settings
from node_agent.steps import (
    ExecutionEnded,
    ExecutionProgressed,
    Now,
    OnceKept,
    StartExecution,
    Why,
)

SLOTS = 100
PROCESS_STOP_GRACE_S = 1.0
ROOMY = Needs(cpu=1024.0, memory_bytes=2**50, disk_bytes=2**50, gpu=1024)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node to test on. `capacity` is what tasks with needs are placed by; by default there is
    room for everything but units of one's own."""

    name: str
    labels: dict[str, str] = {}
    slots: int = SLOTS
    capacity: Needs = ROOMY
    build_id: str = ""


class HandlerClock:
    """What handlers are measured by: virtual time, so that a history does not depend on the
    machine."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def now(self) -> Now:
        return Now(self._clocks.monotonic, self._clocks.wall)

    def thread_cpu_us(self) -> int:
        return 0


class HandlerExecutor:
    """The executions of one life of a node, as the agent has them."""

    def __init__(self, node: "UserNode", stage: Stage, troupe: Troupe) -> None:
        self._node = node
        self._stage = stage
        self._life = node.life
        self._crew = Crew(stage.changed)
        self._attempts: set[str] = set()
        self._settling: dict[str, Running] = {}
        """Handlers that wait for virtual time to pass until a value of theirs is recorded."""
        self._closing = ExitStack()
        clock = HandlerClock(node.clocks)
        processes = HostProcesses(
            f"test-{os.getpid()}-{id(self)}", os.environ, PROCESS_STOP_GRACE_S
        )
        self._closing.callback(processes.close)
        output_bytes_max = AgentConfig().output_bytes_max
        limiter = anyio.CapacityLimiter(node.settings.slots)
        self._keeper = Keeper(self._keep, stage.token_secret)
        surroundings = Surroundings(
            registry=troupe,
            handlers=Handlers(limiter, clock, processes, output_bytes_max),
            clock=clock,
            secrets=stage,
            lists=ListReader(stage),
            keeper=self._keeper,
            signal=self._signal,
            ended=self._ended,
            output_bytes_max=output_bytes_max,
        )
        self._executions = Executions(surroundings, self._crew)

    def start(self, start: StartExecution) -> None:
        attempt = str(start.execute.attempt)
        self._attempts.add(attempt)
        self._stage.running[attempt] = Running(start.execute.task, self._node.name)
        self._executions.start(start)

    def cancel(self, attempt: Attempt, why: Why = "recalled") -> None:
        self._executions.cancel(attempt, why)

    def settled(self, attempt: Attempt, name: str) -> None:
        if (waiting := self._settling.pop(str(attempt), None)) is not None:
            self._stage.running[str(attempt)] = waiting
        self._keeper.settled(attempt, name)

    def die(self) -> None:
        """Nothing of this life goes on; a plain function that runs in a thread cannot be
        stopped, but nobody hears of it."""
        self._executions.cancel_all()
        self._crew.cancel()
        for attempt in self._attempts:
            self._stage.running.pop(attempt, None)
            self._stage.forget(attempt)

    async def close(self) -> None:
        self.die()
        await self._crew.ended()
        self._closing.close()

    @property
    def fault(self) -> BaseException | None:
        return self._crew.fault

    def _ended(self, ended: ExecutionEnded) -> None:
        attempt = str(ended.attempt)
        self._attempts.discard(attempt)
        self._stage.running.pop(attempt, None)
        self._hear(ended)

    def _signal(self, sign: ExecutionProgressed) -> None:
        self._stage.at_home(lambda: self._hear(sign))

    def _keep(self, kept: OnceKept) -> None:
        if (running := self._stage.running.pop(str(kept.attempt), None)) is not None:
            self._settling[str(kept.attempt)] = running
        self._hear(kept)

    def _hear(self, given: ExecutionEnded | ExecutionProgressed | OnceKept) -> None:
        if self._node.life == self._life:
            self._node.hear(given)
        self._stage.changed.set()


class UserNode(AgentTwin):
    """Between two instants at which it has work nothing happens to it: it wakes for nothing
    else."""

    def __init__(self, world: Host, node: Node, stage: Stage, troupe: Troupe) -> None:
        settings = Settings(
            node=node.name,
            tasks=troupe.all_names,
            timeouts_s=_given(troupe.timeouts_s()),
            labels=node.labels,
            build_id=node.build_id,
            capacity=node.capacity,
            slots=node.slots,
            credits=4 * node.slots,
        )
        super().__init__(world, settings, Clocks(world.scheduler))
        self._stage = stage
        self._troupe = troupe
        self._executors: list[HandlerExecutor] = []

    def make_executor(self) -> Executor:
        made = HandlerExecutor(self, self._stage, self._troupe)
        self._executors.append(made)
        return made

    def next_turn(self, core: AgentCore) -> int | None:
        due = core.next_work_due()
        return None if due is None else later(due - self.monotonic)

    def died(self) -> None:
        super().died()
        self._executors[-1].die()

    def check(self) -> None:
        """Raises what went wrong outside of handlers."""
        for executor in self._executors:
            if executor.fault is not None:
                raise executor.fault

    async def close(self) -> None:
        for executor in self._executors:
            await executor.close()


def _given(timeouts_s: dict[str, float | None]) -> dict[str, float]:
    return {name: limit for name, limit in timeouts_s.items() if limit is not None}
