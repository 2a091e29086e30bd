"""What the author of a workflow wrote, against what its runs do; kept from events and the text of
the definition, not from the net that was compiled of it.

Promise 4, an end that could have been reached undisturbed: a failure goes to the first handler that
takes its code, and to no other; each attempt of a call is a run of its own; no more tasks of a run
are with nodes than its options allow.
"""

from collections.abc import Callable, Iterable, Iterator

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.definition import (
    ChoiceStep,
    Definition,
    ForEachStep,
    Handler,
    MapStep,
    ParallelStep,
    Step,
    UntilStep,
    WhileStep,
    WithinStep,
)
from events.facts import Called, Fact, Failure, Flow
from tests.simulation.books import RunBook


class Authored:
    """Of one run. `definition` gives what was written, by its version."""

    def __init__(self, definition: Callable[[str], Definition | None]) -> None:
        self._definition = definition
        self._steps: dict[str, dict[str, Step]] = {}
        self._children: set[str] = set()

    def take(self, fact: Fact, book: RunBook) -> Iterator[str]:
        """What is wrong with a fact that `book` has taken in."""
        for called in _called(fact):
            if called.run_id in self._children:
                yield f"{called.step} has run {called.run_id} for another attempt as well"
            self._children.add(called.run_id)
        if isinstance(fact, t.TaskDispatched):
            yield from _crowded(fact, book)
        if isinstance(fact, t.TaskFailed | o.ResultGiven) and fact.failure is not None:
            yield from self._failed(fact, fact.failure, book)

    def _failed(
        self, fact: t.TaskFailed | o.ResultGiven, failure: Failure, book: RunBook
    ) -> Iterator[str]:
        step = self._written(fact.step, book.state.workflow_version)
        if step is None or (isinstance(step, MapStep) and fact.step not in book.state.steps):
            return  # of an item its map says what becomes of it
        handlers: tuple[Handler, ...] = getattr(step, "on_error", ())
        takes = next((h for h in handlers if not h.codes or failure.code in h.codes), None)
        if fact.handled != (takes is not None):
            said = "is handled" if fact.handled else "is not handled"
            yield f"{failure.code} of {fact.step} {said}, its handlers are for {_codes(handlers)}"
        others = {one.id for h in handlers if h is not takes for one in steps_of(h.steps)}
        if begun := sorted(others.intersection(_begun(fact.flow))):
            yield f"{begun[0]} begins with {failure.code} of {fact.step}, which is not for it"

    def _written(self, step_id: str, version: str) -> Step | None:
        if version not in self._steps:
            definition = self._definition(version)
            steps = definition.steps if definition is not None else ()
            self._steps[version] = {one.id: one for one in steps_of(steps)}
        return self._steps[version].get(_static(step_id))


def steps_of(steps: Iterable[Step]) -> Iterator[Step]:
    """All steps, those inside others and of handlers included."""
    for step in steps:
        yield step
        for handler in getattr(step, "on_error", ()):
            yield from steps_of(handler.steps)
        match step:
            case ChoiceStep():
                yield from steps_of([one for case in step.cases for one in case.steps])
                yield from steps_of(step.default)
            case ParallelStep():
                yield from steps_of([one for steps in step.branches.values() for one in steps])
            case WhileStep() | UntilStep() | ForEachStep() | WithinStep():
                yield from steps_of(step.steps)
            case _:
                pass


def _static(step_id: str) -> str:
    """The step as it is written, of one of its iterations or items."""
    return step_id.partition("[")[0]


def _codes(handlers: Iterable[Handler]) -> list[tuple[str, ...]]:
    return [handler.codes for handler in handlers]


def _called(fact: Fact) -> Iterator[Called]:
    """The child runs that a fact names for the first time."""
    flow = getattr(fact, "flow", None)
    if isinstance(flow, Flow):
        yield from flow.calls
    if isinstance(fact, r.ChildCalled):
        yield fact.call
    if isinstance(fact, r.RunForked | o.RunRestored):
        yield from (one.call for one in fact.renewed if one.call is not None)


def _begun(flow: Flow) -> set[str]:
    """The steps that something begins of."""
    names = [
        *(one.step for one in flow.enabled),
        *(one.step for one in flow.waiting),
        *(one.step for one in flow.calls),
        *(one.step for one in flow.loops),
        *(one.step for one in flow.maps),
        *flow.entered,
    ]
    return {_static(name) for name in names}


def _crowded(fact: t.TaskDispatched, book: RunBook) -> Iterator[str]:
    most = book.state.options.concurrency_max
    if most is not None and len(book.outstanding) > most:
        count = len(book.outstanding)
        yield f"{fact.step} is dispatched as one of {count} at a time, {most} are allowed"
