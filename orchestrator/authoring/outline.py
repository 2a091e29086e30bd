"""Outline: a definition as a tree of blocks, with what each step reads and how steps wait.

A block is a list of steps that is entered once and left when all its last steps are done. Within it
a step waits for the previous one, or for what `depends_on` names, and in either case for every
sibling that it, or anything inside it, reads:

- `steps.<id>` waits for the sibling which is, or contains, that step, wherever it stands;
- `vars.<name>` waits for the siblings further up which set that variable.

A step that reads something of an enclosing list makes the enclosing step wait there.
"""

from collections.abc import Iterator

import msgspec

from events.definition import (
    CallStep,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    Handler,
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
from events.limits import STEP_WAITS_MAX
from events.values import Value
from orchestrator.authoring.problems import InvalidDefinition, Problem
from orchestrator.kernel.expressions import Expressions
from orchestrator.kernel.templates import compile_template


class Reads(msgspec.Struct, frozen=True):
    """Step ids and variables that expressions read."""

    steps: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()

    def union(self, *others: "Reads") -> "Reads":
        return Reads(
            self.steps.union(*(other.steps for other in others)),
            self.variables.union(*(other.variables for other in others)),
        )


class Block(msgspec.Struct, frozen=True):
    """A list of steps; `label` is its place inside the step that holds it, `default`, `left`."""

    label: str
    nodes: "tuple[Node, ...]"

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all steps, those inside others included, in the order of the definition."""
        return tuple(step_id for node in self.nodes for step_id in node.ids)

    @property
    def own_ids(self) -> tuple[str, ...]:
        """Those without what lies inside loops, which is there once for each iteration."""
        return tuple(step_id for node in self.nodes for step_id in node.own_ids)


class Node(msgspec.Struct, frozen=True):
    """A step with its blocks. `ids`, `reads` and `sets` cover the step and all inside it, `own_ids`
    what is not inside a loop.
    """

    step: Step
    blocks: tuple[Block, ...]
    ids: tuple[str, ...]
    own_ids: tuple[str, ...]
    reads: Reads
    sets: frozenset[str]


def outline(definition: Definition, expressions: Expressions) -> Block:
    """The root block. Raises `InvalidExpression`."""
    return _block("", definition.steps, expressions)


def inner_blocks(step: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The lists of steps inside a step, labelled, in the order of the definition."""
    match step:
        case ChoiceStep(cases=cases, default=default):
            for number, case in enumerate(cases, start=1):
                yield str(number), case.steps
            yield "default", default
        case ParallelStep(branches=branches):
            yield from branches.items()
        case WhileStep() | UntilStep() | ForEachStep() | WithinStep():
            yield BODY, step.steps
        case _:
            pass
    for number, handler in enumerate(handlers_of(step), start=1):
        yield f"error{number}", handler.steps


BODY = "body"
HasOutput = TaskStep | WaitStep | LoopStep | MapStep | CallStep
MayFail = HasOutput | WithinStep


def handlers_of(step: Step) -> tuple[Handler, ...]:
    """What is to be done when the step fails; empty for steps that cannot have a handler."""
    return step.on_error if isinstance(step, MayFail) else ()


def has_output(step: Step) -> bool:
    """Whether `steps.<id>.output` means something."""
    return isinstance(step, HasOutput)


def has_error(step: Step) -> bool:
    """Whether `steps.<id>.error` means something."""
    return isinstance(step, MayFail)


def conditions(step: Step) -> Iterator[str]:
    """The conditions that a step itself evaluates."""
    if step.when is not None:
        yield step.when
    if isinstance(step, ChoiceStep):
        for case in step.cases:
            yield case.when
    elif isinstance(step, WhileStep | UntilStep):
        yield step.condition


def template_of(step: Step) -> Value:
    """The value of a step that may hold `${ expression }`; None where there is none."""
    match step:
        case TaskStep(inputs=inputs):
            return inputs
        case SetStep(variables=variables):
            return variables
        case FailStep(message=message):
            return message
        case WaitStep():
            return [step.duration, step.until, step.correlation]
        case ForEachStep(items=items):
            return items
        case MapStep(items=items, inputs=inputs):
            return [items, inputs]
        case CallStep():
            return step.input
        case ChoiceStep() | ParallelStep() | WhileStep() | UntilStep() | WithinStep():
            return None


def own_paths(step: Step, expressions: Expressions) -> tuple[str, ...]:
    """The paths that the step itself reads, without what is inside it."""
    found = dict.fromkeys(compile_template(template_of(step)).paths(expressions))
    for condition in conditions(step):
        found.update(dict.fromkeys(expressions.paths(condition)))
    return tuple(found)


def reads_of(paths: tuple[str, ...]) -> Reads:
    """Steps and variables among `paths`."""
    return Reads(
        frozenset(_second(path) for path in paths if path.startswith("steps.")),
        frozenset(_second(path) for path in paths if path.startswith("vars.")),
    )


def _second(path: str) -> str:
    return path.split(".")[1]


def _block(label: str, steps: tuple[Step, ...], expressions: Expressions) -> Block:
    return Block(label, tuple(_node(step, expressions) for step in steps))


def _node(step: Step, expressions: Expressions) -> Node:
    blocks = tuple(_block(label, steps, expressions) for label, steps in inner_blocks(step))
    inside = [node for block in blocks for node in block.nodes]
    own = reads_of(own_paths(step, expressions))
    sets = frozenset(step.variables if isinstance(step, SetStep) else ())
    return Node(
        step=step,
        blocks=blocks,
        ids=(step.id, *(step_id for block in blocks for step_id in block.ids)),
        own_ids=(
            step.id,
            *(
                step_id
                for block in blocks
                if not (isinstance(step, LoopStep) and block.label == BODY)
                for step_id in block.own_ids
            ),
        ),
        reads=own.union(*(node.reads for node in inside)),
        sets=sets.union(*(node.sets for node in inside)),
    )


class Wait(msgspec.Struct, frozen=True):
    """That a step waits for the sibling at `index`, and why."""

    index: int
    why: str


def waits(block: Block) -> tuple[tuple[Wait, ...], ...]:
    """For every step of the block what it waits for, authored waits first.

    A wait for data that follows from other waits for earlier siblings is left out. Names in
    `depends_on` that are no siblings are passed over here; the check refuses them. Raises
    `InvalidDefinition` for more than `STEP_WAITS_MAX`.
    """
    reading = _Reading(block)
    found: list[tuple[Wait, ...]] = []
    count = 0
    for index, node in enumerate(block.nodes):
        authored = dict.fromkeys(reading.authored(index, node))
        found.append((*authored, *reading.data(index, node, tuple(authored))))
        count += len(found[-1])
        if count > STEP_WAITS_MAX:
            message = f"steps wait for each other in over {STEP_WAITS_MAX} ways: split the workflow"
            raise InvalidDefinition([Problem(code="too_large", where="steps", message=message)])
    return tuple(found)


class _Reading:
    """Who waits for whom, step by step. Sets of siblings are bit sets by index."""

    def __init__(self, block: Block) -> None:
        self._places = {node.step.id: index for index, node in enumerate(block.nodes)}
        self._holders = {id_: index for index, node in enumerate(block.nodes) for id_ in node.ids}
        self._setters: dict[str, int] = {}
        self._before: list[int] = []
        """For each step so far the earlier siblings that it is known to come after."""

    def authored(self, index: int, node: Node) -> Iterator[Wait]:
        if node.step.depends_on is not None:
            for name in node.step.depends_on:
                if name in self._places:
                    yield Wait(self._places[name], "depends_on")
        elif index:
            yield Wait(index - 1, "it follows it")

    def data(self, index: int, node: Node, authored: tuple[Wait, ...]) -> list[Wait]:
        """Waits for data beside the authored ones; remembers what the step comes after."""
        known = 0
        for wait in authored:
            known |= self._up_to(wait.index, index)
        steps = self._steps(index, node)
        done = {wait.index for wait in authored}
        found = [Wait(at, steps[at]) for at in sorted(steps) if at > index and at not in done]
        setters = {name: self._setters.get(name, 0) for name in sorted(node.reads.variables)}
        needed = sum(1 << at for at in steps if at < index)
        for mask in setters.values():
            needed |= mask
        while needed := needed & ~known:
            at = needed.bit_length() - 1
            found.append(Wait(at, steps.get(at) or _setter_of(at, setters)))
            known |= self._up_to(at, index)
        self._remember(index, node, known)
        return found

    def _steps(self, index: int, node: Node) -> dict[int, str]:
        """The siblings that hold what the step reads, and why each is needed."""
        found: dict[int, str] = {}
        for step_id in sorted(node.reads.steps):
            holder = self._holders.get(step_id, index)
            if holder != index:
                found.setdefault(holder, f"it reads steps.{step_id}")
        return found

    def _up_to(self, place: int, index: int) -> int:
        """An earlier sibling and all that it comes after."""
        return 1 << place | self._before[place] if place < index else 0

    def _remember(self, index: int, node: Node, known: int) -> None:
        self._before.append(known)
        for name in node.sets:
            self._setters[name] = self._setters.get(name, 0) | 1 << index


def _setter_of(place: int, setters: dict[str, int]) -> str:
    name = next(name for name, mask in setters.items() if mask >> place & 1)
    return f"it reads vars.{name}"
