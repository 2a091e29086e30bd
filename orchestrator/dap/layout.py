"""Layout: of every step of a definition, which branch it belongs to and what it lies inside.

A debug client knows threads and, in each, frames. Here a *thread* is a branch: the run's own way
through its steps, each branch of a parallel, each item of a map, and each further way where
`depends_on` lets steps of one list run beside each other. A *frame* is what a step lies inside: an
iteration of a loop, a group with a limit of time, a branch, an item; at the bottom the workflow.
Choices and error handlers are no frames: what is in them is in the same place as they are.

Ways through a list of steps: a step goes on on the way of the first step that it waits for, if no
other one did so before; else it is a way of its own. So two steps of one way are never under way at
the same time.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from events.definition import (
    CallStep,
    Definition,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    WithinStep,
)
from orchestrator.authoring.walk import Spot, blocks, is_body, is_within, spots
from orchestrator.kernel.instances import prefix, static_of, suffix_of


class Level(msgspec.Struct, frozen=True):
    """A frame that a step lies in: `holder` makes it, and is there once for each iteration of
    `depth` loops; `branch` is the label of one branch."""

    kind: Literal["loop", "within", "branch", "item"]
    holder: str
    depth: int
    branch: str = ""

    def named(self, suffix: str) -> str:
        """As it is called where an instance has this suffix: `pages[3]`, `both/left`."""
        if self.kind in {"loop", "item"}:
            return f"{self.holder}{prefix(suffix, self.depth + 1)}"
        around = f"{self.holder}{prefix(suffix, self.depth)}"
        return f"{around}/{self.branch}" if self.branch else around

    def at(self, suffix: str) -> str:
        """The instance of the holder itself."""
        return f"{self.holder}{prefix(suffix, self.depth)}"


class Way(msgspec.Struct, frozen=True):
    """What makes a thread: the run's own has no label; `depth` loops have one for each iteration.
    `outer`: the one that it came from."""

    label: str = ""
    depth: int = 0
    outer: "Way | None" = None

    def named(self, suffix: str) -> str:
        return f"{self.label}{prefix(suffix, self.depth)}" if self.label else ""


class Stand(msgspec.Struct, frozen=True):
    """Where a step stands. `order` is its number in the definition, from 0; `where` its path in the
    authored form."""

    step: Step
    where: str
    order: int
    levels: tuple[Level, ...]
    way: Way

    @property
    def depth(self) -> int:
        """In how many loops it is."""
        return sum(level.kind == "loop" for level in self.levels)


MAIN = ""
"""The key of the thread that a run begins with."""


class Layout:
    """Where the steps of one definition stand. Immutable; shared by all runs of a version."""

    def __init__(self, definition: Definition) -> None:
        self.name = definition.name
        self.stands = {stand.step.id: stand for stand in _stands(definition)}
        self.by_path = {stand.where: stand for stand in self.stands.values()}

    def __contains__(self, instance: str) -> bool:
        return static_of(instance) in self.stands

    def stand(self, instance: str) -> Stand | None:
        """Where a step stands, None for one that the definition does not know. What a step was
        compiled into beside itself, such as `pay/when`, stands where the step does."""
        return self.stands.get(static_of(instance).partition("/")[0])

    def is_item(self, instance: str) -> bool:
        """Whether this is an item of a map."""
        stand = self.stand(instance)
        if stand is None or not isinstance(stand.step, MapStep):
            return False
        return suffix_of(instance).count("[") > stand.depth

    def thread(self, instance: str) -> str:
        """The key of the thread that an instance belongs to."""
        stand = self.stand(instance)
        if stand is None:
            return MAIN
        return instance if self.is_item(instance) else stand.way.named(suffix_of(instance))

    def outer_thread(self, instance: str) -> str:
        """The thread that the one of an instance came from."""
        stand = self.stand(instance)
        if stand is None:
            return MAIN
        if self.is_item(instance):
            return stand.way.named(suffix_of(instance))
        outer = stand.way.outer
        return MAIN if outer is None else outer.named(suffix_of(instance))

    def levels(self, instance: str) -> tuple[Level, ...]:
        """The frames that an instance lies in, outermost first, without the workflow itself."""
        stand = self.stand(instance)
        if stand is None:
            return ()
        if not self.is_item(instance):
            return stand.levels
        return (*stand.levels, Level("item", stand.step.id, stand.depth))

    def order(self, instance: str) -> tuple[int, str]:
        """By which instances that begin at the same time are put in order."""
        stand = self.stand(instance)
        return (len(self.stands) if stand is None else stand.order), instance

    def is_set(self, instance: str) -> bool:
        stand = self.stand(instance)
        return stand is not None and isinstance(stand.step, SetStep)

    def sets(self, instance: str) -> frozenset[str]:
        """The variables that a step sets when it begins."""
        stand = self.stand(instance)
        if stand is None or not isinstance(stand.step, SetStep):
            return frozenset()
        return frozenset(stand.step.variables)

    def is_call(self, instance: str) -> bool:
        stand = self.stand(instance)
        return stand is not None and isinstance(stand.step, CallStep)

    def holds(self, instance: str) -> bool:
        """Whether other steps are inside this one."""
        stand = self.stand(instance)
        return stand is not None and isinstance(stand.step, LoopStep | ParallelStep | WithinStep)


def _stands(definition: Definition) -> Iterator[Stand]:
    levels: dict[str, tuple[Level, ...]] = {}
    ways: dict[str, dict[str, Way]] = {}
    for order, spot in enumerate(spots(definition)):
        around = _around(spot, levels)
        if spot.block not in ways:
            ways[spot.block] = _ways(spot, definition, around, ways)
        levels[spot.step.id] = around
        way = ways[spot.block][spot.step.id]
        yield Stand(spot.step, spot.where, order, around, way)


def _around(spot: Spot, levels: dict[str, tuple[Level, ...]]) -> tuple[Level, ...]:
    holder = spot.holder
    if holder is None:
        return ()
    outer = levels[holder.step.id]
    depth = sum(level.kind == "loop" for level in outer)
    if is_body(spot):
        return (*outer, Level("loop", holder.step.id, depth))
    if is_within(spot):
        return (*outer, Level("within", holder.step.id, depth))
    branch = _branch(spot)
    return (*outer, Level("branch", holder.step.id, depth, branch)) if branch else outer


def _branch(spot: Spot) -> str:
    """The label of the branch of a parallel that a step is directly in."""
    holder = spot.holder
    if holder is None or not isinstance(holder.step, ParallelStep):
        return ""
    before = f"{holder.where}.parallel."
    return spot.block.removeprefix(before) if spot.block.startswith(before) else ""


def _ways(
    spot: Spot, definition: Definition, around: tuple[Level, ...], ways: dict[str, dict[str, Way]]
) -> dict[str, Way]:
    """The way of each step of the list that this one is the first of."""
    depth = sum(level.kind == "loop" for level in around)
    holder, branch = spot.holder, _branch(spot)
    if holder is None:
        steps, own = definition.steps, Way()
    else:
        steps = _list_of(spot)
        outer = ways[holder.block][holder.step.id]
        own = Way(f"{holder.step.id}/{branch}", depth, outer) if branch else outer
    found: dict[str, Way] = {}
    went_on: set[str] = set()
    for index, step in enumerate(steps):
        before = _waits_for(steps, index)
        follows = next((one for one in before if one in found and one not in went_on), None)
        if follows is not None:
            went_on.add(follows)
            found[step.id] = found[follows]
        else:
            found[step.id] = Way(step.id, depth, own) if found else own
    return found


def _waits_for(steps: tuple[Step, ...], index: int) -> tuple[str, ...]:
    """Those that the author named, in the order in which they stand, or else the one before."""
    named = steps[index].depends_on
    if named is None:
        return (steps[index - 1].id,) if index else ()
    return tuple(step.id for step in steps if step.id in named)


def _list_of(spot: Spot) -> tuple[Step, ...]:
    if spot.holder is None:
        return ()
    return dict(blocks(spot.holder))[spot.block]
