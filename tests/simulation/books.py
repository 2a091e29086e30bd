"""Books about one run, kept from its committed events alone.

Some of it is the kernel's own fold, to be compared with what coordinators hold; the rest is kept
without the kernel, so that a fault of the fold cannot hide itself.
"""

from collections.abc import Callable, Iterator

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.codec import digest
from events.envelope import Event, Stored
from events.errors import InvariantViolation
from events.facts import Fact
from events.ids import Attempt
from events.net import Map, Task
from events.policies import PINNED, Retry
from events.values import Value
from orchestrator.coordinator.ports import IndexRow
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.settling import HALTED
from orchestrator.kernel.snapshot import restore
from orchestrator.kernel.state import RunState, serialise
from tests.simulation.operated import gone_back

ENDS = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)

HELD = (t.TaskDispatched, t.TaskRetryDue, t.TaskRecalled, r.RunTimedOut)
"""What waits while a run is paused."""


Leaving = t.TaskFailed | t.TaskCancelled | t.TaskDeferred | t.TaskSettling | t.TaskSettled
LEAVING = (t.TaskFailed, t.TaskCancelled, t.TaskDeferred, t.TaskSettling, t.TaskSettled)
CHILD_ENDS = (r.ChildCompleted, r.ChildFailed, r.MapPartCompleted)
STRUCTURE = (r.LoopAdvanced, *CHILD_ENDS)


class RunBook:
    """`take` is called with every committed event, in order."""

    def __init__(
        self,
        run_id: str,
        net: Callable[[str, str], NetIndex],
        book: "Callable[[str], RunBook | None]",
    ) -> None:
        self.run_id = run_id
        self.state = RunState()
        self.hashes: dict[int, str] = {}
        self.statuses: dict[int, str] = {}
        """By version, as clients are told."""
        self.states: dict[int, bytes] = {}
        self.dispatched: dict[Attempt, tuple[str, str]] = {}
        self.outstanding: dict[Attempt, None] = {}
        self.deferred: dict[Attempt, None] = {}
        """That somebody with their token completes."""
        self.epochs: dict[Attempt, int] = {}
        """Under which each attempt was dispatched."""
        self.completed: dict[str, int] = {}
        self.counted: dict[str, int] = {}
        self.completing: tuple[Attempt, Value] | None = None
        self.ended_at: int | None = None
        self.paused = self.was_paused = False
        self.updates: dict[str, int] = {}
        """Those that were accepted, and when."""
        self.build: str | None = None
        """That the run is pinned to."""
        self.signals: dict[str, bool] = {}
        """Ids of signals, and whether a step has taken each."""
        self._asked = ""
        self._parent = ""
        self._iterations: dict[str, int] = {}
        self._digest = ""
        self._epoch = 0
        self._due: dict[str, int] = {}
        self._last: dict[tuple[str, int], int] = {}
        """The number of the last attempt of each step and generation."""
        self._generations: dict[str, int] = {}
        """Of the last attempt of each step."""
        self.terminated = False
        """Whether it was ended at once, as somebody wanted it."""
        self.fenced: set[Attempt] = set()
        """That were outstanding when an operator decided otherwise: nobody waits for them."""
        self._net = net
        self._book = book

    def is_child_of(self, run_id: str) -> bool:
        """Whether it is open, and was started by that run."""
        return self._parent == run_id and self.ended_at is None

    def row(self, shard: int) -> IndexRow:
        state = self.state
        return IndexRow(
            run_id=self.run_id,
            shard=shard,
            workflow=state.workflow,
            workflow_version=state.workflow_version,
            status=state.status,
            version=state.version,
            next_due_at=state.next_due_at,
            outstanding=len(state.outstanding) + (len(state.calls) if state.gives_up else 0),
            ready=len(state.ready),
            started_at=state.started_at,
            updated_at=state.updated_at,
            calls=len(state.calls),
            parent=state.origin.run_id if state.origin.kind == "parent" else "",
        )

    def take(self, stored: Stored, event: Event, now: int) -> Iterator[str]:
        """Notes the event; yields what is wrong with it."""
        header, fact = event.header, event.fact
        if self.ended_at is not None:
            yield f"{header.type} after the end"
        if header.version != self.state.version + 1 or header.previous != self._digest:
            yield f"version {header.version} does not follow {self.state.version}"
        if header.epoch < self._epoch:
            yield f"epoch {header.epoch} after epoch {self._epoch}"
        self._epoch, self._digest = header.epoch, event.digest
        if isinstance(fact, r.RunForked):
            self._fork(fact)
        if isinstance(fact, o.RunRestored):
            self._restore(fact)
        yield from self._keep(event, now)
        try:
            evolve(self.state, fact, header.recorded_at)
        except (InvariantViolation, KeyError) as error:
            yield f"{header.type} cannot be folded: {error!r}"
            return
        if isinstance(fact, o.RunRestored):
            yield from gone_back(fact, restore(self.states[fact.version]), self.state)
        state = serialise(self.state)
        self.hashes[self.state.version] = digest(state)
        self.statuses[self.state.version] = self.state.status
        self.states[self.state.version] = state
        yield from violations(self.state)

    def _fork(self, fact: r.RunForked) -> None:
        source = self._book(fact.source_run_id)
        if source is not None:
            self.state = restore(source.states[fact.source_version])
            self.build, self._asked = self.state.build, fact.options.build
            self._see_structure()

    def _see_structure(self) -> None:
        self.signals = {id_: id_ not in self.state.signals for id_ in self.state.signals_seen}
        loops = {name: step.loop for name, step in self.state.steps.items() if step.loop}
        self._iterations = {
            name: loop.index for name, loop in loops.items() if loop.index is not None
        }

    def _restore(self, fact: o.RunRestored) -> None:
        """Nothing that nodes have is the run's any more; signals that came since are there."""
        rewind(self.state, restore(self.states[fact.version]))
        self._see_structure()
        self.signals.update((signal.id, False) for signal in fact.signals)
        self.fenced.update(self.outstanding, self.deferred)
        self.outstanding.clear()
        self.deferred.clear()
        self._due.clear()
        self.counted.clear()

    # -- books that owe nothing to the kernel -----------------------------------------------------

    def _keep(self, event: Event, now: int) -> Iterator[str]:
        fact = event.fact
        self.completing = None
        yield from self._pause(fact)
        yield from self._pin(fact, event.header.actor)
        match fact:
            case t.TaskDispatched():
                yield from self._dispatch(fact, event.header.recorded_at)
            case t.TaskCompleted():
                yield from self._complete(fact, now)
            case t.AttemptFailed():
                yield from self._fail(fact)
            case o.ResultGiven():
                self._given(fact, now)
            case _ if isinstance(fact, LEAVING):
                yield from self._leave(fact)
            case r.SignalReceived() | r.WaitEnded() | r.UpdateAccepted():
                yield from self._signal(fact, now)
            case _ if isinstance(fact, STRUCTURE):
                yield from self._structure(fact)
            case _ if isinstance(fact, ENDS):
                yield from self._end(fact, now)
            case _:
                pass

    def _leave(self, fact: Leaving) -> Iterator[str]:
        """No node has the attempt any more, if one had it."""
        attempt = self.attempt_of(fact.step, fact.attempt)
        is_idle = isinstance(fact, t.TaskSettling) and attempt not in self.outstanding
        if fact.attempt and not is_idle:
            yield from self._over(fact.step, fact.attempt)
        if isinstance(fact, t.TaskSettling):
            self._due.pop(fact.step, None)  # nobody waits for the next real attempt
        if isinstance(fact, t.TaskDeferred):
            self.deferred[attempt] = None

    def _end(self, fact: Fact, now: int) -> Iterator[str]:
        self.ended_at = now
        if self.terminated:  # it waits for nobody
            self.outstanding.clear()
        if self.outstanding:
            yield f"ended with {next(iter(self.outstanding))} outstanding"

    def _pin(self, fact: Fact, actor: str) -> Iterator[str]:
        if isinstance(fact, r.RunStarted):
            self._asked = fact.options.build
            self._parent = fact.origin.run_id if fact.origin.kind == "parent" else ""
        elif isinstance(fact, r.RunPinned):
            if actor == "system":
                yield from self._agrees(fact.build)
            self.build = fact.build

    @property
    def _wanted(self) -> str:
        return self._asked if self.build is None else self.build

    def _agrees(self, build: str) -> Iterator[str]:
        """A run that was to have the first build has that of its family, once it is known."""
        if self._wanted != PINNED:
            return
        head = self
        while head._wanted == PINNED and (parent := self._book(head._parent)) is not None:
            if not parent._wanted or parent.ended_at is not None:
                break
            head = parent
        if head is not self and head._wanted != build:
            yield f"it is pinned to {build!r}, and {head.run_id} above it to {head._wanted!r}"

    def _built(self, fact: t.TaskDispatched) -> Iterator[str]:
        """A run keeps to its build, and is pinned before anything is given to a node."""
        wanted = self._wanted
        if wanted and fact.build_id != wanted:
            yield f"{fact.step} is given to build {fact.build_id!r}, the run keeps to {wanted!r}"

    def _pause(self, fact: Fact) -> Iterator[str]:
        if self.paused and isinstance(fact, HELD) and not self._is_waited_for(fact):
            yield f"{fact.TYPE} while the run is paused"
        if isinstance(fact, r.RunPaused | r.RunResumed):
            self.paused = isinstance(fact, r.RunPaused)
            self.was_paused = True
        elif isinstance(fact, r.RunClosing):  # what a run needs to end waits for nobody
            self.paused = False

    def _is_waited_for(self, fact: Fact) -> bool:
        """Whether an operator waits for what became of a transaction, which goes on in a pause."""
        step = self.state.steps.get(getattr(fact, "step", ""))
        is_asked_back = isinstance(fact, t.TaskRecalled) and fact.code == HALTED
        return is_asked_back or (step is not None and step.settling is not None)

    def _signal(
        self, fact: r.SignalReceived | r.WaitEnded | r.UpdateAccepted, now: int
    ) -> Iterator[str]:
        if isinstance(fact, r.UpdateAccepted):
            if fact.id in self.updates:
                yield f"update {fact.id} is accepted a second time"
            self.updates[fact.id] = now
        elif isinstance(fact, r.SignalReceived):
            if fact.id in self.signals:
                yield f"signal {fact.id} is received a second time"
            self.signals[fact.id] = False
        elif fact.signal:
            if self.signals.get(fact.signal) is not False:
                yield f"{fact.step} takes signal {fact.signal}, which is not there"
            self.signals[fact.signal] = True

    def _iterate(self, fact: r.LoopAdvanced) -> Iterator[str]:
        expected = self._iterations.get(fact.step, -1) + 1
        if fact.index != expected:
            yield f"iteration {fact.index} of {fact.step} begins instead of {expected}"
        self._iterations[fact.step] = expected

    def attempt_of(self, step: str, number: int) -> Attempt:
        """That of the step in the generation that it was dispatched in last."""
        return Attempt(self.run_id, step, self._generations.get(step, 0), number)

    def _given(self, fact: o.ResultGiven, now: int) -> None:
        """An operator's result completes the key that it says; the attempt that was out did not."""
        for attempts in (self.outstanding, self.deferred):
            for attempt in [one for one in attempts if one.step == fact.step]:
                del attempts[attempt]
                self.fenced.add(attempt)
        generation = fact.generation or self.state.steps[fact.step].generation
        if fact.failure is None:
            self.completed[Attempt(self.run_id, fact.step, generation, 0).task_key] = now

    def _dispatch(self, fact: t.TaskDispatched, recorded_at: int) -> Iterator[str]:
        self._generations[fact.step] = fact.generation
        attempt, key = self.attempt_of(fact.step, fact.attempt), (fact.step, fact.generation)
        if fact.attempt != self._last.get(key, 0) + 1:
            yield f"attempt {fact.attempt} of {fact.step} after {self._last.get(key, 0)}"
        if any(one.step == fact.step for one in (*self.outstanding, *self.deferred)):
            yield f"{attempt} dispatched while another attempt is outstanding"
        if attempt.task_key in self.completed:
            yield f"{attempt} dispatched after its completion"
        if recorded_at < self._due.get(fact.step, 0):
            yield f"{attempt} dispatched {self._due[fact.step] - recorded_at} us before it is due"
        if self.state.steps[fact.step].settling is None:  # to settle executes nothing, anywhere
            yield from self._crowd(fact.step)
            yield from self._built(fact)
        self._last[key] = fact.attempt
        self.dispatched[attempt] = (fact.node, fact.incarnation)
        self.outstanding[attempt] = None
        self.epochs[attempt] = self._epoch

    def _structure(self, fact: Fact) -> Iterator[str]:
        if isinstance(fact, r.LoopAdvanced):
            if fact.index is not None:
                yield from self._iterate(fact)
        elif isinstance(fact, CHILD_ENDS):
            yield from self._child(fact)

    def _child(self, fact: r.ChildCompleted | r.ChildFailed | r.MapPartCompleted) -> Iterator[str]:
        """A step ends as the run that it had did."""
        child = self._book(fact.run_id)
        if child is None or child.ended_at is None:
            yield f"{fact.step} has heard the end of {fact.run_id}, which has not ended"
        elif isinstance(fact, r.ChildFailed) == (child.state.status == "completed"):
            yield f"{fact.TYPE} for {fact.run_id}, which is {child.state.status}"
        elif _handed_over(fact) != child.state.output:
            yield f"{fact.step} has another output than {fact.run_id}"

    def _crowd(self, step: str) -> Iterator[str]:
        """A map has no more items with nodes than it may."""
        state = self.state
        action = self._net(state.workflow, state.workflow_version).step(step).step.action
        if isinstance(action, Map):
            map_id = step.rpartition("[")[0]
            others = sum(
                one.step.rpartition("[")[0] == map_id
                for book in self._doing(map_id)
                for one in book.outstanding
            )
            if others >= action.concurrency:
                yield f"{step} is dispatched while {others} of {action.concurrency} are under way"

    def _doing(self, map_id: str) -> "list[RunBook]":
        """The runs that do a map: this one, and those of the other parts."""
        parent = self._book(self.state.origin.run_id) if self.state.part is not None else None
        if parent is None:
            return [self]
        calls = parent.state.calls.items()
        children = [run_id for step, run_id in calls if step.rpartition("[")[0] == map_id]
        books = [self._book(run_id) for run_id in children]
        return [book for book in books if book is not None and book.state.terminal is False]

    def _complete(self, fact: t.TaskCompleted, now: int) -> Iterator[str]:
        attempt = self.attempt_of(fact.step, fact.attempt)
        if attempt.task_key in self.completed:
            yield f"{attempt.task_key} is completed a second time"
        yield from self._over(fact.step, fact.attempt)
        self.completed[attempt.task_key] = now
        self.completing = (attempt, fact.output)

    def _fail(self, fact: t.AttemptFailed) -> Iterator[str]:
        if self.attempt_of(fact.step, fact.attempt) in (*self.outstanding, *self.deferred):
            yield from self._over(fact.step, fact.attempt)
        elif fact.kind != "timed_out":
            yield f"attempt {fact.attempt} of {fact.step} failed and was not outstanding"
        step = self.state.steps.get(fact.step)
        if step is None or step.settling is None:  # who settles may be asked sooner
            self._due[fact.step] = fact.next_attempt_at
        if fact.counted:
            self.counted[fact.step] = self.counted.get(fact.step, 0) + 1
            most = self._attempts_max(fact.step)
            if self.counted[fact.step] >= most:
                yield f"{fact.step} goes on after {self.counted[fact.step]} of {most} attempts"

    def _over(self, step: str, number: int) -> Iterator[str]:
        attempt = self.attempt_of(step, number)
        last = self._last.get((step, attempt.generation), 0)
        if attempt in self.outstanding:
            del self.outstanding[attempt]
        elif attempt in self.deferred:
            del self.deferred[attempt]
        elif number == last and step not in self._due:
            yield f"{attempt} ended and was not outstanding"
        elif number != last:
            yield f"{attempt} ended, the last one was {last}"

    def _attempts_max(self, step: str) -> int:
        return (self.task(step).retry or self.state.options.retry or Retry()).attempts_max

    def task(self, step: str) -> Task:
        """What a node does for the step, as its author wrote it."""
        return self._net(self.state.workflow, self.state.workflow_version).task(step)


def _handed_over(fact: r.ChildCompleted | r.ChildFailed | r.MapPartCompleted) -> Value:
    """The output of the child, as its parent has recorded it; that of one that failed is null."""
    match fact:
        case r.ChildCompleted(output=output):
            return output
        case r.MapPartCompleted(result=result):
            value: Value = msgspec.to_builtins(result)
            return value
        case _:
            return None
