"""Coordinators and agents of the simulated world: everything takes them time, and an auditor looks
at all that they do."""

import msgspec

from dalsegno.testing.twins.agent import AgentTwin, Executor, Host
from dalsegno.testing.twins.coordinator import CoordinatorTwin, Kind, Surroundings
from events.facts import HostSample
from events.ids import ENTROPY_BYTES, mint
from events.messages import Execute
from events.policies import Needs
from node_agent import steps as a
from node_agent.journal import Ended
from node_agent.settings import Settings
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import AppendOutcome, Batch, Lease
from tests.simulation.checks import Auditor
from tests.simulation.disks import TornJournal
from tests.simulation.executor import TASKS, ExecutorTwin, Ledger
from tests.simulation.storms import DriftingClocks

UPGRADED_AT_BOOT = 0.4
PROBE_US = 1_000_000
"""How late a coordinator may know that the bus cannot be reached, or can be again."""


class Kinds(msgspec.Struct, frozen=True):
    """Coordinators of this release, and of the one before, which such a share begins as."""

    today: Kind
    before: Kind
    upgraded: float


class AuditedCoordinator(CoordinatorTwin):
    def __init__(
        self, world: Surroundings, name: str, skew_s: float, kinds: Kinds, auditor: Auditor
    ) -> None:
        self.clock = DriftingClocks(world.scheduler, skew_s)
        self._kinds = kinds
        self._is_upgraded = world.scheduler.chance(kinds.upgraded)
        super().__init__(world, name, self.clock, kinds.today)
        self._auditor = auditor
        self._connected = True

    def boot(self) -> None:
        if self.life and not self._is_upgraded:
            self._is_upgraded = self.scheduler.chance(UPGRADED_AT_BOOT)
        self._kind = self._kinds.today if self._is_upgraded else self._kinds.before
        super().boot()
        self._connected = True
        self._probe()

    def _probe(self) -> None:
        connected = self.world.bus.reaches(self.name)
        if connected != self._connected:
            self._connected = connected
            self.hear(s.BusChanged(connected=connected))
        self.soon(PROBE_US, "", self._probe)

    def gathers(self) -> int:
        return 100

    def hesitates(self) -> int:
        return self.scheduler.rng.randrange(500)

    def commit(self, batch: Batch) -> AppendOutcome:
        return self._auditor.append(batch)

    def acquire(self, output: s.AcquireLeases) -> list[Lease]:
        return self._auditor.acquired(super().acquire(output))

    def carry_out(self, output: s.CoordinatorOutput) -> None:
        match output:
            case s.Publish(node=node, incarnation=incarnation, commands=commands):
                self._auditor.published(node, incarnation, commands)
            case s.Answer(reply_to=reply_to, answer=answer):
                self._auditor.answered(self._auditor.requests.get(reply_to), answer)
            case s.AcknowledgeReports(deliveries=deliveries):
                self._auditor.acknowledged(deliveries)
            case s.ReleaseLeases(leases=leases):
                self._auditor.released(leases)
            case s.SaveSnapshot(snapshot=snapshot):
                self._auditor.saving(snapshot)
            case s.RecordHashes(hashes=hashes):
                self._auditor.hashed(hashes)
            case _:
                pass
        super().carry_out(output)


class AuditedAgent(AgentTwin):
    """Its handlers are twins, too."""

    def __init__(
        self, world: Host, name: str, skew_s: float, auditor: Auditor, ledger: Ledger
    ) -> None:
        self.clock, rng = DriftingClocks(world.scheduler, skew_s), world.scheduler.rng
        settings = Settings(
            node=name,
            tasks=frozenset(TASKS) - ({"beats"} if name == "n3" else set()),
            labels={"zone": "b" if name == "n3" else "a"},
            capacity=Needs(cpu=1.0 if name == "n1" else 2.0),
            slots=rng.choice((1, 2, 4)),
            credits=rng.choice((2, 4, 8)),
            started_report_after_s=rng.choice((0.2, 1.0)),
            progress_interval_s=0.5,
            cancel_grace_s=2.0,
            resend_first_s=rng.choice((2.0, 5.0)),
            resend_max_s=8.0,
            drain_timeout_s=2.0,
            weight=rng.choice((0.5, 1.0, 1.0, 3.0)),
            build_id="b1" if name in {"n1", "n3"} else "b2",
        )
        super().__init__(world, settings, self.clock)
        self.disk_is_slow = False
        auditor.placements.nodes[name] = settings
        self._torn = self.journal = TornJournal()
        self._auditor = auditor
        self._ledger = ledger

    def _mint(self, at: int) -> str:
        """As the product does: by the wall clock, which may have been set back."""
        return mint(at, self.scheduler.rng.randbytes(ENTROPY_BYTES))

    def make_executor(self) -> Executor:
        auditor = self._auditor
        executor = ExecutorTwin(self, self._ledger, self._began, auditor.failures_recorded)
        executor.hear = self.hear
        return executor

    def _began(self, node: str, execute: Execute, running: int) -> None:
        self._auditor.started(node, execute)
        if running > self.settings.slots:
            slots = self.settings.slots
            self._auditor.violated(f"{node} runs {running} attempts and has {slots} slots")

    def sample(self) -> HostSample:
        return HostSample(load=self.life / 10)

    def gathers(self) -> int:
        return 50

    def syncs(self) -> int:
        scheduler = self.scheduler
        if self.disk_is_slow:
            return scheduler.between(0.5, 6.0)
        slow = scheduler.chance(0.02)
        return scheduler.between(0.1, 1.0) if slow else scheduler.rng.randrange(200, 4000)

    def lose_power(self) -> None:
        """Dies, and what was not synced may be there in part."""
        self.crash("loss of power")
        self._torn.tear(self.scheduler.rng)
        self._auditor.power_lost(self.name, self.journal.written)

    def lose_journal(self) -> None:
        """Dies, and comes back on an empty disk."""
        self.crash("loss of its disk")
        self._torn = self.journal = TornJournal()
        self._auditor.power_lost(self.name, 0)

    def journalled(self, output: a.Journal, frames: int) -> None:
        reports = [one.report for one in output.records if isinstance(one, Ended)]
        self._auditor.journalled(self.name, frames, reports)

    def perform(self, output: a.Output) -> None:
        if isinstance(output, a.PublishReports):
            self._auditor.reported(self.name, self.journal.durable, output.reports.reports)
        super().perform(output)
