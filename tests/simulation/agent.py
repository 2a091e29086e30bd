"""A node in the simulated world: the agent's core, a twin of its edge, journal and handlers."""

from collections.abc import Callable

from events.facts import HostSample
from events.messages import Commands, Heartbeat, HeartbeatAnswer
from node_agent import steps as a
from node_agent.adapters.memory_journal import MemoryJournal
from node_agent.core import AgentCore
from node_agent.journal import Ended
from node_agent.settings import Settings
from tests.simulation.bus import BusTwin, Reader, Stream
from tests.simulation.checks import Auditor
from tests.simulation.executor import TASKS, ExecutorTwin, Ledger
from tests.simulation.process import Process
from tests.simulation.scheduler import Scheduler


class Host:
    """What an agent finds in the world."""

    def __init__(self, scheduler: Scheduler, bus: BusTwin, auditor: Auditor, ledger: Ledger):
        self.scheduler = scheduler
        self.bus = bus
        self.auditor = auditor
        self.ledger = ledger
        self.heartbeat: Callable[[str, Heartbeat], None] = lambda *_: None


class AgentTwin(Process):
    """The journal survives its lives; a loss of power takes what was not synced."""

    def __init__(self, world: Host, name: str, skew_s: float) -> None:
        super().__init__(world.scheduler, name, skew_s)
        rng = world.scheduler.rng
        self.journal = MemoryJournal()
        self.incarnation = ""
        self._world = world
        self._incarnations = 0
        self._settings = Settings(
            node=name,
            tasks=frozenset(TASKS),
            slots=rng.choice((1, 2, 4)),
            credits=rng.choice((2, 4, 8)),
            started_report_after_s=rng.choice((0.2, 1.0)),
            progress_interval_s=0.5,
            cancel_grace_s=2.0,
            resend_first_s=rng.choice((2.0, 5.0)),
            resend_max_s=8.0,
            drain_timeout_s=2.0,
        )
        self._inbox: list[a.Input] = []
        self._core: AgentCore | None = None
        self._executor: ExecutorTwin | None = None
        self._reader: Reader | None = None

    def boot(self) -> None:
        self.begin_life()
        auditor = self._world.auditor
        self._core = AgentCore(self._settings, self._mint)
        self._executor = ExecutorTwin(
            self, self._world.ledger, auditor.started, auditor.failures_recorded
        )
        self._executor.hear = self.hear
        self.journal.sync_now()  # opening a journal makes what it holds durable
        load = HostSample(load=self.life / 10)
        self._inbox = [a.HostSampled(load), a.Begin(self.journal.read())]
        self.wake(0)

    def died(self) -> None:
        self._core = self._executor = None
        if self._reader is not None:
            self._reader.open = False
            self._reader = None

    def lose_power(self) -> None:
        """Dies, and of what was not synced only some first part remains."""
        unsynced = self.journal.written - self.journal.durable
        self.crash("loss of power")
        self.journal.lose_power(self.scheduler.rng.randint(0, unsynced))
        self._world.auditor.power_lost(self.name, self.journal.written)

    def drain(self) -> None:
        self.hear(a.DrainRequested("asked to stop"))

    def _mint(self, _: int) -> str:
        self._incarnations += 1
        return f"i{self._incarnations:04}"

    # -- inputs -----------------------------------------------------------------------------------

    def hear(self, given: a.Input) -> None:
        if self.alive:
            self._inbox.append(given)
            self.wake(50)

    def answered(self, answer: HeartbeatAnswer) -> None:
        self.hear(a.HeartbeatAnswered(answer))

    def turn(self) -> None:
        core = self._core
        if core is None:
            return
        inputs, self._inbox = self._inbox or [a.Tick()], []
        for output in core.step(inputs, a.Now(self.monotonic, self.wall)):
            if self._dies_before(output):
                return
            self._perform(output)
            if not self.alive:
                return
        due = core.next_due()
        if due is not None:
            self.wake(max(1000, due - self.monotonic))

    def _dies_before(self, output: a.Output) -> bool:
        if self.reached("outputs"):
            return True
        match output:
            case a.PublishReports():
                return self.reached("publish")
            case a.Acknowledge():
                return self.reached("acknowledge")
            case _:
                return False

    # -- outputs ----------------------------------------------------------------------------------

    def _perform(self, output: a.Output) -> None:  # noqa: C901 -- one arm for each output
        match output:
            case a.Journal():
                self._write(output)
            case a.Acknowledge(token=token):
                self._acknowledge(token)
            case a.NewIncarnation(incarnation=incarnation):
                self._subscribe(incarnation)
            case a.StartExecution():
                if self._executor is not None:
                    self._executor.start(output)
                self.reached("start")
            case a.CancelExecution(attempt=attempt):
                if self._executor is not None:
                    self._executor.cancel(attempt)
            case a.PublishReports():
                self._publish(output)
            case a.SendHeartbeat(beat=beat):
                self._world.heartbeat(self.name, beat)
            case a.Stopped():
                self.crash("drained")

    def _write(self, output: a.Journal) -> None:
        self.journal.append(output.records)
        frames, scheduler = self.journal.written, self.scheduler
        self._world.auditor.journalled(
            self.name, frames, [one.report for one in output.records if isinstance(one, Ended)]
        )
        if not output.sync or self.reached("journal"):
            return

        def synced() -> None:
            self.journal.sync_now(frames)
            if not self.reached("sync"):
                self.hear(a.JournalSynced(output.batch))

        slow = scheduler.chance(0.02)
        delay_us = scheduler.between(0.1, 1.0) if slow else scheduler.rng.randrange(200, 4000)
        self.soon(delay_us, f"{self.name} synced", synced)

    def _acknowledge(self, token: object) -> None:
        if self._reader is not None and isinstance(token, int):
            bus = self._world.bus
            bus.acknowledge(self._reader, bus.commands, (token,))

    def _subscribe(self, incarnation: str) -> None:
        if self._reader is not None:
            self._reader.open = False
        self.incarnation = incarnation
        bus = self._world.bus

        def arrived(_: Stream, sequence: int, _subject: str, body: object) -> None:
            if isinstance(body, Commands):
                self.hear(a.CommandsArrived(incarnation, body, sequence))

        self._reader = Reader(
            process=self,
            consumer=f"{self.name} {incarnation}",
            subjects=frozenset([f"{self.name}.{incarnation}"]),
            deliver=arrived,
            declared=lambda: None,
        )
        bus.read(self._reader, bus.commands)

    def _publish(self, output: a.PublishReports) -> None:
        bus, number = self._world.bus, output.number
        self._world.auditor.reported(self.name, self.journal.durable, output.reports.reports)

        def done(stored: bool) -> None:
            if stored and self.reached("published"):
                return
            self.hear(a.ReportsPublished(number) if stored else a.PublishFailed(number))

        bus.publish(self, bus.reports, str(output.shard), output.reports, done)
