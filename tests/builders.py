"""Short ways to say what a test is about: definitions, and a run with its whole history.

`Play` is a run under test. It decides inputs as the coordinator does, one after the other, and
after every single fact checks that the state is sound. At any moment `check_replay` proves that the
facts alone, through their stored bytes, give the same states.
"""

from collections.abc import Iterable, Sequence

import msgspec

from events import definition as d
from events import messages as m
from events.api import StartRun
from events.catalogue import Catalogue
from events.codec import encode
from events.envelope import Head, Stamp, Stored, seal, unseal
from events.facts import Fact, Failure, LossReason, Placement
from events.ids import Attempt, run_stream
from events.limits import Limits
from events.operator_facts import GivenStatus, KeptSignal, RestoreMode, RunRestored
from events.policies import Origin, RunOptions
from events.references import Payload
from events.run_facts import SignalReceived
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring.compile import compile_net
from orchestrator.kernel import inputs as i
from orchestrator.kernel.decide import decide
from orchestrator.kernel.env import MICROSECONDS, Env
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.invariants import violations
from orchestrator.kernel.mapparts import part_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import restore as restored
from orchestrator.kernel.state import RunState, StepState, serialise

NOW = 1_700_000_000 * MICROSECONDS
"""When runs under test start."""
RUN_ID = "run-1"
VERSION = "version-1"


def task(step_id: str, task_type: str = "work", /, **fields: object) -> d.TaskStep:
    """A task step; `fields` are those of `TaskStep`."""
    return msgspec.structs.replace(d.TaskStep(id=step_id, task=task_type), **fields)


def parallel(**branches: d.Step | Sequence[d.Step]) -> d.ParallelStep:
    """A parallel step `p`; a branch is a step or several."""
    lists = {
        name: tuple(branch) if isinstance(branch, Sequence) else (branch,)
        for name, branch in branches.items()
    }
    return d.ParallelStep(id="p", branches=lists)


def workflow(*steps: d.Step, output: Value = None, name: str = "workflow") -> d.Definition:
    return d.Definition(name=name, steps=steps, output=output)


def index(definition: d.Definition, expressions: CelExpressions | None = None) -> NetIndex:
    return NetIndex(compile_net(definition, expressions or CelExpressions()))


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds a run under test."""

    options: RunOptions = RunOptions()
    limits: Limits = Limits()
    jitter_seed: str = ""
    run_id: str = RUN_ID


class Play:
    """A run and its history. `facts` are all facts, `instants` when each was recorded."""

    def __init__(
        self,
        net: NetIndex,
        setting: Setting = Setting(),
        expressions: CelExpressions | None = None,
    ) -> None:
        self.net = net
        self.setting = setting
        self.expressions = expressions or CelExpressions()
        self.state = RunState()
        self.now = NOW
        self.workflow, self.version = "workflow", VERSION
        self.facts: list[Fact] = []
        self.instants: list[int] = []
        self.states: list[bytes] = []
        """The state's bytes at every version."""
        self._signals = 0
        self.kept: list[Payload] = []
        """What is stored by its hash."""
        self.base: RunState | None = None
        """For a fork: the source's state before it."""
        self.before: list[bytes] = []
        """For what begins in the middle: the states before it."""

    # -- inputs -----------------------------------------------------------------------------------

    def env(self) -> Env:
        setting = self.setting
        return Env(
            now=self.now,
            expressions=self.expressions,
            limits=setting.limits,
            jitter_seed=setting.jitter_seed,
        )

    def give(self, given: i.RunInput) -> list[Fact]:
        """Decides one input and returns its facts; fails on the first unsound state."""
        facts = decide(
            self.state, self.net, given, self.env(), observe=self._observe, keep=self.kept.append
        )
        self.facts.extend(facts)
        self.instants.extend([self.now] * len(facts))
        state = self.state
        assert not state.unsettled or state.next_due_at == state.updated_at, "left undecided"
        return facts

    def _observe(self, state: RunState) -> None:
        assert not violations(state), (violations(state), state)
        self.states.append(serialise(state))

    def wait(self, seconds: float) -> "Play":
        """Time passes; nothing is told to the run."""
        self.now += round(seconds * MICROSECONDS)
        return self

    def start(self, value: Value = None) -> list[Fact]:
        request = StartRun(run_id=self.setting.run_id, workflow=self.workflow, input=value)
        return self.give(
            i.Start(request=request, workflow_version=self.version, options=self.setting.options)
        )

    def place(
        self,
        step: str,
        node: str = "n1",
        incarnation: str = "i1",
        build_id: str = "",
        transactional: bool = False,
    ) -> list[Fact]:
        return self.give(
            i.Place(
                step=step,
                node=node,
                incarnation=incarnation,
                placement=Placement(),
                build_id=build_id,
                transactional=transactional,
            )
        )

    def repin(self, build: str, reason: str = "") -> list[Fact]:
        return self.give(i.Repin(build=build, reason=reason))

    def report(self, report: m.Report) -> list[Fact]:
        return self.give(i.Reported(report=report))

    def complete(self, step: str, output: Value = None) -> list[Fact]:
        return self.report(m.Completed(attempt=self.attempt(step), output=output))

    def fail(
        self, step: str, code: str = "boom", retryable: bool = True, retry_after_s: float = 0.0
    ) -> list[Fact]:
        return self.report(
            m.Failed(
                attempt=self.attempt(step),
                failure=Failure(code=code),
                retryable=retryable,
                retry_after_s=retry_after_s,
            )
        )

    def give_back(
        self, step: str, reason: LossReason = "recalled", started: bool = False
    ) -> list[Fact]:
        return self.report(m.Returned(attempt=self.attempt(step), reason=reason, started=started))

    def lose(self, step: str, reason: LossReason = "node_lost") -> list[Fact]:
        return self.give(i.AttemptLost(attempt=self.attempt(step), reason=reason))

    def due(self, after_s: float = 0.0) -> list[Fact]:
        """Lets time pass and fires what is due then."""
        self.wait(after_s)
        return self.give(i.Due())

    def cancel(self, reason: str = "") -> list[Fact]:
        return self.give(i.Cancel(reason=reason))

    def end_child(self, step: str, child: RunState) -> list[Fact]:
        """The run hears of the end of the one that a step of it had."""
        ended = i.ChildEnded(
            step=step,
            run_id=child.run_id,
            status=child.status,
            output=child.output,
            failure=child.failure,
        )
        return self.give(ended)

    def signal(
        self, name: str, data: Value = None, signal_id: str = "", correlation: Value = None
    ) -> list[Fact]:
        """Sends a signal, under an id of its own unless it is given one."""
        self._signals += 1
        signal_id = signal_id or f"signal-{self._signals}"
        return self.give(i.Signal(id=signal_id, name=name, data=data, correlation=correlation))

    def update(self, name: str, data: Value = None, update_id: str = "") -> list[Fact]:
        """Sends an update, under an id of its own unless it is given one."""
        self._signals += 1
        update_id = update_id or f"update-{self._signals}"
        return self.give(i.Update(id=update_id, name=name, data=data))

    def pause(self, reason: str = "") -> list[Fact]:
        return self.give(i.Pause(reason=reason))

    def resume(self, reason: str = "") -> list[Fact]:
        return self.give(i.Resume(reason=reason))

    def fork(
        self, run_id: str, source_version: int, variables: dict[str, Value] | None = None
    ) -> list[Fact]:
        """Makes the state, which is the source's, the fork's."""
        return self.give(
            i.Fork(run_id=run_id, source_version=source_version, variables=variables or {})
        )

    # -- operators --------------------------------------------------------------------------------

    def halt(self, *steps: str) -> list[Fact]:
        """Somebody waits for what became of the transactions of these steps, or of all."""
        among = steps or tuple(self.state.steps)
        return self.give(i.Halt(steps=among, by="user:op", reason="so"))

    def skip(self, step: str, output: Value = None, action_id: str = "") -> list[Fact]:
        return self._result(step, "skipped", output, action_id)

    def complete_for(self, step: str, output: Value = None, action_id: str = "") -> list[Fact]:
        return self._result(step, "completed", output, action_id)

    def _result(self, step: str, status: GivenStatus, output: Value, given: str) -> list[Fact]:
        action_id, by = self._action_id(given), "user:op"
        return self.give(
            i.GiveResult(id=action_id, step=step, status=status, output=output, by=by, reason="so")
        )

    def fail_for(
        self, step: str, code: str = "given_up", action_id: str = "", unsettled: bool = False
    ) -> list[Fact]:
        failure = Failure(code=code, message="so")
        return self.give(
            i.GiveResult(
                id=self._action_id(action_id),
                step=step,
                status="failed",
                failure=failure,
                by="user:op",
                unsettled=unsettled,
            )
        )

    def move(
        self, step: str, to: str = "", off: tuple[str, ...] = (), action_id: str = ""
    ) -> list[Fact]:
        given = self._action_id(action_id)
        return self.give(i.Move(id=given, step=step, to=to, off=off, by="user:op", reason="so"))

    def terminate(self, reason: str = "enough", unsettled: bool = False) -> list[Fact]:
        return self.give(i.Terminate(by="user:op", reason=reason, unsettled=unsettled))

    def restore(
        self,
        version: int,
        action_id: str = "",
        mode: RestoreMode = "resume",
        steps: tuple[str, ...] = (),
        unsettled: bool = False,
    ) -> list[Fact]:
        """Goes back to a version, with the signals received since."""
        since = tuple(
            KeptSignal(id=fact.id, name=fact.name, data=fact.data, correlation=fact.correlation)
            for fact in self.facts[version:]
            if isinstance(fact, SignalReceived)
        )
        given = i.Restore(
            id=self._action_id(action_id),
            version=version,
            earlier=restored(self.states[version - 1]),
            signals=since,
            mode=mode,
            steps=steps,
            by="user:op",
            reason="back",
            unsettled=unsettled,
        )
        return self.give(given)

    def _action_id(self, given: str) -> str:
        self._signals += 1
        return given or f"action-{self._signals}"

    # -- many at a time ---------------------------------------------------------------------------

    def place_all(self) -> None:
        for step in list(self.state.ready):
            self.place(step)

    def run(self, *steps: str, output: Value = None) -> list[Fact]:
        """Places and completes these steps one after the other; returns the last one's facts."""
        facts: list[Fact] = []
        for step in steps:
            self.place(step)
            facts = self.complete(step, output)
        return facts

    def finish(self) -> "Play":
        """An undisturbed, patient environment: whatever the run waits for comes about."""
        for _ in range(10_000):
            state = self.state
            if state.terminal:
                return self
            if state.paused is not None:
                self.resume()
            self.place_all()
            for step in list(state.outstanding):
                if step in state.outstanding:
                    self.answer(step)
            for step, name in list(state.awaiting.items()):
                if state.awaiting.get(step) == name:
                    self.signal(name, correlation=state.steps[step].correlation)
            is_ready = state.halted is None and state.ready
            if not (is_ready or state.outstanding or state.awaiting or state.terminal):
                assert state.next_due_at is not None, "open, with nothing to wait for"
                self.now = max(self.now, state.next_due_at)
                assert self.give(i.Due()), "due, and nothing follows: a busy loop"
        raise AssertionError(f"no end in sight: {self.state}")

    def answer(self, step: str) -> list[Fact]:
        """What a good node does about the command that it has: completes, or gives back."""
        if self.state.closing is not None or self.state.steps[step].recalled:
            return self.give_back(step)
        return self.complete(step)

    # -- looking ----------------------------------------------------------------------------------

    def attempt(self, step: str) -> Attempt:
        return self.state.attempt_of(step)

    def step(self, step: str) -> StepState:
        return self.state.steps[step]

    def in_s(self, instant: int | None) -> float | None:
        """How many seconds from now an instant is."""
        return None if instant is None else (instant - self.now) / MICROSECONDS

    def timers(self) -> dict[str, float]:
        return {k: (at - self.now) / MICROSECONDS for k, at in self.state.timers.items()}

    # -- history ----------------------------------------------------------------------------------

    def stored(self) -> list[Stored]:
        head = Head(run_stream(self.setting.run_id))
        return [
            seal(head, fact, f"e{number}", Stamp(recorded_at=at))
            for number, (fact, at) in enumerate(zip(self.facts, self.instants, strict=True))
        ]

    def check_replay(self) -> None:
        """The stored facts, decoded and folded, give the state of every version byte by byte."""
        assert replayed(self.stored(), self.base, self.before) == self.states


def part_run(play: Play, step: str, items: list[Value] | None = None) -> Play:
    """The run of a part of a map, as a coordinator starts it; `items` where they are stored."""
    state = play.state
    part, found, _ = part_of(state, step)
    if items is not None:
        found = msgspec.structs.replace(found, items=items)
    run_id = state.calls[step]
    run = Play(play.net, msgspec.structs.replace(play.setting, run_id=run_id), play.expressions)
    run.now = play.now
    origin = Origin(kind="parent", run_id=state.run_id, step=step, depth=1)
    request = StartRun(run_id=run_id, workflow=state.workflow, origin=origin)
    version, options = state.workflow_version, state.options
    run.give(
        i.Start(request=request, workflow_version=version, options=options, part=part, mapped=found)
    )
    return run


def replayed(
    stored: Iterable[Stored],
    base: RunState | None = None,
    before: Sequence[bytes] = (),
) -> list[bytes]:
    """The bytes of the state after each event, folded onto nothing or onto a fork's source.
    `before`: those of the versions that went before, where it begins in the middle."""
    state = copy(base) if base is not None else RunState()
    states: list[bytes] = []
    catalogue = Catalogue()
    for one in stored:
        event = unseal(one, catalogue)
        if isinstance(event.fact, RunRestored):
            rewind(state, restored([*before, *states][event.fact.version - 1]))
        evolve(state, event.fact, event.header.recorded_at)
        states.append(serialise(state))
    return states


def copy(state: RunState) -> RunState:
    """The same state that shares nothing with the other."""
    return msgspec.json.decode(encode(state), type=RunState)


def names(facts: Sequence[Fact]) -> list[str]:
    """What the facts are, without `.v1`."""
    return [fact.TYPE.rpartition(".")[0] for fact in facts]


def started(definition: d.Definition, setting: Setting = Setting(), value: Value = None) -> Play:
    """A run of `definition` that has just been started."""
    expressions = CelExpressions()
    play = Play(index(definition, expressions), setting, expressions)
    play.start(value)
    return play
