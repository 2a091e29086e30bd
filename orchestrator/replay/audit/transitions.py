"""Transitions: which facts are allowed in which status of the run, and of the step they are about.

The fold relies on these without looking; here they are looked at. A fact that is in neither table
is judged by the states that follow it. What restores a run is judged in the state that it goes back
to.

    a run:   none ──► running ◄──► paused
                         │            │
                         ├► closing ◄─┤     closing: the end is decided, nothing new is given out
                                              but attempts that settle a transactional task;
                                              the same while an operator waits for these
                         ▼     ▼      ▼
                        ended, for ever
"""

from collections.abc import Iterator, Mapping

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.facts import Fact
from orchestrator.kernel.state import RunState

RUNNING = frozenset({"running"})
GOING = frozenset({"running", "paused"})
OPEN = frozenset({"running", "paused", "closing"})

RUN_BEFORE: Mapping[type[Fact], frozenset[str]] = {
    r.RunStarted: frozenset({"none"}),
    r.RunForked: frozenset({"none"}),
    r.RunPaused: RUNNING,
    r.RunResumed: frozenset({"paused"}),
    r.RunClosing: GOING,
    r.RunCompleted: OPEN,
    r.RunFailed: OPEN,
    r.RunCancelled: OPEN,
    r.RunTimedOut: OPEN,
    t.TaskDispatched: RUNNING,
    t.TaskPending: RUNNING,
    t.TaskRetryDue: RUNNING,
    o.ResultGiven: GOING,
    o.TaskMoved: GOING,
    o.RunHalted: GOING,
    o.RunRestored: GOING,
}
"""Statuses that a run may have before a fact; any open one before all others."""

GIVEN_OUT = (t.TaskDispatched, t.TaskPending, t.TaskRetryDue)

HELD = frozenset({"dispatched", "running"})

STEP_BEFORE: Mapping[type[Fact], frozenset[str]] = {
    t.TaskDispatched: frozenset({"ready"}),
    t.TaskPending: frozenset({"ready"}),
    t.TaskStarted: HELD,
    t.TaskProgressed: HELD,
    t.TaskRecalled: HELD,
    t.TaskCompleted: HELD | {"deferred"},
    t.OnceRecorded: HELD,
    t.TaskDeferred: HELD,
    t.TaskSettling: HELD | {"ready", "retrying"},
    t.TaskSettled: HELD,
    t.AttemptFailed: HELD | {"ready", "deferred"},
    t.TaskRetryDue: frozenset({"retrying"}),
    t.TaskCancelled: HELD | {"calling"},
    r.WaitEnded: frozenset({"waiting"}),
    r.ChildCalled: frozenset({"calling", "retrying"}),
    r.ChildCompleted: frozenset({"calling"}),
    r.ChildFailed: frozenset({"calling"}),
    r.MapPartCompleted: frozenset({"calling"}),
    r.LoopAdvanced: frozenset({"entered"}),
    r.MapAdvanced: frozenset({"entered"}),
    r.MapDecided: frozenset({"entered"}),
    r.MapCompleted: frozenset({"entered"}),
    o.ResultGiven: HELD | {"ready", "retrying", "waiting", "calling", "deferred"},
}
"""Statuses that a step may have before a fact about it."""


def phase(state: RunState) -> str:
    """The run's status as the table knows it."""
    if not state.version:
        return "none"
    if state.terminal:
        return state.status
    if state.closing is not None:
        return "closing"
    return "paused" if state.paused is not None else "running"


def forbidden(state: RunState, fact: Fact, *, first: bool) -> Iterator[str]:
    """Why `fact` may not follow in this state. `first`: it begins its stream."""
    now = "none" if first else phase(state)
    allowed = RUN_BEFORE.get(type(fact), OPEN)
    if now not in allowed and not (now in {"closing", "paused"} and _settles(state, fact)):
        yield f"{fact.TYPE} in a run that is {now}: allowed when it is {_words(allowed)}"
    steps = STEP_BEFORE.get(type(fact))
    if steps is not None:
        yield from _of_step(state, fact, steps)


def _settles(state: RunState, fact: Fact) -> bool:
    """Whether it is about a task whose fate its database has to tell before the run can end: such
    an attempt is given out like any other."""
    step = state.steps.get(getattr(fact, "step", ""))
    return isinstance(fact, GIVEN_OUT) and step is not None and step.settling is not None


def _of_step(state: RunState, fact: Fact, allowed: frozenset[str]) -> Iterator[str]:
    name = fact.call.step if isinstance(fact, r.ChildCalled) else getattr(fact, "step", "")
    step = state.steps.get(name)
    status = "none" if step is None else step.status
    if step is None or status not in allowed:
        yield f"{fact.TYPE} of {name}, which is {status}: allowed when it is {_words(allowed)}"
        return
    number = getattr(fact, "attempt", None)
    if number is None or step.status == "calling":  # a child run has no attempt
        return
    expected = step.attempt + 1 if isinstance(fact, t.TaskDispatched) else step.attempt
    if number != expected:
        yield f"{fact.TYPE} of attempt {number} of {name}: expected attempt {expected}"


def _words(statuses: frozenset[str]) -> str:
    return " or ".join(sorted(statuses))
