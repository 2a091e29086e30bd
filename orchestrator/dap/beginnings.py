"""Beginnings: which steps an event begins, which it ends, what failed in it, what it set.

Read from the fact alone, so that going through a history for a place to stop at folds nothing. An
event may begin several steps, one after the other without a task in between: they are given in the
order of the definition, and a session stops at each of them by itself.
"""

from collections.abc import Iterator

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.facts import Fact, Failure, Flow
from events.run_facts import Renewed
from orchestrator.dap.layout import Layout


def flow_in(fact: Fact) -> Flow | None:
    flow = getattr(fact, "flow", None)
    return flow if isinstance(flow, Flow) else None


def begun(fact: Fact, layout: Layout) -> tuple[str, ...]:
    """The instances of steps that begin, in the order in which they stand."""
    found = dict.fromkeys(_begun(fact, layout))
    return tuple(sorted((one for one in found if one in layout), key=layout.order))


def _begun(fact: Fact, layout: Layout) -> Iterator[str]:
    flow = flow_in(fact)
    if flow is not None:
        yield from _in_flow(flow, layout)
    renewed = getattr(fact, "renewed", ())
    yield from (one.step for one in renewed if isinstance(one, Renewed))


def _in_flow(flow: Flow, layout: Layout) -> Iterator[str]:
    yield from flow.entered
    yield from (name for name in flow.left if layout.is_set(name))
    for reached in (flow.enabled, flow.waiting, flow.loops, flow.maps, flow.calls, flow.limited):
        yield from (one.step for one in reached)
    for choice in flow.choices:
        yield choice.step
    for stuck in flow.stuck:
        yield stuck.step


ENDING = (
    *(t.TaskCompleted, t.TaskFailed, t.TaskCancelled, r.WaitEnded, r.ChildCompleted),
    *(r.MapCompleted, r.MapPartCompleted, o.ResultGiven),
)


def ended(fact: Fact, layout: Layout) -> tuple[str, ...]:
    """The instances that are over with this event, those that it cancels or skips included."""
    found: dict[str, None] = {}
    if isinstance(fact, ENDING):
        found[fact.step] = None
    if isinstance(fact, r.LoopAdvanced) and fact.index is None:
        found[fact.step] = None
    flow = flow_in(fact)
    if flow is not None:
        found |= dict.fromkeys((*flow.left, *flow.skipped))
    found |= dict.fromkeys(
        getattr(fact, "cancelled", ()) if not isinstance(fact, r.MapDecided) else ()
    )
    return tuple(one for one in found if one in layout)


def about(fact: Fact) -> str:
    """The instance that the event is about; empty for those of the run itself."""
    step = getattr(fact, "step", "")
    if isinstance(fact, r.ChildCalled):
        return fact.call.step
    return step if isinstance(step, str) else ""


class Failed(msgspec.Struct, frozen=True):
    """Something failed: an attempt, a step for good, or the run."""

    filter: str
    step: str
    failure: Failure
    why: str = ""


ATTEMPT, STEP, RUN = "attempt_failed", "step_failed", "run_failed"


def failed(fact: Fact) -> tuple[Failed, ...]:
    """What failed in this event. An attempt that is the last one failed as well."""
    match fact:
        case t.AttemptFailed() | r.ChildFailed():
            return (Failed(ATTEMPT, fact.step, fact.failure, fact.why),)
        case t.TaskFailed():
            last = Failed(ATTEMPT, fact.step, fact.failure, fact.why)
            return last, Failed(STEP, fact.step, fact.failure, fact.why), *_stuck(fact)
        case r.RunFailed():
            return (Failed(RUN, fact.step, fact.failure),)
        case r.RunTimedOut():
            return (Failed(RUN, "", fact.failure),)
        case o.ResultGiven(failure=Failure() as failure):
            return Failed(STEP, fact.step, failure, f"by {fact.by}"), *_stuck(fact)
        case r.MapDecided(failure=Failure() as failure) | r.GroupGivenUp(failure=failure):
            return Failed(STEP, fact.step, failure), *_stuck(fact)
        case _:
            return _stuck(fact)


def _stuck(fact: Fact) -> tuple[Failed, ...]:
    """Steps that were reached and could not act."""
    flow = flow_in(fact)
    return () if flow is None else tuple(Failed(STEP, s.step, s.failure) for s in flow.stuck)


def changed(fact: Fact) -> tuple[str, ...]:
    """What it may have changed of what expressions read: `vars.total`, `steps.price.output`. A
    beginning that takes over another history changes all: `*`."""
    if isinstance(fact, r.RunForked | o.RunRestored):
        return ("*",)
    found = [f"steps.{one}.output" for one in (about(fact),) if one and isinstance(fact, ENDING)]
    if isinstance(fact, r.LoopAdvanced) and fact.index is None:
        found.append(f"steps.{fact.step}.output")
    flow = flow_in(fact)
    names = dict.fromkeys(flow.variables if flow is not None else ())
    if isinstance(fact, r.UpdateAccepted):
        names |= dict.fromkeys(fact.variables)
    return *(f"vars.{name}" for name in names), *found
