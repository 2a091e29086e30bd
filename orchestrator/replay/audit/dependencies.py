"""Dependencies: a step is reached only when the steps before it, by the run's own net, are over.

Judged on the net and the statuses of steps alone, not on tokens. Once an operator has put a run
somewhere by hand, what follows is by his word, and is not judged any more.
"""

from collections.abc import Iterator
from functools import cache

from events import net as n
from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.catalogue import facts_of
from events.facts import Fact, Flow
from orchestrator.kernel.instances import static_of, suffix_of
from orchestrator.kernel.state import RunState

ACTS = (n.Task, n.Set, n.Wait, n.Loop, n.Map, n.Call)
"""Steps whose own status says whether they are over; all others only pass tokens on."""

OVER = frozenset({"completed", "skipped"})


class Dependencies:
    """The rules of one net; shared by all runs of a workflow version."""

    def __init__(self, net: n.Net) -> None:
        self._steps = {step.id: step for step in net.steps}
        self._incoming: dict[str, list[n.Arc]] = {step.id: [] for step in net.steps}
        for arc in net.arcs:
            self._incoming[arc.target].append(arc)

    def early(self, state: RunState, flow: Flow) -> Iterator[str]:
        """Steps that `flow` has reached too early; `state` is that after it."""
        for name in _reached(flow):
            if not (state.map_of(name) or self._may_begin(state, name)):
                yield f"{name} was reached before what it comes after was over"

    def _may_begin(self, state: RunState, instance: str) -> bool:
        step_id = instance if instance in self._steps else static_of(instance)
        suffix = "" if instance in self._steps else suffix_of(instance)
        if step_id not in self._steps:
            return False
        return self._is_met(state, step_id, suffix, frozenset())

    def _is_met(self, state: RunState, step_id: str, suffix: str, seen: frozenset[str]) -> bool:
        """Whether the tokens that a step waits for may have come. A ring is met from outside."""
        arcs = self._incoming[step_id]
        if not arcs:
            return True
        if step_id in seen:
            return False
        combine = all if self._steps[step_id].join == "all" else any
        seen |= {step_id}
        return combine(self._has_sent(state, arc, suffix, seen) for arc in arcs)

    def _has_sent(self, state: RunState, arc: n.Arc, suffix: str, seen: frozenset[str]) -> bool:
        source = self._steps[arc.source]
        if not isinstance(source.action, ACTS):
            return self._is_met(state, source.id, suffix, seen)
        step = state.steps.get(f"{source.id}{suffix}")
        if step is None:
            return False
        return step.status == "failed" if arc.kind == "error" else step.status in OVER


def _reached(flow: Flow) -> Iterator[str]:
    for enabled in flow.enabled:
        yield enabled.step
    for waiting in flow.waiting:
        yield waiting.step
    for called in flow.calls:
        yield called.step
    for looping in flow.loops:
        yield looping.step
    for mapped in flow.maps:
        yield mapped.step


@cache
def _flowing() -> frozenset[type[Fact]]:
    """Facts whose flow is what the net says."""
    return frozenset(facts_of(r, t, o)) - {r.RunForked}


def flow_of(fact: Fact) -> Flow | None:
    """What moved by the net's rules, None for a fact by which nothing does."""
    flow = getattr(fact, "flow", None) if type(fact) in _flowing() else None
    return flow if isinstance(flow, Flow) else None
