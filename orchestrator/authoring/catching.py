"""Catching: handlers of several steps together, made of the handlers that single steps have.

A net knows handlers of one step only. So the first failure is kept in a variable, whatever comes
after it is skipped while that is set, and a choice at the end does what was to be done:

    try-a     set failed_a: null
    a         … on_error: set failed_a: ${ steps.a.error }      one for each step that can fail
    b         when: vars.failed_a == null, …
    catch-a   choice: when vars.failed_a != null: the handler

A branch of a parallel has a variable of its own, as it is not disturbed by what fails beside it;
after the parallel the first of them counts. A loop does not go round again once it is set.

Names that are made here have two dashes or underscores before what is added to them, so that steps
called `a`, `b` and `a-b` do not get in each other's way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from json import dumps

import msgspec

from events.definition import (
    Case,
    ChoiceStep,
    ForEachStep,
    Handler,
    LoopStep,
    ParallelStep,
    SetStep,
    Step,
    UntilStep,
    WhileStep,
    WithinStep,
)
from events.values import Value
from orchestrator.authoring.authored import Marks
from orchestrator.authoring.outline import MayFail, handlers_of, inner_blocks
from orchestrator.authoring.problems import Place
from orchestrator.authoring.terms import Term

Codes = tuple[str, ...]


@dataclass(frozen=True)
class Trap:
    """The names of what a handler needs around steps of which the first is called `label`."""

    label: str

    @property
    def id(self) -> str:
        return f"try-{self.label}"

    @property
    def variable(self) -> str:
        return f"failed_{self.label.replace('-', '_')}"

    @property
    def error(self) -> Term:
        """The failure, for those who handle it."""
        return Term("vars")[self.variable]


@dataclass(frozen=True)
class Clause:
    """What is done about failures with one of `codes`; none: about all."""

    codes: Codes
    steps: tuple[Step, ...]
    place: Place


def caught(
    body: tuple[Step, ...], clauses: Sequence[Clause], trap: Trap, marks: Marks
) -> tuple[Step, ...]:
    """The body with its failures kept from ending the run, and what is done about them."""
    all_codes = () if any(not one.codes for one in clauses) else _union(clauses)
    place = clauses[0].place
    catching = _Catching(trap, all_codes, marks, place)
    steps = catching.steps(body, trap.variable, is_after=False)
    unset: dict[str, Value] = dict.fromkeys(catching.variables)
    end = ChoiceStep(
        id=f"catch-{trap.label}",
        cases=tuple(Case(when=_met(one, trap.variable), steps=one.steps) for one in clauses),
        default=(),
    )
    cases = {f".choice[{index}]": one.place for index, one in enumerate(clauses)}
    return (
        marks.put(SetStep(id=trap.id, variables=unset), {"": place}),
        *steps,
        marks.put(end, {"": place, **cases}),
    )


def _union(clauses: Sequence[Clause]) -> Codes:
    return tuple(dict.fromkeys(code for one in clauses for code in one.codes))


def _met(clause: Clause, variable: str) -> str:
    is_set = f"vars.{variable} != null"
    return f"{is_set} && vars.{variable}.code in {dumps(clause.codes)}" if clause.codes else is_set


@dataclass
class _Catching:
    trap: Trap
    codes: Codes
    marks: Marks
    place: Place
    variables: list[str] = field(default_factory=list)

    def steps(self, steps: tuple[Step, ...], variable: str, *, is_after: bool) -> tuple[Step, ...]:
        """`steps` with what fails kept in `variable`; `is_after` says that it may be set before."""
        if variable not in self.variables:
            self.variables.append(variable)
        made: list[Step] = []
        for step in steps:
            guarded = _unless_set(step, variable) if is_after else step
            if isinstance(guarded, ParallelStep):
                inside, kept = self._parallel(guarded)
                made.append(self.marks.moved(step, inside))
                made.append(self._gathered(step.id, variable, kept))
            else:
                made.append(self.marks.moved(step, self._inside(guarded, variable)))
            is_after = is_after or _may_fail(step)
        return tuple(made)

    def _inside(self, step: Step, variable: str) -> Step:
        match step:
            case ChoiceStep(cases=cases, default=default):
                return msgspec.structs.replace(
                    step,
                    cases=tuple(
                        Case(when=one.when, steps=self.steps(one.steps, variable, is_after=False))
                        for one in cases
                    ),
                    default=self.steps(default, variable, is_after=False),
                )
            case WhileStep() | UntilStep() | ForEachStep():
                return self._loop(step, variable)
            case WithinStep():
                body = self.steps(step.steps, variable, is_after=False)
                return self._handled(msgspec.structs.replace(step, steps=body), variable)
            case _:
                return self._handled(step, variable)

    def _loop(self, step: LoopStep, variable: str) -> Step:
        is_each = isinstance(step, ForEachStep)
        body = self.steps(step.steps, variable, is_after=is_each)
        looping = msgspec.structs.replace(step, steps=body)
        if isinstance(looping, WhileStep):
            going = f"vars.{variable} == null && ({looping.condition})"
            looping = msgspec.structs.replace(looping, condition=going)
        elif isinstance(looping, UntilStep):
            ended = f"vars.{variable} != null || ({looping.condition})"
            looping = msgspec.structs.replace(looping, condition=ended)
        return self._handled(looping, variable)

    def _handled(self, step: Step, variable: str) -> Step:
        if not isinstance(step, MayFail):
            return step
        handlers = [
            Handler(codes=one.codes, steps=self.steps(one.steps, variable, is_after=False))
            for one in handlers_of(step)
        ]
        if all(one.codes for one in handlers):  # else nothing would come through
            kept: dict[str, Value] = {variable: str(Term("steps")[step.id].error)}
            keeping = SetStep(id=f"{self.trap.id}--{step.id}", variables=kept)
            handlers.append(Handler(codes=self.codes, steps=(self._marked(keeping),)))
        return msgspec.structs.replace(step, on_error=tuple(handlers))

    def _parallel(self, step: ParallelStep) -> tuple[Step, list[str]]:
        """With a variable for each branch, and those variables."""
        kept: list[str] = []
        branches = {}
        for name, inner in step.branches.items():
            kept.append(f"{self.trap.variable}__{len(self.variables)}")
            branches[name] = self.steps(inner, kept[-1], is_after=False)
        return msgspec.structs.replace(step, branches=branches), kept

    def _gathered(self, parallel_id: str, variable: str, kept: list[str]) -> Step:
        """Sets the variable to the first failure of the branches, unless it is set before."""
        *others, last = kept
        first = "".join(f"vars.{one} != null ? vars.{one} : " for one in others)
        gathering = SetStep(
            id=f"{self.trap.id}--{parallel_id}",
            when=f"vars.{variable} == null",
            variables={variable: f"${{ {first}vars.{last} }}"},
        )
        return self._marked(gathering)

    def _marked(self, step: Step) -> Step:
        return self.marks.put(step, {"": self.place})


def _unless_set(step: Step, variable: str) -> Step:
    unset = f"vars.{variable} == null"
    when = unset if step.when is None else f"{unset} && ({step.when})"
    return msgspec.structs.replace(step, when=when)


def _may_fail(step: Step) -> bool:
    """Whether anything in it may set the variable; rather once too often."""
    if isinstance(step, MayFail):
        return True
    return any(_may_fail(one) for _, steps in inner_blocks(step) for one in steps)
