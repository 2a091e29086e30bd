"""References: may a step read what it reads? It may when that has certainly come to pass before.

What a step reads makes it wait (see `outline`), so reading from an earlier or unordered sibling is
always right. What no waiting can mend is refused here: an unknown step, a step that has no output,
itself, what lies inside itself or holds it, a branch that runs at the same time or may not run at
all. A task that its own `when` skips is no such case: its output is null.
"""

from collections.abc import Iterator, Mapping

from events.definition import (
    ChoiceStep,
    Definition,
    ForEachStep,
    MapStep,
    ParallelStep,
    SetStep,
    WithinStep,
)
from orchestrator.authoring.outline import has_error, has_output
from orchestrator.authoring.problems import suggestion
from orchestrator.authoring.walk import Spot, is_body, is_within

ROOTS = "`input`, `steps.<id>.output`, `steps.<id>.error`, `vars.<name>`, `run.id`, `run.workflow`"


class References:
    """Judges paths. `spots` are all steps by id; ids are unique. `after` has for each list, by its
    path, what each of its steps comes after, as a bit set of indexes.
    """

    def __init__(self, spots: Mapping[str, Spot], after: Mapping[str, tuple[int, ...]]) -> None:
        self._spots = spots
        self._after = after
        self._setters: dict[str, list[Spot]] = {}
        for spot in spots.values():
            if isinstance(spot.step, SetStep):
                for name in spot.step.variables:
                    self._setters.setdefault(name, []).append(spot)

    def complaints(self, paths: tuple[str, ...], reader: Spot | None) -> Iterator[str]:
        """What is wrong with `paths` for a step, or for the output of the run when `reader` is
        None."""
        for path in paths:
            if complaint := self._complaint(path, reader):
                yield complaint

    def complaints_of_update(self, paths: tuple[str, ...], definition: Definition) -> Iterator[str]:
        """What is wrong with `paths` for an update, which may come at any time: it reads what there
        is by then, of steps that are there once."""
        for path in paths:
            match path.split("."):
                case ["update" | "input", *_] | ["run", "id" | "workflow" | "status"]:
                    continue
                case ["vars", name, *_]:
                    by_updates = (one.variables for one in definition.updates.values())
                    if name not in self._setters and not any(name in one for one in by_updates):
                        yield f"vars.{name} is set nowhere{suggestion(name, self._setters)}"
                case ["steps", step_id, "output" | "error", *_] if step_id in self._spots:
                    spot = self._spots[step_id]
                    yield from filter(None, [_without_output(path, spot)])
                    yield from filter(None, [_inside_loop(spot, (spot, *spot.chain))])
                case _:
                    yield f"`{path}` is not known: an update reads `update`, {ROOTS}"

    def _complaint(self, path: str, reader: Spot | None) -> str:
        match path.split("."):
            case ["input", *_] | ["run", "id"] | ["run", "workflow"]:
                return ""
            case ["steps", step_id, "output" | "error", *_]:
                return self._step(step_id, path, reader)
            case ["steps", step_id, *_] if step_id in self._spots:
                return (
                    f"`{path}` is not known: read steps.{step_id}.output or steps.{step_id}.error"
                )
            case ["vars", name, *_]:
                return self._variable(name, reader)
            case ["iteration", "index"] | ["iteration", "item", *_]:
                return _iteration(path, reader)
            case ["error", *_]:
                return f"`{path}` is not known: read steps.<id>.error of the task that failed"
            case _:
                return f"`{path}` is not known: expressions read {ROOTS}"

    # -- steps ------------------------------------------------------------------------------------

    def _step(self, step_id: str, path: str, reader: Spot | None) -> str:
        spot = self._spots.get(step_id)
        if spot is None:
            return f"`{path}`: there is no step `{step_id}`{suggestion(step_id, self._spots)}"
        below = _below_common(spot, reader)
        if message := _without_output(path, spot) or _inside_loop(spot, below):
            return message
        if reader is None:
            return self._may_not_run(spot, below[1:])
        if spot in reader.chain:
            return _of_its_own(path, spot, reader)
        if reader in spot.chain:
            return f"`{path}`: `{step_id}` runs only after `{reader.step.id}` has read this"
        if not _is_same_list(spot, reader):
            return self._other_branch(spot, reader, below)
        return self._may_not_run(spot, below[1:])

    def _other_branch(self, spot: Spot, reader: Spot, below: tuple[Spot, ...]) -> str:
        holder = below[0].holder
        name = holder.step.id if holder else ""
        if holder and isinstance(holder.step, ParallelStep):
            return (
                f"steps.{spot.step.id} runs at the same time, in another branch of `{name}`: "
                f"read it after `{name}`, or move one of them"
            )
        return f"steps.{spot.step.id} is in a branch of `{name}` that does not run with this one"

    def _may_not_run(self, spot: Spot, inside: tuple[Spot, ...]) -> str:
        """`inside` leads from below the sibling of the reader to `spot`."""
        for step in inside:
            holder = step.holder
            if holder and not (isinstance(holder.step, ParallelStep) or is_within(step)):
                what = "a branch" if isinstance(holder.step, ChoiceStep) else "an error handler"
                return (
                    f"steps.{spot.step.id} is in {what} of `{holder.step.id}` that may not have "
                    "run: set a variable in each branch and read that"
                )
        return ""

    # -- variables --------------------------------------------------------------------------------

    def _variable(self, name: str, reader: Spot | None) -> str:
        setters = self._setters.get(name)
        if not setters:
            return f"vars.{name} is set nowhere{suggestion(name, self._setters)}"
        if reader is None or any(self._precedes(setter, reader) for setter in setters):
            return ""
        names = ", ".join(f"`{setter.step.id}`" for setter in setters)
        return f"vars.{name} is set by {names} only, which does not come before"

    def _precedes(self, setter: Spot, reader: Spot) -> bool:
        if setter is reader or reader in setter.chain or not _is_same_list(setter, reader):
            return False
        first, second = _below_common(setter, reader)[0], _below_common(reader, setter)[0]
        if second.index < 0:  # a condition that is looked at before anything of its list
            return False
        if first.index < second.index:
            return True
        return bool(self._after[second.block][second.index] >> first.index & 1)


def _without_output(path: str, spot: Spot) -> str:
    is_error = path.split(".")[2] == "error"
    if has_output(spot.step) or (is_error and has_error(spot.step)):
        return ""
    mend = "only tasks, waits, loops, maps and calls have one"
    if _is_split(spot):
        mend = "read its tasks, or set a variable"
    return f"`{path}`: `{spot.step.id}` has no output: {mend}"


def _inside_loop(spot: Spot, below: tuple[Spot, ...]) -> str:
    """`below` leads from the sibling of the reader to `spot`."""
    for inner in below[1:]:
        if is_body(inner) and inner.holder:
            loop_id = inner.holder.step.id
            return (
                f"steps.{spot.step.id} runs in every iteration of `{loop_id}`: "
                f"read steps.{loop_id}.output, or set a variable"
            )
    return ""


def _of_its_own(path: str, spot: Spot, reader: Spot) -> str:
    """A step reads itself, or one that it lies in: the task whose failure it handles."""
    if reader is spot:
        return f"`{path}`: a step cannot read itself"
    below = reader.chain[reader.chain.index(spot) + 1]
    if is_body(below):
        return f"`{path}`: `{spot.step.id}` is not over while it repeats this"
    if is_within(below):
        return f"`{path}`: `{spot.step.id}` is not over while it does this"
    return ""


def _iteration(path: str, reader: Spot | None) -> str:
    chain = reader.chain if reader else ()
    loops = [spot.holder.step for spot in chain if spot.holder and is_body(spot)]
    if not loops:
        return f"`{path}` is there only in what a while, until, for_each or map repeats"
    if path != "iteration.index" and not isinstance(loops[-1], ForEachStep | MapStep):
        return f"`{path}`: `{loops[-1].id}` goes through no list; only for_each and map have items"
    return ""


def _is_split(spot: Spot) -> bool:
    return isinstance(spot.step, (ChoiceStep, ParallelStep, WithinStep))


def _below_common(spot: Spot, other: Spot | None) -> tuple[Spot, ...]:
    """The part of the chain of `spot` that it does not share with `other`."""
    shared = set(other.chain) if other else set()
    return tuple(step for step in spot.chain if step not in shared)


def _is_same_list(one: Spot, other: Spot) -> bool:
    """Whether the two chains part within one list of steps, not between branches of a step."""
    first, second = _below_common(one, other)[:1], _below_common(other, one)[:1]
    return bool(first and second) and first[0].block == second[0].block
