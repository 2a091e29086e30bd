"""The record of a simulated cluster: what became of runs and tasks, and which promise was broken.

It reads what the store commits, as it commits, and what handlers really did. Of the promises it
checks those that a user would lose work by; the simulator of this repository checks them all.
"""

from collections.abc import Sequence

from dalsegno.simulation.handlers import Begun, Ledger
from dalsegno.simulation.scene import Tasks
from dalsegno.testing.twins.coordinator import finish
from dalsegno.testing.twins.scheduler import SECOND, Scheduler
from events import run_facts as r
from events import task_facts as t
from events.catalogue import Catalogue
from events.envelope import Event, unseal
from events.ids import Attempt, shard_of
from events.messages import Execute
from events.policies import Needs
from events.simulation import Happening, SimulatedRun, SimulatedTask
from node_agent.steps import Done
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator.ports import Appended, AppendOutcome, Batch, Lease
from orchestrator.kernel.state import TERMINAL, RunState, serialise
from orchestrator.replay.rebuild import Rebuilder

HEALED = ("is back", "goes on", "is well again", "meet again", "is quick again", "from now on")
ENDS = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)


class Records:
    def __init__(self, scheduler: Scheduler, log: MemoryLog, shards: int, tasks: Tasks) -> None:
        self.ledger = Ledger()
        self.violations: list[str] = []
        self.timeline: list[Happening] = []
        self.changed_at = 0
        self._scheduler = scheduler
        self._log = log
        self._shards = shards
        self._tasks = tasks
        self._workflows: dict[str, str] = {}
        self._catalogue = Catalogue()
        self._epochs: dict[int, int] = {}
        self._begun: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._completed: dict[str, Attempt] = {}

    def violated(self, text: str) -> None:
        self.violations.append(text)
        self.happens("promises", text, "broken")

    def happens(self, who: str, what: str, kind: str = "task") -> None:
        at_s = self._scheduler.now / SECOND
        self.timeline.append(Happening(at_s=at_s, who=who, what=what, kind=kind))  # type: ignore[arg-type]

    def noted(self, text: str) -> None:
        """Faults, deaths, boots and what is well again; the rest is noise."""
        if text.startswith("fault: "):
            self.happens("fault", text.removeprefix("fault: "), "fault")
        elif text.endswith(HEALED):
            self.happens("fault", f"over: {text}", "process")
        elif " dies: " in text or " boots, life " in text:
            who, _, what = text.partition(" ")
            self.happens(who, what, "process")

    # -- the store --------------------------------------------------------------------------------

    def acquired(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if lease.epoch <= self._epochs.get(lease.shard, 0):
                self.violated(f"shard {lease.shard} has two owners under epoch {lease.epoch}")
            self._epochs[lease.shard] = lease.epoch
            self.happens(lease.holder, f"owns shard {lease.shard}", "process")

    def append(self, batch: Batch) -> AppendOutcome:
        before = self._log.last_position()
        outcome = self._log.append(batch)
        events = self._log.read_log(before, 100_000)
        if events and not isinstance(outcome, Appended):
            self.violated(f"batch {batch.id} was refused, and is in the log")
        for stored in events:
            kind, _, name = stored.stream.partition(":")
            if kind == "run":
                self.changed_at = self._scheduler.now
                self._take(name, unseal(stored, self._catalogue))
        return outcome

    def _take(self, run_id: str, event: Event) -> None:
        fact = event.fact
        if event.header.epoch != self._epochs.get(shard_of(run_id, self._shards), 0):
            self.violated(f"run {run_id} was written to by an owner of before")
        if run_id in self._ended:
            self.violated(f"{event.header.type} after the end of run {run_id}")
        if isinstance(fact, (r.RunStarted, r.RunForked)):
            self._begun[run_id] = self._scheduler.now
            self._workflows[run_id] = fact.workflow
            self.happens(run_id, f"begins {fact.workflow}", "run")
        elif isinstance(fact, ENDS):
            self._ended[run_id] = self._scheduler.now
            self.happens(run_id, event.header.type.split(".")[1], "run")
        else:
            self._task(run_id, event)

    def _task(self, run_id: str, event: Event) -> None:
        match event.fact:
            case t.TaskDispatched() as fact:
                self.happens(run_id, f"{fact.step} @{fact.attempt} is given to {fact.node}")
            case t.TaskCompleted() as fact:
                self._complete(Attempt(run_id, fact.step, 0, fact.attempt), fact)
            case t.AttemptFailed() as fact:
                found = self._figures(run_id, fact.step)
                found.retries += fact.counted
                found.lost += not fact.counted
                again = f"again in {fact.delay_s:.3g} s" if fact.delay_s else "again at once"
                self.happens(run_id, f"{fact.step} @{fact.attempt}: {fact.failure.code}, {again}")
            case t.TaskFailed() as fact:
                self.happens(run_id, f"{fact.step} failed: {fact.failure.code}, {fact.why}")
            case t.TaskPending() as fact:
                self.happens(run_id, f"{fact.step} waits: {fact.obstacle} {fact.detail}")
            case r.WaitEnded() as fact:
                self.happens(run_id, f"{fact.step} is over")
            case _:
                pass

    def _complete(self, attempt: Attempt, fact: t.TaskCompleted) -> None:
        before = self._completed.setdefault(attempt.task_key, attempt)
        if before is not attempt:
            self.violated(f"{attempt.task_key} is completed a second time")
        begun = self.ledger.executions.get(attempt)
        result = begun.result if begun else None
        if not isinstance(result, Done) or result.output != fact.output:
            self.violated(f"{attempt} is recorded with another result than it had")
        self._figures(attempt.run_id, attempt.step).completed += 1
        self.happens(attempt.run_id, f"{attempt.step} @{attempt.number} completed")

    # -- handlers ---------------------------------------------------------------------------------

    def begins(self, node: str, execute: Execute) -> Begun:
        attempt = execute.attempt
        if attempt.task_key in self._completed:
            self.violated(f"{attempt} was started by {node} after its completion was recorded")
        if attempt in self.ledger.executions:
            self.violated(f"{attempt} was started a second time")
        begun = self.ledger.executions[attempt] = Begun(node, self._scheduler.now)
        self._figures(attempt.run_id, attempt.step).attempts += 1
        self.happens(node, f"begins {attempt.run_id}/{attempt.step} @{attempt.number}")
        return begun

    def _figures(self, run_id: str, step: str) -> SimulatedTask:
        task = self._tasks.named(self._workflows.get(run_id, ""), step)
        return self.ledger.tasks.setdefault(task, SimulatedTask())

    # -- the end ----------------------------------------------------------------------------------

    def figures(self) -> dict[str, SimulatedTask]:
        """Of every task, with what its attempts have cost; those that were cut off by the death of
        their node until then."""
        now = self._scheduler.now
        for attempt, begun in self.ledger.executions.items():
            task = self._tasks.named(self._workflows.get(attempt.run_id, ""), attempt.step)
            seconds = ((now if begun.ended_at is None else begun.ended_at) - begun.at) / SECOND
            found, needs = self.ledger.tasks[task], self._tasks.needs.get(task, Needs())
            found.busy_s += seconds
            found.cpu_s += seconds * needs.cpu
            found.memory_byte_s += seconds * needs.memory_bytes
            found.gpu_s += seconds * needs.gpu
        return self.ledger.tasks

    def runs(self, is_over: bool) -> list[SimulatedRun]:
        """All runs, rebuilt from the log; one that is open although the world is over waits for a
        signal, or was lost sight of."""
        return [self._run(run_id, is_over) for run_id in self._begun]

    def _run(self, run_id: str, is_over: bool) -> SimulatedRun:
        state = self._state(run_id)
        ended_at = self._ended.get(run_id, self._scheduler.now)
        status, waits_for = state.status, ""
        if status not in TERMINAL:
            waits_for = _awaited(state)
            status = "waiting" if is_over and waits_for else "open"
        return SimulatedRun(
            run_id=run_id,
            workflow=state.workflow,
            status=status,
            took_s=(ended_at - self._begun[run_id]) / SECOND,
            code=state.failure.code if state.failure else "",
            message=state.failure.message if state.failure else "",
            events=state.version,
            waits_for=waits_for,
        )

    def _state(self, run_id: str) -> RunState:
        """The fold of its events; with snapshots and without them it is the same."""
        found = []
        for snapshots in (True, False):
            rebuilder = Rebuilder(MemoryStore(self._log), self._catalogue, snapshots=snapshots)
            rebuilt = finish(rebuilder.run(run_id))
            if rebuilt is None:
                raise LookupError(f"run {run_id} is not in the log")
            found.append(rebuilt.state)
        if serialise(found[0]) != serialise(found[1]):
            self.violated(f"run {run_id} is another one from its snapshot than from its events")
        return found[1]


def _awaited(state: RunState) -> str:
    """The signals that an open run waits for, or why nodes cannot take its tasks; "" if neither:
    then it ought to go on by itself."""
    obstacles = {
        step.obstacle_detail or step.obstacle
        for name in state.ready
        if (step := state.steps[name]).obstacle == "no_node"
    }
    return ", ".join(sorted({*state.awaiting.values(), *obstacles}))
