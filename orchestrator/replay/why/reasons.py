"""Reasons: why an event came about, why a step is as it is, why a run ended as it did.

Nothing is inferred that was not recorded: a decision is a fact with the values that it saw. What a
fact only names (a timeout, a policy) is looked up in the net that the run has kept, and what it was
decided on in the state before it.

    sentence   for a person
    decision   the record behind it, as data
    trigger    what set it off from outside, by the envelope: a request, a report, a timer …
    chain      the events that led to it, from the origin on
    effects    the events that followed from it
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Literal

import msgspec

from events import run_facts as r
from events import task_facts as t
from events.envelope import Header
from events.errors import Rejected
from events.facts import Fact
from events.limits import CHAIN_SHOWN_MAX
from events.values import Value
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.state import RunState
from orchestrator.replay.contents import step_of
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.recording import Recording
from orchestrator.replay.traces import Place
from orchestrator.replay.why.causes import ASKED, REMARKS
from orchestrator.replay.why.operator_sentences import OF_OPERATORS
from orchestrator.replay.why.run_sentences import OF_RUNS
from orchestrator.replay.why.task_sentences import OF_TASKS
from orchestrator.replay.why.telling import Said, Told, listed, when

TriggerKind = Literal[
    "request", "report", "run", "timer", "loss", "placement", "operator", "decision"
]

SENTENCES: Mapping[type[Fact], Callable[..., Said]] = {**OF_RUNS, **OF_TASKS, **OF_OPERATORS}
"""Each fact of a run says its reason; a test holds this complete."""

TIMED = (t.TaskRetryDue, r.RunTimedOut, r.GroupGivenUp, r.ChildCalled)
TERMINAL = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)


class ReasonPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the parts of a reason; what equals its default is left out of the JSON."""


class Trigger(ReasonPart, frozen=True, kw_only=True):
    """What set an event off. `by`: who, as the envelope says; `what`: the request, the attempt that
    was reported, the other run. A `decision` follows from the event before it, at once."""

    kind: TriggerKind
    by: str = ""
    what: str = ""


class Link(ReasonPart, frozen=True, kw_only=True):
    """An event in a chain; of another run where that is a fork. `left_out`: so many events lie
    between the one before in the chain and this one, and are not told."""

    version: int
    type: str
    at: int
    sentence: str
    run_id: str = ""
    step: str = ""
    left_out: int = 0


class Reason(ReasonPart, frozen=True, kw_only=True):
    """Why the event at a version came about. `causes`: the events that it followed from directly,
    the one that set it off first; a join has several. `runs`: other runs that have to do with it.
    """

    run_id: str
    version: int
    type: str
    at: int
    sentence: str
    trigger: Trigger
    step: str = ""
    decision: dict[str, Value] = {}
    causes: tuple[Link, ...] = ()
    chain: tuple[Link, ...] = ()
    effects: tuple[Link, ...] = ()
    effects_count: int = 0
    runs: tuple[str, ...] = ()


class StepReason(ReasonPart, frozen=True, kw_only=True):
    """Why a step is as it is at a version. `reason`: of the event that made it so; None for a step
    that was never reached. `waits_for`: what an open one needs. `instances`: those that there are
    of a step inside a loop or a map, when no instance was named."""

    run_id: str
    version: int
    step: str
    status: str
    sentence: str
    reason: Reason | None = None
    history: tuple[Link, ...] = ()
    waits_for: str = ""
    instances: tuple[str, ...] = ()


def why_event(recording: Recording, version: int) -> Reason:
    """Why the event at a version came about. Raises `Rejected` for a version that is not there.
    O(events) the first time, then O(way to a keyframe)."""
    header, fact = recording.decoded(version)
    before = Cursor(recording).to(version - 1).state
    said = say(recording, header, fact, before)
    causes, effects = recording.causes.of(version), recording.causes.effects(version)
    own = (Place(recording.run_id, one) for one in effects[:CHAIN_SHOWN_MAX])
    return Reason(
        run_id=recording.run_id,
        version=version,
        type=header.type,
        at=header.recorded_at,
        sentence=said.sentence,
        trigger=trigger_of(recording, version, header, fact),
        step=step_of(fact),
        decision=said.decision,
        causes=tuple(link(recording, place) for place in causes[:CHAIN_SHOWN_MAX]),
        chain=_chain(recording, version),
        effects=tuple(link(recording, place) for place in own),
        effects_count=len(effects),
        runs=tuple(dict.fromkeys(_runs(fact))),
    )


def why_run(recording: Recording, version: int | None = None) -> Reason:
    """Why the run is as it is at a version, its last one by default: of what has ended the event
    that ended it, of an open run the newest decision. Raises `Rejected` before the first event."""
    last = recording.last if version is None else version
    while last > 1 and isinstance(recording.fact(last), REMARKS):
        last -= 1
    return why_event(recording, last)


def why_step(recording: Recording, step: str, version: int | None = None) -> StepReason:
    """Why a step, or one instance of it, is as it is at a version. Raises `Rejected` for a step
    that the workflow does not have."""
    at = recording.last if version is None else version
    state = Cursor(recording).to(at).state
    places = recording.traces.step(step, at)
    if not places:
        return _unseen(recording, step, at, state)
    decisive = _decisive(recording, step, places)
    there = recording.of(decisive.run_id)
    reason = why_event(there, decisive.version)
    status = _status(state, step, recording, decisive)
    waits_for = _awaited(state, step)
    return StepReason(
        run_id=recording.run_id,
        version=at,
        step=step,
        status=status,
        sentence=f"{step} is {status}: {reason.sentence}"
        f"{f'; it waits for {waits_for}' if waits_for else ''}",
        reason=reason,
        history=tuple(link(recording, place) for place in places[-CHAIN_SHOWN_MAX:]),
        waits_for=waits_for,
    )


# -- links ----------------------------------------------------------------------------------------


def say(recording: Recording, header: Header, fact: Fact, before: RunState | None = None) -> Said:
    """What an event says; without the state before it, in short."""
    return SENTENCES[type(fact)](Told(fact, header, recording.net_index, before))


def link(recording: Recording, place: Place, left_out: int = 0) -> Link:
    """An event as it stands in a chain."""
    there = recording.of(place.run_id)
    header, fact = there.decoded(place.version)
    return Link(
        version=place.version,
        type=header.type,
        at=header.recorded_at,
        sentence=say(there, header, fact).sentence,
        run_id="" if there is recording else place.run_id,
        step=step_of(fact),
        left_out=left_out,
    )


def _chain(recording: Recording, version: int) -> tuple[Link, ...]:
    """From the origin to the event before: of a long one its ends."""
    places = list(recording.causes.chain(version))[:0:-1]
    if len(places) <= CHAIN_SHOWN_MAX:
        return tuple(link(recording, place) for place in places)
    head, tail = CHAIN_SHOWN_MAX // 4, CHAIN_SHOWN_MAX - CHAIN_SHOWN_MAX // 4
    left_out = len(places) - head - tail
    first = [link(recording, place) for place in places[:head]]
    bridge = link(recording, places[-tail], left_out)
    return (*first, bridge, *(link(recording, place) for place in places[1 - tail :]))


def trigger_of(recording: Recording, version: int, header: Header, fact: Fact) -> Trigger:
    """What set an event off, by its envelope and its content."""
    causation, actor = header.causation, header.actor
    by = getattr(fact, "by", "") or (actor if actor != "system" else "")
    if isinstance(fact, ASKED) and not causation:
        return Trigger(kind="operator" if getattr(fact, "by", "") else "request", by=by)
    if _follows_at_once(recording, version, header):
        return Trigger(kind="decision", by=by)
    if actor.startswith("node:"):
        return Trigger(kind="report", by=actor, what=causation)
    if causation.startswith("run:"):
        return Trigger(kind="run", by=actor, what=causation.removeprefix("run:"))
    if causation:
        return Trigger(kind="request", by=by, what=causation)
    return Trigger(kind=_of_its_own(fact), by=by)


def _of_its_own(fact: Fact) -> TriggerKind:
    """What moved the coordinator when nobody asked for anything."""
    if isinstance(fact, t.TaskDispatched | t.TaskPending):
        return "placement"
    if getattr(fact, "kind", "") == "lost" or getattr(fact, "loss", None):
        return "loss"
    if isinstance(fact, TIMED) or "timeout" in getattr(fact, "code", ""):
        return "timer"
    if getattr(fact, "kind", "") == "timed_out" or getattr(fact, "status", "") == "timed_out":
        return "timer"
    if isinstance(fact, r.WaitEnded) and not fact.signal:
        return "timer"
    return "decision"


def _follows_at_once(recording: Recording, version: int, header: Header) -> bool:
    """Whether it belongs to the decision of its cause, which is the event before or another of the
    same input at the same instant."""
    causes = recording.causes.of(version)
    if not causes or causes[0].run_id != recording.run_id:
        return False
    first = min(version - 1, max(cause.version for cause in causes))
    return all(
        _same_input(recording.decoded(one)[0], header) for one in range(first, version)
    ) and not isinstance(recording.fact(version), t.TaskDispatched | t.TaskPending)


def _same_input(one: Header, other: Header) -> bool:
    return (one.recorded_at, one.actor, one.causation) == (
        other.recorded_at,
        other.actor,
        other.causation,
    )


def _runs(fact: Fact) -> Iterable[str]:
    """Other runs that a fact names."""
    if isinstance(fact, r.RunForked):
        yield fact.source_run_id
    if isinstance(fact, r.RunStarted | r.RunForked) and fact.origin.run_id:
        yield fact.origin.run_id
    if isinstance(fact, r.ChildCalled):
        yield fact.call.run_id
    if isinstance(fact, r.ChildCompleted | r.ChildFailed | r.MapPartCompleted):
        yield fact.run_id
    flow = getattr(fact, "flow", None)
    if flow is not None:
        yield from (one.run_id for one in flow.calls)


# -- steps ----------------------------------------------------------------------------------------


def _decisive(recording: Recording, step: str, places: list[Place]) -> Place:
    """Where a choice was made, that; else the newest event that is more than a remark, or says why
    the step waits."""
    facts = [(place, recording.at_place(place)[1]) for place in reversed(places)]
    for place, fact in facts:
        flow = getattr(fact, "flow", None)
        if flow is not None and any(one.step == step for one in flow.choices):
            return place
    telling = (
        place
        for place, fact in facts
        if isinstance(fact, t.TaskPending) or not isinstance(fact, (*REMARKS, *TERMINAL))
    )
    return next(telling, places[-1])


def _status(state: RunState, step: str, recording: Recording, decisive: Place) -> str:
    known = state.steps.get(step)
    if known is not None:
        return known.status
    fact = recording.at_place(decisive)[1]
    ends = {t.TaskCompleted: "completed", t.TaskFailed: "failed", t.TaskCancelled: "cancelled"}
    return ends.get(type(fact), "passed")


def _awaited(state: RunState, step: str) -> str:
    """What an open step needs to go on."""
    known = state.steps.get(step)
    if known is None or state.terminal:
        return ""
    if step in state.outstanding:
        return f"the report of {known.node}"
    if step in state.calls:
        return f"run {state.calls[step]}"
    if step in state.awaiting:
        return f"signal {state.awaiting[step]}"
    for what in ("retry", "wait", "until", "defer"):
        if due_at := state.timers.get(f"{what}:{step}"):
            return f"its time, {when(due_at)}"
    if step in state.ready:
        if state.paused is not None:
            return "the run to be resumed"
        return f"a node ({known.obstacle}: {known.obstacle_detail})" if known.obstacle else "a node"
    return ""


def _unseen(recording: Recording, step: str, at: int, state: RunState) -> StepReason:
    """Of a step that nothing was said of: instances of it, or why it was not reached."""
    instances = [
        name
        for name in recording.traces.steps
        if static_of(name) == step and recording.traces.step(name, at)
    ]
    net = recording.net
    known = net is None or any(one.id == step for one in net.steps)
    if not instances and not (known and static_of(step) == step):
        raise Rejected(_no_such(recording, step))
    if instances:
        status, sentence = "several", f"{step} is there {len(instances)} times: name one of them"
    else:
        status, sentence = "not reached", f"{step} was not reached{_before(recording, step, state)}"
    return StepReason(
        run_id=recording.run_id,
        version=at,
        step=step,
        status=status,
        sentence=sentence,
        instances=tuple(islice(instances, CHAIN_SHOWN_MAX)),
    )


def _no_such(recording: Recording, step: str) -> str:
    net = recording.net
    names = [one.name for one in net.steps if one.name] if net is not None else []
    known = f"; its steps: {listed(names)}" if names else ""
    return f"run {recording.run_id} of {recording.workflow} has no step {step!r}{known}"


def _before(recording: Recording, step: str, state: RunState) -> str:
    """What stands before a step that was not reached."""
    index, names = recording.net_index, list[str]()
    waiting = [step]
    seen_steps = set[str]()
    while index is not None and waiting:
        for arc_id in index.steps[waiting.pop()].incoming:
            source = index.steps[index.arcs[arc_id].source].step
            if source.id in seen_steps:
                continue
            seen_steps.add(source.id)
            if source.name:
                names.append(source.id)
            else:
                waiting.append(source.id)
    told = [f"{name} is {_state_of(state, name)}" for name in names]
    end = f", and the run is {state.status}" if state.terminal else ""
    return f": before it, {listed(told)}{end}" if told else end


def _state_of(state: RunState, name: str) -> str:
    known = state.steps.get(name)
    return "not reached" if known is None else known.status
