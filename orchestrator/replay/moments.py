"""Moments: all that was so of a run at one version, as one value that is JSON.

Instants are microseconds since the epoch, UTC, as in events. Steps and arcs are named as instances:
those inside a loop or a map with the number of the iteration, `parse[3]`.
"""

from collections.abc import Collection, Iterable

import msgspec

from events.facts import Failure
from events.net import Map as MapAction
from events.net import Net, NetStep
from events.net import Task as TaskAction
from events.policies import Origin
from events.values import Value
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.mapstate import MapState
from orchestrator.kernel.state import Action, Closing, Paused, RunState, StepState
from orchestrator.replay.attempts import AttemptAt, attempts_of
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.traces import Place


class MomentPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the parts of a moment; what equals its default is left out of the JSON."""


class TokenAt(MomentPart, frozen=True, kw_only=True):
    """`count` tokens wait on an arc, from one step to another, in the scope of the latter."""

    arc: str
    count: int
    source: str = ""
    target: str = ""
    scope: str = ""


class VariableAt(MomentPart, frozen=True, kw_only=True):
    """`version`: of the event that has set it last; in the run `run_id`, when that is not this one
    but one that it was forked from."""

    value: Value
    version: int = 0
    run_id: str = ""


class MapAt(MomentPart, frozen=True, kw_only=True):
    """How far a map is."""

    count: int
    begun: int = 0
    open: int = 0
    completed: int = 0
    failed: int = 0
    decided: bool = False


class StepAt(MomentPart, frozen=True, kw_only=True):
    """A step instance. `kind`: what it is, as in the net; empty where that is not known."""

    name: str
    status: str
    kind: str = ""
    scope: str = ""
    generation: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    output: Value = None
    failure: Failure | None = None
    handled: bool = False
    iteration: int | None = None
    map: MapAt | None = None
    run_id: str = ""
    """Of the child run that it has."""


class TaskAt(StepAt, frozen=True, kw_only=True):
    """A task, and each attempt of it so far."""

    task: str = ""
    inputs: dict[str, Value] = {}
    attempts: tuple[AttemptAt, ...] = ()
    next_attempt_at: int | None = None
    obstacle: str = ""
    """Why it is not placed yet."""
    outcome: str = ""
    progress: Value = None
    target: str = ""
    off: tuple[str, ...] = ()


class TimerAt(MomentPart, frozen=True, kw_only=True):
    """`what` ends: run, start, close, execute, defer, retry, wait, until, within or halt."""

    what: str
    due_at: int
    step: str = ""


class SignalAt(MomentPart, frozen=True, kw_only=True):
    """One that no step has taken yet."""

    id: str
    name: str
    data: Value = None
    correlation: Value = None


class WaitAt(MomentPart, frozen=True, kw_only=True):
    """What a step, or the run, waits for: signal, timer, run, retry, token, placement or node."""

    kind: str
    step: str = ""
    name: str = ""
    due_at: int | None = None


class LeaseAt(MomentPart, frozen=True, kw_only=True):
    """A node's right to run and report an attempt. `token`: what fences the effects of others."""

    step: str
    attempt: int
    node: str
    incarnation: str
    token: int
    generation: int = 0
    since: int | None = None


class CommandAt(MomentPart, frozen=True, kw_only=True):
    """What a node is to do: `execute` an attempt, or `cancel` it, for the reason `code`."""

    kind: str
    step: str
    attempt: int
    node: str
    code: str = ""


class Moment(MomentPart, frozen=True, kw_only=True):
    """Everything that the events up to `version` say of the run."""

    run_id: str
    version: int
    last: int
    status: str
    at: int = 0
    event: str = ""
    """The type of the event that led here; empty before the first."""
    workflow: str = ""
    workflow_version: str = ""
    input: Value = None
    output: Value = None
    failure: Failure | None = None
    failed_step: str = ""
    origin: Origin = Origin()
    started_at: int | None = None
    ended_at: int | None = None
    generation: int = 0
    paused: Paused | None = None
    closing: Closing | None = None
    marking: tuple[TokenAt, ...] = ()
    variables: dict[str, VariableAt] = {}
    steps: tuple[StepAt, ...] = ()
    tasks: tuple[TaskAt, ...] = ()
    timers: tuple[TimerAt, ...] = ()
    signals: tuple[SignalAt, ...] = ()
    leases: tuple[LeaseAt, ...] = ()
    commands: tuple[CommandAt, ...] = ()
    waits: tuple[WaitAt, ...] = ()
    actions: tuple[Action, ...] = ()


def moment_of(cursor: Cursor, only: Collection[str] | None = None) -> Moment:
    """How it is where the cursor stands; of steps those named in `only`, in its order, when it is
    given. O(state), and O(events) the first time."""
    state, recording, version = cursor.state, cursor.recording, cursor.version
    teller = _Teller(cursor)
    steps = teller.steps(state.steps if only is None else only)
    return Moment(
        run_id=recording.run_id,
        version=version,
        last=recording.last,
        at=recording.at(version) if version else 0,
        event=recording.type(version) if version else "",
        status=state.status,
        workflow=state.workflow,
        workflow_version=state.workflow_version,
        input=state.input,
        output=state.output,
        failure=state.failure,
        failed_step=state.failed_step,
        origin=state.origin,
        started_at=state.started_at or None,
        ended_at=state.ended_at,
        generation=state.generation,
        paused=state.paused,
        closing=state.closing,
        marking=tuple(_token(arc, count, teller.net) for arc, count in state.tokens.items()),
        variables={name: teller.variable(name) for name in state.variables},
        steps=tuple(step for step in steps if not isinstance(step, TaskAt)),
        tasks=tuple(step for step in steps if isinstance(step, TaskAt)),
        timers=tuple(_timer(key, due_at) for key, due_at in state.timers.items()),
        signals=tuple(
            SignalAt(id=key, name=one.name, data=one.data, correlation=one.correlation)
            for key, one in state.signals.items()
        ),
        leases=tuple(_lease(state, step) for step in state.outstanding),
        commands=tuple(_command(state, step) for step in state.outstanding),
        waits=tuple(_waits(state)),
        actions=tuple(state.actions),
    )


class _Teller:
    """Tells of steps and variables what the state alone does not know."""

    def __init__(self, cursor: Cursor) -> None:
        self._state, self._version = cursor.state, cursor.version
        self._recording = cursor.recording
        self.net = cursor.recording.net
        self._net_steps: dict[str, NetStep] = (
            {} if self.net is None else {step.id: step for step in self.net.steps}
        )

    def variable(self, name: str) -> VariableAt:
        place = self._recording.traces.variable(name, self._version) or Place("", 0)
        run_id = "" if place.run_id == self._recording.run_id else place.run_id
        value = self._state.variables[name]
        return VariableAt(value=value, version=place.version, run_id=run_id)

    def steps(self, names: Iterable[str]) -> "list[StepAt]":
        return [self._step(name, self._state.steps[name]) for name in names]

    def _step(self, name: str, one: StepState) -> StepAt:
        net_step = self._net_steps.get(static_of(name))
        action = None if net_step is None else net_step.action
        is_item = bool(self._state.map_of(name))
        kind = "item" if is_item else "" if action is None else type(action).__name__.lower()
        step = StepAt(
            name=name,
            status=one.status,
            kind=kind,
            scope="" if net_step is None else net_step.scope,
            generation=one.generation,
            started_at=one.started_at,
            ended_at=one.ended_at,
            output=one.output,
            failure=one.failure,
            handled=one.handled,
            iteration=None if one.loop is None else one.loop.index,
            map=None if one.map is None else _map(one.map),
            run_id=self._state.calls.get(name, ""),
        )
        if not isinstance(action, TaskAction) and one.ready_at is None:
            return step
        attempts = attempts_of(self._recording, name, self._version)
        return _task(step, one, attempts, action)


def _task(step: StepAt, one: StepState, attempts: tuple[AttemptAt, ...], action: object) -> TaskAt:
    task = action.body if isinstance(action, MapAction) else action
    return TaskAt(
        **msgspec.structs.asdict(step),
        task=task.task if isinstance(task, TaskAction) else "",
        inputs=one.inputs,
        attempts=attempts,
        next_attempt_at=one.next_attempt_at,
        obstacle=": ".join(filter(None, (one.obstacle, one.obstacle_detail))),
        outcome=one.outcome,
        progress=one.details,
        target=one.target,
        off=one.off,
    )


def _map(found: MapState) -> MapAt:
    return MapAt(
        count=found.count,
        begun=found.cursor,
        open=found.open,
        completed=found.completed,
        failed=found.failed,
        decided=found.decided is not None,
    )


def _token(arc: str, count: int, net: Net | None) -> TokenAt:
    known = None if net is None else next((a for a in net.arcs if a.id == static_of(arc)), None)
    if net is None or known is None:
        return TokenAt(arc=arc, count=count)
    scope = next((step.scope for step in net.steps if step.id == known.target), "")
    return TokenAt(arc=arc, count=count, source=known.source, target=known.target, scope=scope)


def _timer(key: str, due_at: int) -> TimerAt:
    what, _, step = key.partition(":")
    return TimerAt(what=what, due_at=due_at, step=step)


def _lease(state: RunState, name: str) -> LeaseAt:
    step = state.steps[name]
    return LeaseAt(
        step=name,
        attempt=step.attempt,
        node=step.node,
        incarnation=step.incarnation,
        token=step.token,
        generation=step.generation,
        since=step.dispatched_at,
    )


def _command(state: RunState, name: str) -> CommandAt:
    """As the kernel derives it: to give back, or else to execute."""
    step, closing = state.steps[name], state.closing
    code = step.recalled
    if closing is not None and step.settling is None:
        code = closing.status
    kind = "cancel" if code else "execute"
    return CommandAt(kind=kind, step=name, attempt=step.attempt, node=step.node, code=code)


def _waits(state: RunState) -> list[WaitAt]:
    timers = state.timers
    found = [
        WaitAt(kind="signal", step=step, name=name, due_at=timers.get(f"wait:{step}"))
        for step, name in state.awaiting.items()
    ]
    for key, due_at in timers.items():
        what, _, step = key.partition(":")
        if what in {"wait", "until"} and step not in state.awaiting:
            found.append(WaitAt(kind="timer", step=step, due_at=due_at))
        elif what == "retry":
            found.append(WaitAt(kind="retry", step=step, due_at=due_at))
    found += (WaitAt(kind="run", step=step, name=run) for step, run in state.calls.items())
    found += (
        WaitAt(kind="token", step=step, due_at=timers.get(f"defer:{step}"))
        for step in state.deferred
    )
    found += (
        WaitAt(kind="placement", step=step, name=state.steps[step].obstacle) for step in state.ready
    )
    found += (
        WaitAt(kind="node", step=step, name=state.steps[step].node) for step in state.outstanding
    )
    return found
