"""A user's workflow in a simulated cluster: coordinators, nodes, clients, store and bus, from one
seed.

Until the horizon anything may go wrong that the weather allows; then the world is fair, and every
run has to end. Time in which all runs only wait is skipped.
"""

from collections.abc import Callable, Sequence

from dalsegno.simulation.clients import Clients
from dalsegno.simulation.faults import Faults
from dalsegno.simulation.handlers import Begun, ModelledTasks
from dalsegno.simulation.processes import StormyAgent, StormyCoordinator
from dalsegno.simulation.records import Records
from dalsegno.simulation.scene import Tasks, engine, node_settings
from dalsegno.simulation.storms import DriftingClocks, StormyBus, StormyStore
from dalsegno.simulation.weather import Weather
from dalsegno.testing.twins.agent import Executor, Host
from dalsegno.testing.twins.coordinator import Kind, Surroundings
from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events.api import AnyAnswer, AnyRequest
from events.ids import shard_of
from events.messages import Execute, Heartbeat, HeartbeatAnswer
from events.simulation import Plan, SimulatedSeed
from node_agent.settings import Settings as NodeSettings
from orchestrator.adapters.memory.store import MemoryLog
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import AppendOutcome, Batch, Lease
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.state import TERMINAL

SHARDS = 4
LOOK_EVERY = 64
"""Actions between two looks whether the world is over."""

SKIP_US_MIN = 30 * SECOND
SKIP_TO_US = 2 * SECOND
"""A wait is skipped until so long before its end."""

QUIET_US = 600 * SECOND
"""So long nothing may happen in a fair world while something is ready, or a child run is open."""

ACTIONS_MAX = 20_000_000
"""Of one world; what is still open then is said to be."""


class Told(Scheduler):
    """Tells what is noted, so that the timeline has faults, deaths and boots."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.tell: Callable[[str], None] = lambda _: None

    def note(self, text: str) -> None:
        super().note(text)
        self.tell(text)


class UserAgent(StormyAgent):
    def __init__(
        self, host: Host, settings: NodeSettings, skew_s: float, begin: "Begin", records: Records
    ) -> None:
        super().__init__(host, settings, DriftingClocks(host.scheduler, skew_s))
        self._begin = begin
        self._records = records
        self._tasks: ModelledTasks | None = None

    def make_executor(self) -> Executor:
        made = self._tasks = self._begin(self)
        made.hear = self.hear
        return made

    def begins(self, execute: Execute) -> Begun:
        return self._records.begins(self.name, execute)

    def died(self) -> None:
        super().died()
        if self._tasks is not None:
            self._tasks.die()


Begin = Callable[[UserAgent], ModelledTasks]


class UserCoordinator(StormyCoordinator):
    def __init__(
        self, world: Surroundings, name: str, skew_s: float, kind: Kind, records: Records
    ) -> None:
        super().__init__(world, name, skew_s, kind)
        self._records = records

    def commit(self, batch: Batch) -> AppendOutcome:
        return self._records.append(batch)

    def acquire(self, output: s.AcquireLeases) -> list[Lease]:
        leases = super().acquire(output)
        self._records.acquired(leases)
        return leases


class World:
    """`horizon_us`: until then faults strike."""

    def __init__(self, plan: Plan, seed: int, weather: Weather, horizon_us: int) -> None:
        self.scheduler = Told(seed)
        self.plan, self.seed, self.weather, self.horizon_us = plan, seed, weather, horizon_us
        self.log = MemoryLog(lambda: self.scheduler.wall)
        self.records = Records(self.scheduler, self.log, SHARDS, Tasks(plan))
        self.scheduler.tell = self.records.noted
        self.store = StormyStore(self.scheduler, weather, self.log)
        self.bus = StormyBus(self.scheduler, weather)
        self.clients = Clients(self.scheduler, plan, self._ask)
        around = Surroundings(self.scheduler, self.bus, self.store, SHARDS)
        around.answer_heartbeat = self._answer_heartbeat
        around.answer_client = self._answer_client
        kind = Kind(Settings(), engine())
        self.coordinators = [
            UserCoordinator(around, f"coordinator-{n}", weather.skew_s, kind, self.records)
            for n in range(1, plan.coordinators + 1)
        ]
        host = Host(self.scheduler, self.bus)
        host.heartbeat = self._heartbeat
        self.agents = [
            UserAgent(host, settings, weather.skew_s, self._tasks, self.records)
            for settings in node_settings(plan)
        ]
        self.faults = Faults(
            self.scheduler, weather, (self.coordinators, self.agents), ([self.store], self.bus)
        )

    def _tasks(self, agent: UserAgent) -> ModelledTasks:
        return ModelledTasks(agent, self.plan.model, self.seed, agent.begins)

    # -- messages ---------------------------------------------------------------------------------

    def _ask(self, name: str, request: AnyRequest, reply_to: str) -> None:
        shard = shard_of(name, SHARDS)
        for one in self.coordinators:
            if shard in one.shards:
                self.bus.send(
                    "client",
                    one.name,
                    "",
                    lambda one=one: one.request(request, reply_to),  # type: ignore[misc]
                )

    def _answer_client(self, source: str, reply_to: str, answer: AnyAnswer) -> None:
        self.bus.send(source, "client", "", lambda: self.clients.answered(reply_to, answer))

    def _heartbeat(self, node: str, beat: Heartbeat) -> None:
        for one in self.coordinators:
            self.bus.send(node, one.name, "", lambda one=one: one.heartbeat(beat, node))  # type: ignore[misc]

    def _answer_heartbeat(self, source: str, node: str, answer: HeartbeatAnswer) -> None:
        agent = next(one for one in self.agents if one.name == node)
        self.bus.send(source, node, "", lambda: agent.answered(answer))

    # -- time -------------------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        """Whether nothing more will come: all has ended, or only signals that nobody sends are
        waited for."""
        scheduler = self.scheduler
        if self.records.violations or scheduler.actions > ACTIONS_MAX:
            return True
        if scheduler.actions % LOOK_EVERY or self.clients.is_starting:
            return False
        rows = [row for row in self.log.index_rows(limit=1_000_000) if row.status not in TERMINAL]
        if not rows and not self.clients.is_busy:
            return True
        if scheduler.now < self.horizon_us or any(row.outstanding for row in rows):
            return False
        quiet_us = scheduler.now - max(self.records.changed_at, self.horizon_us)
        if any(row.ready or row.calls for row in rows if not row.next_due_at):
            return quiet_us > QUIET_US
        dues = [row.next_due_at - scheduler.wall for row in rows if row.next_due_at is not None]
        dues += self.clients.due_in()
        if not dues:
            return quiet_us > SKIP_US_MIN
        if not any(row.ready for row in rows) and min(dues) > SKIP_US_MIN:
            self._skip(min(dues) - SKIP_TO_US)
        return False

    def _skip(self, duration_us: int) -> None:
        self.clients.skipped(duration_us)
        self.scheduler.skip(duration_us)

    def run(self) -> SimulatedSeed:
        """Plays it to its end."""
        if self.weather.faults:
            self.faults.plan(self.horizon_us)
        processes: Sequence[UserCoordinator | UserAgent] = (*self.coordinators, *self.agents)
        for process in processes:
            self.scheduler.after(
                self.scheduler.between(0, 0.2), f"boot {process.name}", process.boot
            )
        self.clients.begin()
        self.scheduler.run(10**18, lambda: self._is_over)
        is_over = self.scheduler.actions <= ACTIONS_MAX
        runs = tuple(self.records.runs(is_over))
        for one in runs:
            if one.status == "open" and is_over and not self.records.violations:
                self.records.violated(f"run {one.run_id} has not ended, and nothing happens")
        return SimulatedSeed(
            seed=self.seed,
            runs=runs,
            tasks=self.records.figures(),
            violations=tuple(self.records.violations),
            faults=self.weather.faults,
            virtual_s=self.scheduler.now / SECOND,
            timeline=tuple(self.records.timeline) if self.plan.timeline else (),
        )
