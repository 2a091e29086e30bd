"""Handles: steps that were added to a workflow and of which more can be said.

A handle changes the step it stands for, and returns itself. Lists are open while one is in their
`with` block; a step goes to the innermost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

import msgspec

from events.definition import (
    CallStep,
    Case,
    ChoiceStep,
    Handler,
    LoopStep,
    MapStep,
    ParallelStep,
    Step,
    TaskStep,
    WaitStep,
    WithinStep,
)
from orchestrator.authoring.authored import Marks
from orchestrator.authoring.making import Condition, condition_of
from orchestrator.authoring.positions import here
from orchestrator.authoring.problems import InvalidDefinition, Problem
from orchestrator.authoring.said import Change, OfMap, OfTask, Retried, Said
from orchestrator.authoring.terms import Term

OutputStep = TaskStep | WaitStep | LoopStep | MapStep | CallStep


class Added(Protocol):
    """Something in a list of steps: a step, or an expression of several."""

    def built(self, marks: Marks) -> tuple[Step, ...]:
        """The steps, with all that is inside them; their places are put into `marks`."""
        ...


class Lists:
    """The lists of steps that are open, innermost last."""

    def __init__(self) -> None:
        self._open: list[list[Added]] = [[]]

    def add(self, added: Added) -> None:
        self._open[-1].append(added)

    @contextmanager
    def block(self, steps: list[Added]) -> Iterator[None]:
        """Steps added inside go to `steps`."""
        self._open.append(steps)
        try:
            yield
        finally:
            self._open.pop()

    def outermost(self, marks: Marks) -> tuple[Step, ...]:
        return all_built(self._open[0], marks)


def all_built(steps: list[Added], marks: Marks) -> tuple[Step, ...]:
    return tuple(step for added in steps for step in added.built(marks))


class StepHandle(Said):
    """A step that was added. Its methods say more about it and return it."""

    def __init__(self, step: Step) -> None:
        self.id = step.id
        self._step = step
        self._places = {"": here()}

    def after(self, *steps: "StepHandle | str") -> Self:
        """Wait for these steps of the same list instead of the previous one; for none: at once."""
        ids = tuple(step if isinstance(step, str) else step.id for step in steps)
        return self._changed(
            "depends_on", lambda step: msgspec.structs.replace(step, depends_on=ids)
        )

    def when(self, condition: Condition) -> Self:
        """Skip the step unless the condition holds."""
        said = condition_of(condition)
        return self._changed("when", lambda step: msgspec.structs.replace(step, when=said))

    def built(self, marks: Marks) -> tuple[Step, ...]:
        return (marks.put(self._whole(marks), self._places),)

    def _whole(self, marks: Marks) -> Step:
        """The step with all that is inside it."""
        return self._step

    def _changed(self, key: str, change: Change) -> Self:
        self._step = change(self._step)
        self._places[part(self._step, key)] = here()
        return self


def part(step: Step, key: str) -> str:
    """The path of a part of a step below it; what is said of a map's tasks stands inside `map`."""
    of_items = isinstance(step, MapStep) and key in {"retry", "timeouts", "needs", "labels"}
    return f".map.{key}" if of_items else f".{key}"


class FailingHandle(StepHandle):
    """A step that may fail; `error` is a term for later steps."""

    def __init__(self, step: OutputStep | WithinStep, lists: Lists) -> None:
        super().__init__(step)
        self._lists = lists
        self._handlers: list[tuple[tuple[str, ...], list[Added]]] = []
        self.error = Term("steps")[step.id].error

    @contextmanager
    def on_error(self, *codes: str) -> Iterator[None]:
        """The steps inside run when the step fails for good with one of `codes` (none: any)."""
        steps: list[Added] = []
        self._places[f".on_error[{len(self._handlers)}]"] = here()
        self._handlers.append((codes, steps))
        with self._lists.block(steps):
            yield

    def _whole(self, marks: Marks) -> Step:
        handlers = tuple(
            Handler(codes=codes, steps=all_built(steps, marks)) for codes, steps in self._handlers
        )
        return msgspec.structs.replace(self._step, on_error=handlers)


class OutputHandle(FailingHandle):
    """A step that has an output and may fail; `output` and `error` are terms for later steps."""

    def __init__(self, step: OutputStep, lists: Lists) -> None:
        super().__init__(step, lists)
        self.output = Term("steps")[step.id].output


class CallHandle(OutputHandle, Retried):
    """A step that runs another workflow as a run of its own; it can be tried again."""


class TaskHandle(OutputHandle, OfTask):
    """A task that was added."""


class MapHandle(OutputHandle, OfMap):
    """A task for each item of a list: `retry`, `timeouts`, `needs` and `labels` are those of each;
    `output` is the list of their outputs."""


class BodyHandle(FailingHandle):
    """A step that holds a list of steps."""

    def __init__(self, step: LoopStep | WithinStep, lists: Lists) -> None:
        super().__init__(step, lists)
        self._body: list[Added] = []

    @contextmanager
    def body(self) -> Iterator[None]:
        """The steps inside are those that it holds; opened again, more of them."""
        with self._lists.block(self._body):
            yield

    def _whole(self, marks: Marks) -> Step:
        steps = all_built(self._body, marks)
        return msgspec.structs.replace(super()._whole(marks), steps=steps)


class LoopHandle(BodyHandle, OutputHandle):
    """Steps that are repeated. `index` and `item` are terms for the steps inside; `output` is that
    of the last iteration, or the list of all of them for a loop over a list.
    """

    def __init__(self, step: LoopStep, lists: Lists) -> None:
        super().__init__(step, lists)
        self.index = Term("iteration").index
        self.item = Term("iteration").item

    def until(self, condition: Condition) -> Self:
        """Says when a loop ends whose condition reads what is inside it."""
        said = condition_of(condition)
        return self._changed("until", lambda step: msgspec.structs.replace(step, condition=said))


class WithinHandle(BodyHandle):
    """Steps that are all to be over in time."""


class ChoiceHandle(StepHandle):
    """An exclusive split: cases in order, and what happens when none holds."""

    def __init__(self, step: ChoiceStep, lists: Lists) -> None:
        super().__init__(step)
        self._lists = lists
        self._cases: list[tuple[str, list[Added]]] = []
        self._default: list[Added] | None = None

    @contextmanager
    def case(self, condition: Condition) -> Iterator[None]:
        """The steps inside run when this is the first condition that holds."""
        steps: list[Added] = []
        self._places[f".choice[{len(self._cases)}]"] = here()
        self._cases.append((condition_of(condition), steps))
        with self._lists.block(steps):
            yield

    @contextmanager
    def default(self) -> Iterator[None]:
        """The steps inside run when no condition holds; always said, if only by `pass`."""
        self._default = []
        with self._lists.block(self._default):
            yield

    def _whole(self, marks: Marks) -> Step:
        if self._default is None:
            message = f"choice `{self.id}` needs a default: add `with ….default(): pass`"
            place = self._places[""]
            raise InvalidDefinition(
                [Problem(code="no_default", where="", message=message, place=place)]
            )
        return msgspec.structs.replace(
            self._step,
            cases=tuple(
                Case(when=when, steps=all_built(steps, marks)) for when, steps in self._cases
            ),
            default=all_built(self._default, marks),
        )


class ParallelHandle(StepHandle):
    """Branches that run at the same time."""

    def __init__(self, step: ParallelStep, lists: Lists) -> None:
        super().__init__(step)
        self._lists = lists
        self._branches: dict[str, list[Added]] = {}

    @contextmanager
    def branch(self, name: str) -> Iterator[None]:
        """The steps inside are one branch; opened again, more of it."""
        self._places.setdefault(f".parallel.{name}", here())
        with self._lists.block(self._branches.setdefault(name, [])):
            yield

    def _whole(self, marks: Marks) -> Step:
        branches = {name: all_built(steps, marks) for name, steps in self._branches.items()}
        return msgspec.structs.replace(self._step, branches=branches)
