"""Walking a definition: every step with its path in the authored form and what holds it.

Paths are the same whether a definition was read from a text or built in Python, so that a problem
found later has its place in the text.
"""

from collections.abc import Iterator

import msgspec

from events.definition import (
    CallStep,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
    UntilStep,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.values import Value
from orchestrator.authoring.outline import handlers_of


class Spot(msgspec.Struct, frozen=True, eq=False):
    """A step in its place. `holder` is the step that it lies in, None at the top; `block` is the
    path of its list, `index` the place there. Equal only to itself.
    """

    step: Step
    where: str
    holder: "Spot | None"
    block: str
    index: int

    @property
    def chain(self) -> "tuple[Spot, ...]":
        """The steps that this one lies in, outermost first, and itself."""
        return (*(self.holder.chain if self.holder else ()), self)


class Written(msgspec.Struct, frozen=True):
    """An expression (`is_condition`) or a template of a step, with its path."""

    where: str
    value: Value
    is_condition: bool


def spots(definition: Definition) -> Iterator[Spot]:
    """All steps in the order of the definition. Does not recurse: any depth is safe."""
    stack = [_in_list("steps", definition.steps, None)]
    while stack:
        spot = next(stack[-1], None)
        if spot is None:
            stack.pop()
            continue
        yield spot
        inner = [_in_list(where, steps, spot) for where, steps in blocks(spot)]
        stack.extend(reversed(inner))


def blocks(spot: Spot) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Paths of the lists of steps inside a step, and those lists."""
    match spot.step:
        case ChoiceStep(cases=cases, default=default):
            for index, case in enumerate(cases):
                yield f"{spot.where}.choice[{index}].steps", case.steps
            yield f"{spot.where}.choice[{len(cases)}].default", default
        case ParallelStep(branches=branches):
            for name, steps in branches.items():
                yield f"{spot.where}.parallel.{name}", steps
        case WhileStep() | UntilStep() | ForEachStep() | WithinStep():
            yield f"{spot.where}.steps", spot.step.steps
        case _:
            pass
    for index, handler in enumerate(handlers_of(spot.step)):
        yield f"{spot.where}.on_error[{index}].steps", handler.steps


def is_body(spot: Spot) -> bool:
    """Whether the list of steps that this one is in is what a loop repeats; or this is what a map
    does for each item."""
    holder = spot.holder
    if holder is None:
        return False
    if isinstance(holder.step, MapStep):
        return spot.block == f"{holder.where}.map"
    return isinstance(holder.step, LoopStep) and spot.block == f"{holder.where}.steps"


def is_within(spot: Spot) -> bool:
    """Whether the list of steps that this one is in is what has to be over in time."""
    holder = spot.holder
    if holder is None or not isinstance(holder.step, WithinStep):
        return False
    return spot.block == f"{holder.where}.steps"


def loop_condition(spot: Spot) -> tuple[Spot, Written] | None:
    """The condition of a loop, and from where it reads: as if it stood before the first step of the
    body, or after the last. None for steps that have none.
    """
    match spot.step:
        case WhileStep(condition=condition):
            index, key = -1, "while"
        case UntilStep(condition=condition, steps=steps):
            index, key = len(steps), "until"
        case _:
            return None
    reader = Spot(spot.step, spot.where, spot, f"{spot.where}.steps", index)
    return reader, Written(f"{spot.where}.{key}", condition, is_condition=True)


def item_inputs(spot: Spot) -> tuple[Spot, list[Written]] | None:
    """What a map gives to each item, and from where it reads: inside the step. None for others."""
    step = spot.step
    if not isinstance(step, MapStep):
        return None
    reader = Spot(step, spot.where, spot, f"{spot.where}.map", 0)
    at = f"{spot.where}.map.with"
    return reader, [Written(f"{at}.{name}", one, False) for name, one in step.inputs.items()]


def written(spot: Spot) -> Iterator[Written]:
    """Conditions and templates that the step itself holds."""
    if spot.step.when is not None:
        yield Written(f"{spot.where}.when", spot.step.when, is_condition=True)
    for key, condition in _conditions(spot.step):
        yield Written(f"{spot.where}.{key}", condition, is_condition=True)
    for key, value in _templates(spot.step):
        yield Written(f"{spot.where}.{key}", value, is_condition=False)


def _conditions(step: Step) -> Iterator[tuple[str, str]]:
    if isinstance(step, ChoiceStep):
        for index, case in enumerate(step.cases):
            yield f"choice[{index}].when", case.when


def _templates(step: Step) -> Iterator[tuple[str, Value]]:
    match step:
        case TaskStep(inputs=inputs):
            yield from ((f"with.{name}", value) for name, value in inputs.items())
        case SetStep(variables=variables):
            yield from ((f"set.{name}", value) for name, value in variables.items())
        case FailStep(message=message):
            yield "fail.message", message
        case WaitStep():
            yield "wait.for", step.duration
            yield "wait.until", step.until
            yield "wait.correlation", step.correlation
        case ForEachStep(items=items):
            yield "for_each", items
        case MapStep(items=items):
            yield "map.items", items
        case CallStep():
            yield "call.input", step.input
        case ChoiceStep() | ParallelStep() | WhileStep() | UntilStep() | WithinStep():
            pass


def written_in_updates(definition: Definition) -> Iterator[Written]:
    """Conditions and templates of what clients may change."""
    for name, update in definition.updates.items():
        if update.accept:
            yield Written(f"updates.{name}.accept", update.accept, is_condition=True)
        for variable, value in update.variables.items():
            yield Written(f"updates.{name}.set.{variable}", value, is_condition=False)


def _in_list(block: str, steps: tuple[Step, ...], holder: Spot | None) -> Iterator[Spot]:
    for index, step in enumerate(steps):
        yield Spot(step, f"{block}[{index}]", holder, block, index)
