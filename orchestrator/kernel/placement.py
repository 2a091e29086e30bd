"""Placement: which node gets a ready task, or why none. Pure, over a view of the cluster.

A node is a candidate when it takes attempts, knows the task type, has the build, carries the labels
and has the capacity. Among those with free credits the one wins that is least loaded with the task
(outstanding per credit, by its weight), ties by name; a node that lost or refused an earlier
attempt of the same task is taken only when no other candidate exists.
"""

from collections.abc import Iterable, Mapping

import msgspec

from events.facts import LossReason, Obstacle, Placement
from events.limits import OTHERS_TOLD_MAX
from events.net import Task
from events.policies import PINNED, Needs


class NodeSlots(msgspec.Struct):
    """A node as placement sees it. `outstanding` is derived from the runs' states."""

    node: str
    incarnation: str
    tasks: frozenset[str]
    credits: int
    outstanding: int = 0
    labels: dict[str, str] = {}
    capacity: Needs = Needs()
    weight: float = 1.0
    build_id: str = ""
    transactional: frozenset[str] = frozenset()
    """Tasks that it runs in a transaction of the user's."""
    refusal: str = ""
    """Why it is given nothing new, in words; "" if it may be."""

    @property
    def load(self) -> float:
        """That it will have with one more."""
        return (self.outstanding + 1) / (self.credits * self.weight)


class Chosen(msgspec.Struct, frozen=True):
    node: str
    incarnation: str
    placement: Placement
    build_id: str = ""
    transactional: bool = False


class Obstructed(msgspec.Struct, frozen=True):
    """`full`: the nodes that could take it and have no room."""

    obstacle: Obstacle
    detail: str
    full: tuple[str, ...] = ()


class Wishes(msgspec.Struct, frozen=True):
    """What is wanted of the node of one task: a `build`, as `wanted_build` says; by an operator, to
    be on `target`, and not on any of `off`. `excluded`: nodes that lost or refused it."""

    excluded: Mapping[str, LossReason] = {}
    build: str = ""
    target: str = ""
    off: tuple[str, ...] = ()
    transactional: bool = False
    """Earlier attempts were transactions: only who looks at what they have committed may go on."""


class Fit(msgspec.Struct, frozen=True):
    """The nodes that could execute a task, full ones included, and why each other could not."""

    task: Task
    capable: list[NodeSlots]
    why_not: dict[str, str]


def place(task: Task, nodes: Iterable[NodeSlots], wishes: Wishes) -> Chosen | Obstructed:
    """The least loaded candidate, or the obstacle in words. O(nodes)."""
    return choose(fit(task, nodes, wishes), wishes.excluded)


def fit(task: Task, nodes: Iterable[NodeSlots], wishes: Wishes) -> Fit:
    """Holds for all tasks that wish the same, whatever load the nodes have. O(nodes)."""
    why_not: dict[str, str] = {}
    capable: list[NodeSlots] = []
    for node in nodes:
        reason = _unwanted(node, wishes) or _unfit(task, node, wishes.build)
        if not reason and wishes.transactional and task.task not in node.transactional:
            reason = f"does not run {task.task} in a transaction, as earlier attempts were"
        if reason:
            why_not[node.node] = reason
        else:
            capable.append(node)
    return Fit(task, capable, why_not)


def choose(fit: Fit, excluded: Mapping[str, LossReason]) -> Chosen | Obstructed:
    """The least loaded of them as they are now, or the obstacle in words. O(nodes)."""
    if not fit.capable:
        return Obstructed("no_node", _no_node(fit.task, fit.why_not))
    free = [node for node in fit.capable if node.outstanding < node.credits]
    if not free:
        full = tuple(node.node for node in fit.capable)
        return Obstructed("no_slot", f"{len(full)} suitable nodes are full", full)
    fresh = [node for node in free if node.node not in excluded] if excluded else free
    best, *others = sorted(fresh or free, key=_by_load)[: 1 + OTHERS_TOLD_MAX]
    noted = fit.why_not
    if excluded:
        noted = {name: reason for name, reason in excluded.items() if fresh} | noted
    placement = Placement(
        candidates=len(free),
        score=_score(best),
        excluded=noted,
        weight=best.weight,
        others={node.node: _score(node) for node in others},
    )
    is_transaction = fit.task.task in best.transactional
    return Chosen(best.node, best.incarnation, placement, best.build_id, is_transaction)


def _score(node: NodeSlots) -> float:
    return round(1 - node.load, 3)


def _by_load(node: NodeSlots) -> tuple[float, str]:
    return node.load, node.node


def _unwanted(node: NodeSlots, wishes: Wishes) -> str:
    if wishes.target and node.node != wishes.target:
        return f"an operator moved it to {wishes.target}"
    return "an operator moved it off" if node.node in wishes.off else ""


def _unfit(task: Task, node: NodeSlots, build: str) -> str:
    if node.refusal:
        return node.refusal
    if task.task not in node.tasks:
        return f"does not know {task.task}"
    if build and (reason := _of_another_build(node, build)):
        return reason
    for label, value in task.labels.items():
        if node.labels.get(label) != value:
            return f"label {label} is not {value}"
    return _lacks(task.needs, node.capacity) if task.needs else ""


def _of_another_build(node: NodeSlots, build: str) -> str:
    if not node.build_id:
        return "does not say its build"
    return f"build {node.build_id} is not {build}" if build not in (PINNED, node.build_id) else ""


def _lacks(needs: Needs, capacity: Needs) -> str:
    for name in ("cpu", "memory_bytes", "disk_bytes", "gpu"):
        if getattr(needs, name) > getattr(capacity, name):
            return f"{name} {getattr(capacity, name)} < {getattr(needs, name)}"
    for name, units in needs.custom.items():
        if capacity.custom.get(name, 0.0) < units:
            return f"{name} {capacity.custom.get(name, 0.0):g} < {units:g}"
    return ""


def _no_node(task: Task, why_not: Mapping[str, str]) -> str:
    if not why_not:
        return f"no node is registered; task {task.task} needs one that knows it"
    reasons = "; ".join(f"{node}: {why}" for node, why in sorted(why_not.items())[:8])
    return f"no suitable node for {task.task}: {reasons}"
