"""Coordinators and agents of the simulated world: everything takes them time, and an auditor looks
at all that they do."""

import msgspec

from dalsegno.simulation.processes import StormyAgent, StormyCoordinator
from dalsegno.simulation.storms import DriftingClocks
from dalsegno.testing.twins.agent import Executor, Host
from dalsegno.testing.twins.coordinator import Kind, Surroundings
from events.api import AnyRequest
from events.ids import Attempt
from events.messages import Execute, Granted, HeartbeatAnswer
from events.policies import Needs
from node_agent import steps as a
from node_agent.journal import Ended
from node_agent.settings import Settings
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import AppendOutcome, Batch, Lease
from tests.simulation.checks import Auditor
from tests.simulation.executor import TASKS, ExecutorTwin, Ledger
from tests.simulation.outside import TRANSACTIONAL

UPGRADED_AT_BOOT = 0.4


class Kinds(msgspec.Struct, frozen=True):
    """Coordinators of this release, and of the one before, which such a share begins as."""

    today: Kind
    before: Kind
    upgraded: float


class AuditedCoordinator(StormyCoordinator):
    def __init__(
        self, world: Surroundings, name: str, skew_s: float, kinds: Kinds, auditor: Auditor
    ) -> None:
        self._kinds = kinds
        self._is_upgraded = world.scheduler.chance(kinds.upgraded)
        super().__init__(world, name, skew_s, kinds.today)
        self._auditor = auditor

    def boot(self) -> None:
        if self.life and not self._is_upgraded:
            self._is_upgraded = self.scheduler.chance(UPGRADED_AT_BOOT)
        self._kind = self._kinds.today if self._is_upgraded else self._kinds.before
        super().boot()

    def request(self, request: AnyRequest, reply_to: str) -> None:
        self._auditor.asked(self.name, reply_to)
        super().request(request, reply_to)

    def commit(self, batch: Batch) -> AppendOutcome:
        return self._auditor.append(batch)

    def acquire(self, output: s.AcquireLeases) -> list[Lease]:
        leases = self._auditor.acquired(super().acquire(output))
        self._auditor.grants.owned(leases, output.ttl_s)
        return leases

    def renew(self, output: s.RenewLeases) -> list[Lease]:
        leases = self._auditor.renewed(super().renew(output))
        self._auditor.grants.owned(leases, output.ttl_s)
        return leases

    def carry_out(self, output: s.CoordinatorOutput) -> None:
        match output:
            case s.Publish(node=node, incarnation=incarnation, commands=commands):
                self._auditor.published(node, incarnation, commands)
            case s.Answer(reply_to=reply_to, answer=answer):
                self._auditor.answered(self.name, reply_to, answer)
            case s.AcknowledgeReports(deliveries=deliveries):
                self._auditor.acknowledged(deliveries)
            case s.SaveSnapshot(snapshot=snapshot):
                self._auditor.saving(snapshot)
            case s.RecordHashes(hashes=hashes):
                self._auditor.hashed(hashes)
            case s.AnswerHeartbeat(reply_to=node, answer=Granted() as answer):
                for text in self._auditor.grants.granted(node, answer):
                    self._auditor.violated(f"by {self.name}, {text}")
            case _:
                pass
        super().carry_out(output)


class AuditedAgent(StormyAgent):
    """Its handlers are twins, too."""

    def __init__(
        self, world: Host, name: str, skew_s: float, auditor: Auditor, ledger: Ledger
    ) -> None:
        clock, rng = DriftingClocks(world.scheduler, skew_s), world.scheduler.rng
        settings = Settings(
            node=name,
            transactional=frozenset({TRANSACTIONAL}),
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
        super().__init__(world, settings, clock)
        auditor.placements.nodes[name] = settings
        auditor.grants.margins_s[name] = settings.lease_margin_s
        self._auditor = auditor
        self._ledger = ledger
        self._under_way: set[Attempt] = set()

    def boot(self) -> None:
        self._under_way.clear()
        super().boot()

    def answered(self, answer: HeartbeatAnswer) -> None:
        if isinstance(answer, Granted):
            self._auditor.grants.heard(self.name, answer)
        super().answered(answer)

    def hear(self, given: a.Input) -> None:
        if isinstance(given, a.ExecutionEnded):
            self._under_way.discard(given.attempt)
        super().hear(given)

    def make_executor(self) -> Executor:
        auditor = self._auditor
        executor = ExecutorTwin(
            self, self._ledger, self._began, auditor.failures_recorded, auditor.world
        )
        executor.hear = self.hear
        return executor

    def _began(self, node: str, execute: Execute, running: int) -> None:
        self._auditor.started(node, execute)
        for other in self._under_way:
            if other.task_key == execute.attempt.task_key:
                self._auditor.violated(f"{node} runs {execute.attempt} while {other} still runs")
        self._under_way.add(execute.attempt)
        if running > self.settings.slots:
            slots = self.settings.slots
            self._auditor.violated(f"{node} runs {running} attempts and has {slots} slots")

    def lose_power(self) -> None:
        super().lose_power()
        self._auditor.power_lost(self.name, self.journal.written)

    def lose_journal(self) -> None:
        super().lose_journal()
        self._auditor.power_lost(self.name, 0)

    def journalled(self, output: a.Journal, frames: int) -> None:
        reports = [one.report for one in output.records if isinstance(one, Ended)]
        self._auditor.journalled(self.name, frames, reports)

    def died(self) -> None:
        super().died()
        self._auditor.grants.ends(self.name)

    def perform(self, output: a.Output) -> None:
        match output:
            case a.PublishReports(reports=reports):
                self._auditor.reported(self.name, self.journal.durable, reports.reports)
            case a.NewIncarnation(incarnation=incarnation):
                self._auditor.grants.begins(self.name, incarnation)
            case a.SendHeartbeat(beat=beat):
                self._auditor.grants.beats(beat)
            case a.StartExecution(execute=execute):
                for text in self._auditor.grants.begun(self.name, execute):
                    self._auditor.violated(text)
            case a.OnceSettled(attempt=attempt, name=name):
                self._auditor.went_on(attempt, name)
            case _:
                pass
        super().perform(output)
