"""Times: nothing is recorded before what it follows; no timer fires early; nothing ends unbegun.

What a node stamps is by its host's clock and decides nothing, so it may be off by as much as hosts
are apart; what a coordinator records is compared exactly.
"""

from collections.abc import Iterator

from events import run_facts as r
from events import task_facts as t
from events.facts import Fact
from orchestrator.kernel.env import MICROSECONDS
from orchestrator.kernel.state import RunState

NODE_CLOCK_OFF_S = 300.0
"""How far a node's clock may be from the coordinator's, or set back while it works."""

_OFF_US = round(NODE_CLOCK_OFF_S * MICROSECONDS)


def untimely(state: RunState, fact: Fact, at: int, *, first: bool) -> Iterator[str]:
    """What is wrong with `fact`, recorded at `at` (microseconds), after this state."""
    if not first and at < state.updated_at:
        early = _seconds(state.updated_at - at)
        yield f"{fact.TYPE} was recorded {early} before the event before it"
    if (due_at := _due(state, fact)) is not None and at < due_at:
        yield f"{fact.TYPE} came {_seconds(due_at - at)} before its time"
    yield from _of_node(state, fact)


def _due(state: RunState, fact: Fact) -> int | None:
    """The timer that must have run out before this fact."""
    if isinstance(fact, t.TaskRetryDue):
        return state.timers.get(f"retry:{fact.step}")
    if isinstance(fact, r.WaitEnded) and not fact.signal:
        waits = (state.timers.get(f"{what}:{fact.step}") for what in ("wait", "until"))
        return next((one for one in waits if one is not None), None)
    if isinstance(fact, r.RunTimedOut):
        return state.timers.get("run")
    return None


def _of_node(state: RunState, fact: Fact) -> Iterator[str]:
    """`started_at` and `ended_at` are 0 where the node said none."""
    started: int = getattr(fact, "started_at", 0)
    ended: int = getattr(fact, "ended_at", 0)
    if started and ended and ended < started - _OFF_US:
        yield f"{fact.TYPE} ended {_seconds(started - ended)} before it began"
    step = state.steps.get(getattr(fact, "step", ""))
    given = step.dispatched_at if step is not None else None
    if started and given is not None and started < given - _OFF_US:
        yield f"{fact.TYPE} began {_seconds(given - started)} before it was dispatched"


def _seconds(microseconds: int) -> str:
    return f"{microseconds / MICROSECONDS:.6f} s"
