"""Fitting: whether a run can go on from its state with another net than the one that led there.

Steps are known by their ids, and arcs by the steps that they join, so most of a state means the
same in both nets. What is over stays as it was, whatever became of it in the other net. What is
open has to be there, as what it was and in the same repetitions. And the run has to be able to
reach its end, which is found out by following the arcs from all that can still act:

    open steps, tokens ──► what they lead to ──► … ──► the end of each scope that is under way

A net does not take a state in which
- something open, or a token, has no place any more;
- something that is over would begin again;
- a join would wait for a step that has been passed, or never comes;
- something that was entered would never be left, or an end never be reached.

Sound nets pass all of this with every state of their own (but where a failure keeps a join from
being met, see `Fit`), so what is found is found because of the difference. O(open steps + net).
"""

from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

from events import net as n
from orchestrator.kernel.instances import static_of, suffix_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState, StepState

OPEN = frozenset({"ready", "dispatched", "running", "retrying", "waiting", "calling", "deferred"})
KINDS: Mapping[type[n.Action], str] = {
    n.Task: "a task",
    n.Set: "a set",
    n.Choice: "a choice",
    n.Split: "a parallel",
    n.Fail: "a fail",
    n.Wait: "a wait",
    n.Loop: "a loop",
    n.Map: "a map",
    n.Call: "a call",
    n.Within: "a group",
}
Vertex = tuple[str, str]
"""A step of the net, and the iterations that it is in."""


class Misfit(msgspec.Struct, frozen=True):
    """Why a net does not take a state, and because of which step."""

    step: str
    why: str


def misfits(state: RunState, before: NetIndex, after: NetIndex) -> list[Misfit]:
    """What keeps a run in this state, to which `before` led, from going on with `after`."""
    if state.part is not None:
        why = "the run does a part of a map of another run: fork that one"
        return [Misfit(state.part.step, why)]
    found = list(_homeless(state, before, after))
    if found:
        return found  # where these would lead to is not known
    known = {(one.step, one.why) for one in Fit(state, before).complaints()}
    return [one for one in Fit(state, after).complaints() if (one.step, one.why) not in known]


def passed_over(state: RunState, before: NetIndex, after: NetIndex) -> tuple[str, ...]:
    """Steps that only `after` has, at places that the run has passed: they will not run. Those of
    loops and branches that are still to come are none of these."""
    reached = {step_id for step_id, _ in Fit(state, after).reached}
    ahead = {name for name in reached if name in after.steps}
    ahead |= {inner for name in reached for inner in _inside(after, name)}
    open_loops = {static_of(name) for name, one in state.steps.items() if one.loop is not None}
    ahead |= {inner for name in open_loops for inner in _inside(after, name)}
    return tuple(
        name
        for name, one in after.steps.items()
        if one.step.name and name not in before.steps and name not in ahead
    )


def _inside(net: NetIndex, scope: str) -> Iterator[str]:
    """The steps of a scope and of those inside it."""
    inner = {scope}
    for one in net.net.scopes:  # outer ones come first
        if one.parent in inner:
            inner.add(one.id)
    return (name for name, one in net.steps.items() if one.step.scope in inner)


# -- what has no place any more -------------------------------------------------------------------


def _homeless(state: RunState, before: NetIndex, after: NetIndex) -> Iterator[Misfit]:
    for instance, step in state.steps.items():
        if state.map_of(instance):
            continue  # its map is looked at
        if step.status in OPEN or step.status == "entered":
            yield from _step_misfits(state, instance, step, (before, after))
    for step_id in (*state.stuck, *state.turning):
        if static_of(step_id) not in after.steps:
            yield Misfit(static_of(step_id), "it is under way, and not there any more")
    for place in state.tokens:
        arc = before.arcs[static_of(place)]
        if arc.id not in after.arcs:
            why = f"it is over, and nothing leads from it to {_named(arc.target)} any more"
            yield Misfit(_named(arc.source), why)


def _step_misfits(
    state: RunState, instance: str, step: StepState, nets: tuple[NetIndex, NetIndex]
) -> Iterator[Misfit]:
    before, after = nets
    name = static_of(instance)
    old, new = before.steps[name].step, after.steps.get(name)
    if new is None:
        yield Misfit(name, f"it is {step.status}, and not there any more")
        return
    if type(old.action) is not type(new.step.action):
        was, now = (KINDS.get(type(one)) for one in (old.action, new.step.action))
        yield Misfit(name, f"it is {step.status} as {was}, and {now} now")
        return
    if _repetitions(before, old.scope) != _repetitions(after, new.step.scope):
        yield Misfit(name, f"it is {step.status}, and inside other loops or groups now")
        return
    if why := _same_action(state, instance, old.action, new.step.action):
        yield Misfit(name, f"it is {step.status}, and {why}")


def _repetitions(net: NetIndex, scope: str) -> tuple[str, ...]:
    """The loops and groups around a scope, itself included."""
    parents = {one.id: one.parent for one in net.net.scopes}
    found: list[str] = []
    at: str | None = scope
    while at:
        found.append(at)
        at = parents[at]
    return tuple(found)


def _same_action(state: RunState, instance: str, old: n.Action, new: n.Action) -> str:
    """Why an action that is under way cannot go on as the new one; "" when it can."""
    if isinstance(old, n.Wait) and isinstance(new, n.Wait):
        for what, was, now in (
            ("a signal", old.signal, new.signal),
            ("an instant", old.until, new.until),
            ("a time", old.duration is not None, new.duration is not None),
        ):
            if bool(was) != bool(now) or (what == "a signal" and was != now):
                return f"what it waits for has changed from {_waits(old)} to {_waits(new)}"
    if isinstance(old, n.Loop) and isinstance(new, n.Loop) and old.kind != new.kind:
        return f"a {new.kind} loop where it was a {old.kind} loop"
    if isinstance(old, n.Map) and isinstance(new, n.Map) and old.body.inputs != new.body.inputs:
        return "its items are given something else now"
    return ""


def _waits(wait: n.Wait) -> str:
    return f"signal {wait.signal}" if wait.signal else "an instant" if wait.until else "a time"


def _named(step_id: str) -> str:
    """The author's step that a step of the compiler belongs to."""
    return step_id.partition("/")[0] or "the end"


# -- what would follow ----------------------------------------------------------------------------


class Fit:
    """Where a run may still get to by a net, and what it would do wrong on the way."""

    def __init__(self, state: RunState, net: NetIndex) -> None:
        self._state = state
        self._net = net
        self._outgoing = _outgoing(net)
        self.acting: set[Vertex] = set(self._begin())
        """Steps that are under way: they lead on."""
        self.reached: set[Vertex] = set()
        """Steps that may act later on."""
        self._follow()

    def _begin(self) -> Iterator[Vertex]:
        state = self._state
        under_way = (
            name
            for name, step in state.steps.items()
            if step.status in OPEN or (step.status == "entered" and self._leads_on(name, step))
        )
        for instance in (*under_way, *state.stuck, *state.turning):
            if not state.map_of(instance):
                yield static_of(instance), suffix_of(instance)

    def _leads_on(self, instance: str, step: StepState) -> bool:
        """Loops and maps do when they are over; what has put its tokens already does not."""
        return step.loop is not None or step.map is not None

    def _follow(self) -> None:
        ahead: deque[Vertex] = deque()
        for step_id, suffix in self.acting:
            ahead.extend((arc.target, suffix) for arc in self._outgoing[step_id])
        for place in self._state.tokens:
            ahead.append((self._net.arcs[static_of(place)].target, suffix_of(place)))
        for group in self._groups():  # their time may be over
            errors = self._net.steps[static_of(group)].errors
            ahead.extend((arc.target, suffix_of(group)) for arc in errors)
        while ahead:
            vertex = ahead.popleft()
            if vertex not in self.reached:
                self.reached.add(vertex)
                ahead.extend((arc.target, vertex[1]) for arc in self._outgoing[vertex[0]])

    def _groups(self) -> list[str]:
        entered = (name for name, one in self._state.steps.items() if one.status == "entered")
        return [
            name
            for name in entered
            if isinstance(self._net.steps[static_of(name)].step.action, n.Within)
        ]

    def complaints(self) -> Iterator[Misfit]:
        yield from self._again()
        yield from self._never_met()
        yield from self._never_left()
        yield from self._never_ended()

    def _again(self) -> Iterator[Misfit]:
        for step_id, suffix in sorted(self.reached):
            found = self._state.steps.get(step_id + suffix)
            if found is not None and self._net.steps[step_id].step.name:
                why = f"it is {found.status} already, and would begin once more"
                yield Misfit(step_id, why)

    def _never_met(self) -> Iterator[Misfit]:
        for step_id, suffix in sorted(self.reached):
            step = self._net.steps[step_id]
            if step.step.join == "any":
                continue
            for arc_id in step.incoming:
                source = self._net.arcs[arc_id].source
                if arc_id + suffix in self._state.tokens or self._comes(source, suffix):
                    continue
                what = _named(step_id)
                waits = "the end" if what == "the end" else what
                passed = self._state.steps.get(source + suffix)
                how = f"is {passed.status} already" if passed else "is passed, and never begins"
                yield Misfit(_named(source), f"{waits} would wait for it, and it {how}")

    def _comes(self, step_id: str, suffix: str) -> bool:
        return (step_id, suffix) in self.acting or (step_id, suffix) in self.reached

    def _never_left(self) -> Iterator[Misfit]:
        joins = {
            one.step.action.closes: name
            for name, one in self._net.steps.items()
            if isinstance(one.step.action, n.Join) and one.step.action.closes
        }
        for instance, step in self._state.steps.items():
            name, suffix = static_of(instance), suffix_of(instance)
            if step.status != "entered" or self._leads_on(instance, step) or name not in joins:
                continue
            if (joins[name], suffix) not in self.reached:
                yield Misfit(name, "it is under way, and would never be left")

    def _never_ended(self) -> Iterator[Misfit]:
        ends = {
            one.step.scope: name
            for name, one in self._net.steps.items()
            if isinstance(one.step.action, n.End)
        }
        if not self._state.at_end and (ends[""], "") not in self.reached:
            yield Misfit("the end", "nothing that is open leads to it")
        for instance, step in self._state.steps.items():
            if step.loop is None or step.loop.index is None or instance in self._state.turning:
                continue
            inside = f"{suffix_of(instance)}[{step.loop.index}]"
            if (ends[static_of(instance)], inside) not in self.reached:
                yield Misfit(static_of(instance), "its iteration would never be over")


def _outgoing(net: NetIndex) -> Mapping[str, list[n.Arc]]:
    found: dict[str, list[n.Arc]] = {name: [] for name in net.steps}
    for arc in net.net.arcs:
        found[arc.source].append(arc)
    return found
