"""A node in a world of twins: the agent's core, its journal, and a twin of the edge around them."""

from collections.abc import Callable
from typing import Protocol

from dalsegno.testing.twins.bus import BusTwin, Reader, Stream
from dalsegno.testing.twins.process import Clocks, Process
from dalsegno.testing.twins.scheduler import Scheduler
from events.facts import HostSample
from events.ids import Attempt
from events.messages import Commands, Heartbeat, HeartbeatAnswer
from node_agent import steps as a
from node_agent.adapters.memory_journal import MemoryJournal
from node_agent.core import AgentCore
from node_agent.settings import Settings

TURN_US_MIN = 1000


class Host:
    """What an agent finds in its world."""

    def __init__(self, scheduler: Scheduler, bus: BusTwin) -> None:
        self.scheduler = scheduler
        self.bus = bus
        self.heartbeat: Callable[[str, Heartbeat], None] = lambda *_: None


class Executor(Protocol):
    """The executions of one life of an agent; they end in `AgentTwin.hear`."""

    def start(self, start: a.StartExecution) -> None: ...

    def cancel(self, attempt: Attempt, why: a.Why, /) -> None: ...

    def settled(self, attempt: Attempt, name: str, /) -> None: ...


class AgentTwin(Process):
    """The journal survives its lives; a loss of power takes what was not synced. By itself it takes
    no time for anything."""

    def __init__(self, world: Host, settings: Settings, clocks: Clocks) -> None:
        super().__init__(world.scheduler, settings.node, clocks)
        self.journal = MemoryJournal()
        self.incarnation = ""
        self.settings = settings
        self.world = world
        self.executor: Executor | None = None
        self._incarnations = 0
        self._inbox: list[a.Input] = []
        self._core: AgentCore | None = None
        self._reader: Reader | None = None

    def boot(self) -> None:
        self.begin_life()
        self._core = AgentCore(self.settings, self._mint)
        self.executor = self.make_executor()
        self.journal.sync_now()  # opening a journal makes what it holds durable
        self._inbox = [a.HostSampled(self.sample()), a.Begin(self.journal.read())]
        self.wake(0)

    def died(self) -> None:
        self._core = self.executor = None
        if self._reader is not None:
            self._reader.open = False
            self._reader = None

    def drain(self) -> None:
        self.hear(a.DrainRequested("asked to stop"))

    def _mint(self, _: int) -> str:
        self._incarnations += 1
        return f"i{self._incarnations:04}"

    # -- how it goes about it ---------------------------------------------------------------------

    def make_executor(self) -> Executor:
        """For a life that begins."""
        raise NotImplementedError

    def sample(self) -> HostSample:
        """How its host is."""
        return HostSample()

    def gathers(self) -> int:
        """Microseconds from an arrival to the turn that takes it."""
        return 0

    def syncs(self) -> int:
        """Microseconds that the disk takes."""
        return 0

    def next_turn(self, core: AgentCore) -> int | None:
        """Microseconds until the next turn at the latest."""
        due = core.next_due()
        return None if due is None else max(TURN_US_MIN, due - self.monotonic)

    # -- inputs -----------------------------------------------------------------------------------

    def hear(self, given: a.Input) -> None:
        if self.alive:
            self._inbox.append(given)
            self.wake(self.gathers())

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
            self.perform(output)
            if not self.alive:
                return
        next_turn = self.next_turn(core)
        if next_turn is not None:
            self.wake(next_turn)

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

    def perform(self, output: a.Output) -> None:  # noqa: C901 -- one arm for each output
        match output:
            case a.Journal():
                self._write(output)
            case a.Acknowledge(token=token):
                self._acknowledge(token)
            case a.NewIncarnation(incarnation=incarnation):
                self._subscribe(incarnation)
            case a.StartExecution():
                if self.executor is not None:
                    self.executor.start(output)
                self.reached("start")
            case a.CancelExecution(attempt=attempt, why=why):
                if self.executor is not None:
                    self.executor.cancel(attempt, why)
            case a.OnceSettled(attempt=attempt, name=name):
                if self.executor is not None:
                    self.executor.settled(attempt, name)
            case a.PublishReports():
                self._publish(output)
            case a.SendHeartbeat(beat=beat):
                self.world.heartbeat(self.name, beat)
            case a.Stopped():
                self.crash("drained")

    def journalled(self, output: a.Journal, frames: int) -> None:
        """The records have become the journal's frame of this number."""

    def _write(self, output: a.Journal) -> None:
        self.journal.append(output.records)
        frames = self.journal.written
        self.journalled(output, frames)
        if not output.sync or self.reached("journal"):
            return

        def synced() -> None:
            self.journal.sync_now(frames)
            if not self.reached("sync"):
                self.hear(a.JournalSynced(output.batch))

        self.soon(self.syncs(), f"{self.name} synced", synced)

    def _acknowledge(self, token: object) -> None:
        if self._reader is not None and isinstance(token, int):
            bus = self.world.bus
            bus.acknowledge(self._reader, bus.commands, (token,))

    def _subscribe(self, incarnation: str) -> None:
        if self._reader is not None:
            self._reader.open = False
        self.incarnation = incarnation
        bus = self.world.bus

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
        bus, number = self.world.bus, output.number

        def done(stored: bool) -> None:
            if stored and self.reached("published"):
                return
            self.hear(a.ReportsPublished(number) if stored else a.PublishFailed(number))

        bus.publish(self, bus.reports, str(output.shard), output.reports, done)
