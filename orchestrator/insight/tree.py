"""A run as a tree: its steps inside the iterations that they belong to, items of maps, child runs.

The view of a run knows each step's status and times; what it does not keep any more (items of a map
that are over, iterations, children of earlier tries) is told by the events. O(events).
"""

from collections.abc import Iterable

import msgspec

from events.api import RunView, StepView
from events.facts import Called, Fact, Flow
from events.net import Net
from events.operator_facts import ResultGiven, RunRestored
from events.run_facts import ChildCalled, LoopAdvanced, RunForked
from events.task_facts import TaskCancelled, TaskCompleted, TaskDispatched, TaskFailed
from orchestrator.kernel.instances import inside, outside, static_of, suffix_of

ItemFact = TaskDispatched | TaskCompleted | TaskFailed | TaskCancelled | ResultGiven
ENDS = {TaskCompleted: "completed", TaskFailed: "failed", TaskCancelled: "cancelled"}


class Twig(msgspec.Struct, kw_only=True):
    """`kind`: that of a step; or run, iteration, item, fork. Instants in microseconds. `run_id` is
    that of a child run or a fork, whose own tree hangs below."""

    kind: str
    name: str
    status: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    note: str = ""
    run_id: str = ""
    twigs: "list[Twig]" = []


def grow(view: RunView, net: Net, facts: Iterable[tuple[Fact, int]]) -> Twig:
    """The tree of one run, from its view and its facts with the instants at which they were
    recorded; child runs are leaves with their ids."""
    root = Twig(
        kind="run",
        name=view.run_id,
        status=view.status,
        started_at=view.started_at,
        ended_at=view.ended_at,
        note=view.workflow,
        run_id=view.run_id,
    )
    grower = _Grower(root, net)
    for step in sorted(view.steps, key=lambda one: one.name.count("[")):
        grower.step(step)
    told = list(facts)
    stands = _standing(told)
    for number, (fact, at) in enumerate(told):
        grower.fact(fact, at, stands=number in stands)
    _in_order(root)
    return root


def _standing(facts: list[tuple[Fact, int]]) -> set[int]:
    """The places of those facts that no restore went back behind."""
    places: list[int] = []
    for number, (fact, _) in enumerate(facts):
        if isinstance(fact, RunRestored):
            places = [place for place in places if place < fact.version]
        places.append(number)
    return set(places)


class _Grower:
    def __init__(self, root: Twig, net: Net) -> None:
        self._root = root
        self._scopes = {step.id: step.scope for step in net.steps}
        self._steps: dict[str, Twig] = {}
        self._under: dict[str, Twig] = {}
        """Iterations and items by their instance."""

    def step(self, step: StepView) -> None:
        twig = Twig(
            kind=step.kind,
            name=static_of(step.name),
            status=step.status,
            started_at=step.started_at,
            ended_at=step.ended_at,
            note="" if step.pending is msgspec.UNSET else step.pending,
        )
        self._steps[step.name] = twig
        self._holder(step.name).twigs.append(twig)

    def _holder(self, instance: str) -> Twig:
        """The iteration that an instance lies in, or the run."""
        suffix, scope = suffix_of(instance), self._scopes.get(static_of(instance), "")
        if not (suffix and scope):
            return self._root
        return self._below(f"{scope}{outside(suffix)}", f"{scope}{suffix}", "iteration")

    def _below(self, holder: str, instance: str, kind: str) -> Twig:
        found = self._under.get(instance)
        if found is None:
            number = instance[instance.rfind("[") :]
            found = self._under[instance] = Twig(kind=kind, name=number)
            self._steps.get(holder, self._root).twigs.append(found)
        return found

    def fact(self, fact: Fact, at: int, *, stands: bool) -> None:
        """Of what a restore went back behind only the child runs are told: they were there."""
        for called in _called(fact):
            self._child(called, at)
        if isinstance(fact, RunRestored):
            self._restored(fact, at)
        elif not stands:
            return
        elif isinstance(fact, LoopAdvanced):
            self._iteration(fact, at)
        elif isinstance(fact, ItemFact):
            self._item_fact(fact, at)

    def _restored(self, fact: RunRestored, at: int) -> None:
        """Among the steps of the run."""
        note = f"{fact.by}: {fact.reason}"
        name = f"to version {fact.version}"
        self._root.twigs.append(
            Twig(kind="restored", name=name, started_at=at, ended_at=at, note=note)
        )

    def _item_fact(self, fact: ItemFact, at: int) -> None:
        item = self._item(fact.step)
        if item is None:
            return
        if isinstance(fact, TaskDispatched):
            item.started_at, item.status = item.started_at or at, "dispatched"
        elif isinstance(fact, ResultGiven):
            item.status, item.ended_at = fact.status, at
        else:
            item.status, item.ended_at = ENDS[type(fact)], at

    def _item(self, instance: str) -> Twig | None:
        """The item of a map; None for every other step."""
        map_id = instance[: instance.rfind("[")] if "[" in instance else ""
        holder = self._steps.get(map_id)
        if instance in self._steps or holder is None or holder.kind != "map":
            return None
        return self._below(map_id, instance, "item")

    def _iteration(self, fact: LoopAdvanced, at: int) -> None:
        suffix = suffix_of(fact.step)
        loop = self._steps.get(fact.step)
        for twig in loop.twigs if loop else ():
            if twig.kind == "iteration" and twig.started_at and twig.ended_at is None:
                twig.ended_at, twig.status = at, "completed"
        if fact.index is not None:
            instance = f"{static_of(fact.step)}{inside(suffix, fact.index)}"
            begun = self._below(fact.step, instance, "iteration")
            begun.started_at, begun.status = at, "running"

    def _child(self, called: Called, at: int) -> None:
        step = self._steps.get(called.step)
        if step is None or any(twig.run_id == called.run_id for twig in step.twigs):
            return
        note = f"{called.workflow}, try {called.attempt}"
        step.twigs.append(
            Twig(kind="run", name=called.run_id, started_at=at, note=note, run_id=called.run_id)
        )


def _called(fact: Fact) -> Iterable[Called]:
    if isinstance(fact, ChildCalled):
        return (fact.call,)
    if isinstance(fact, RunForked | RunRestored):
        return tuple(one.call for one in fact.renewed if one.call is not None)
    flow = getattr(fact, "flow", None)
    return flow.calls if isinstance(flow, Flow) else ()


def _in_order(twig: Twig) -> None:
    """By start, what has not started last."""
    twig.twigs.sort(key=lambda one: (one.started_at is None, one.started_at or 0))
    for inner in twig.twigs:
        _in_order(inner)
