"""The algebra: steps as values that are combined into larger ones and then added to a workflow.

    fetch = steps.task("fetch", "shop.fetch", url=steps.input.url)
    parse = steps.task("parse", "shop.parse", text=fetch.output)
    store = steps.task("store", "shop.store", text=fetch.output).with_timeout("1m")
    sorry = steps.task("sorry", "shop.sorry")
    flow.add(fetch.then(parse.par_with(store)).on_error(sorry))

An expression is immutable; combining makes a new one. `a.then(b)` is associative with `nothing` as
its neutral element, `a.par_with(b)` too and also commutative: by construction, since nested ones
are flattened. That a step stands in two places of one workflow is no law of any kind: it would run
twice, and is refused as the same id twice.

Expressions become steps of a definition, the same as the builder and YAML make: see `built`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal, Self, TypeAlias

import msgspec

from events.definition import (
    ITERATIONS_MAX,
    Case,
    ChoiceStep,
    ForEachStep,
    LoopStep,
    ParallelStep,
    Step,
    UntilStep,
    WhileStep,
    WithinStep,
)
from events.values import Value
from orchestrator.authoring.authored import Marks
from orchestrator.authoring.catching import Clause, Trap, caught
from orchestrator.authoring.making import Condition, Duration, condition_of
from orchestrator.authoring.positions import here
from orchestrator.authoring.problems import InvalidDefinition, Place, Problem
from orchestrator.authoring.quantities import seconds
from orchestrator.authoring.terms import Term, plain

LoopKind: TypeAlias = Literal["while", "until", "for_each"]
OnError: TypeAlias = "Steps | Callable[[Term], Steps]"
"""What is done, or what makes it of the error, a term with `code`, `message` and `details`."""


@dataclass(frozen=True, kw_only=True)
class Steps(ABC):
    """Steps that can be combined. Equal when they are the same steps in the same order, wherever
    they are written.
    """

    place: Place = field(default_factory=here, compare=False, repr=False)

    @property
    @abstractmethod
    def first(self) -> str:
        """The id of the first step that it becomes; steps that have no name are named after it."""

    @abstractmethod
    def built(self, marks: Marks) -> tuple[Step, ...]:
        """The list of steps that it becomes; their places are put into `marks`."""

    def then(self, *others: "Steps") -> "Steps":
        """This, and when all of it is done, what follows."""
        return sequence(self, *(expected(other, "then") for other in others))

    def par_with(self, *others: "Steps") -> "Steps":
        """This and the others at the same time; done when all of them are."""
        return together(self, *(expected(other, "par_with") for other in others))

    def when(self, condition: Condition, otherwise: "Steps | None" = None) -> "Steps":
        """This if the condition holds when the run gets there; else `otherwise`, or nothing."""
        if otherwise is None:
            return Choice(cases=((condition_of(condition), self),), default=nothing)
        default = expected(otherwise, "when")
        return Choice(cases=((condition_of(condition), self),), default=default)

    def repeat_while(self, condition: Condition, *, most: int = ITERATIONS_MAX) -> "Loop":
        """This again and again as long as the condition holds, looked at before each time."""
        return _loop("while", self, condition_of(condition), most)

    def repeat_until(self, condition: Condition, *, most: int = ITERATIONS_MAX) -> "Loop":
        """This again and again until the condition holds, looked at after each time."""
        return _loop("until", self, condition_of(condition), most)

    def for_each(self, items: object, *, most: int = ITERATIONS_MAX) -> "Loop":
        """This for each item of a list, one after the other, with `steps.item` and `steps.index`.
        For a task for each item, many at the same time, see `steps.map`."""
        return _loop("for_each", self, plain(items), most)

    def named(self, id_: str) -> "Steps":
        """The same with this id instead of one made of the first step's. Raises `InvalidDefinition`
        for what is not one step, or has an id already."""
        raise refused(
            "no_name",
            f"{_told(self)} cannot be named {id_}: only what par_with, when, repeat_while, "
            "repeat_until, for_each and with_timeout make; others get their id where they are made",
        )

    def with_timeout(self, duration: Duration) -> "Steps":
        """At most so long for all of it together. After that what of it is under way is called
        back, what has not begun is left out, and it fails with code `within_timeout`. A task has
        its own way: from when it could start to its end, all attempts included; and so has a wait
        for a signal, which fails with `signal_timeout`. Of several the shortest counts."""
        return limited(self, duration)

    def on_error(self, handler: OnError, *codes: str) -> "Steps":
        """When a task, wait, map, call or loop of it fails for good with one of `codes` (none:
        any), what of it has not begun is left out, the handler runs, and then goes on what follows.
        Several are looked at in the order in which they are written; none catches what another one
        fails with."""
        return catch(self, handler, codes)


@dataclass(frozen=True, kw_only=True)
class Sequence(Steps):
    """One after the other. `parts` are none of them sequences; no parts: nothing."""

    parts: tuple[Steps, ...]

    @property
    def first(self) -> str:
        return self.parts[0].first if self.parts else ""

    def built(self, marks: Marks) -> tuple[Step, ...]:
        return tuple(step for one in self.parts for step in one.built(marks))


nothing = Sequence(parts=(), place=Place(0, 0))
"""Neutral: `nothing.then(a)`, `a.then(nothing)` and `a.par_with(nothing)` are `a`."""


def sequence(*parts: Steps) -> Steps:
    """All one after the other."""
    flat = tuple(chain.from_iterable(_parts(part) for part in parts))
    return flat[0] if len(flat) == 1 else Sequence(parts=flat) if flat else nothing


def _parts(one: Steps) -> tuple[Steps, ...]:
    one = expected(one, "sequence")
    return one.parts if isinstance(one, Sequence) else (one,)


@dataclass(frozen=True, kw_only=True)
class Named(Steps):
    """Steps that become one step with an id of its own, after its first one unless it is named."""

    id: str = ""

    def named(self, id_: str) -> Self:
        """The same, as a step of this id."""
        return replace(self, id=id_, place=here())


@dataclass(frozen=True, kw_only=True)
class Parallel(Named):
    """Branches at the same time. A name of "" is made of the branch's first step."""

    branches: tuple[tuple[str, Steps], ...]

    @property
    def first(self) -> str:
        return self.id or f"{self.branches[0][1].first}-parallel"

    def built(self, marks: Marks) -> tuple[Step, ...]:
        names = _distinct(name or branch.first for name, branch in self.branches)
        named = {name: one for name, (_, one) in zip(names, self.branches, strict=True)}
        branches = {name: one.built(marks) for name, one in named.items()}
        step = ParallelStep(id=self.first, branches=branches)
        places = {f".parallel.{name}": one.place for name, one in named.items()}
        return (marks.put(step, {"": self.place, **places}),)


def together(*parts: Steps) -> Steps:
    """All at the same time."""
    flat = tuple(chain.from_iterable(map(_branches, parts)))
    return flat[0][1] if len(flat) == 1 else Parallel(branches=flat) if flat else nothing


def _branches(one: Steps) -> tuple[tuple[str, Steps], ...]:
    if isinstance(one, Parallel) and not one.id:
        return one.branches
    return (("", one),) if one != nothing else ()


def _distinct(names: Iterable[str]) -> list[str]:
    """The same step in two branches is refused later, by its id; it must not vanish before."""
    found: Counter[str] = Counter()
    made = []
    for name in names:
        found[name] += 1
        made.append(f"{name}-{found[name]}" if found[name] > 1 else name)
    return made


@dataclass(frozen=True, kw_only=True)
class Choice(Named):
    """The first case whose condition holds, else `default`."""

    cases: tuple[tuple[str, Steps], ...]
    default: Steps

    @property
    def first(self) -> str:
        inner = next((one.first for one in self._ways() if one.first), "")
        return self.id or f"{inner}-choice".removeprefix("-")

    def _ways(self) -> Iterator[Steps]:
        yield from (one for _, one in self.cases)
        yield self.default

    def built(self, marks: Marks) -> tuple[Step, ...]:
        cases = tuple(Case(when=when, steps=one.built(marks)) for when, one in self.cases)
        step = ChoiceStep(id=self.first, cases=cases, default=self.default.built(marks))
        places = {f".choice[{index}]": one.place for index, (_, one) in enumerate(self.cases)}
        return (marks.put(step, {"": self.place, **places}),)


@dataclass(frozen=True, kw_only=True)
class Loop(Named):
    """Steps that are repeated. `output` is that of the last iteration, or for `for_each` the list
    of all of them."""

    kind: LoopKind
    body: Steps
    over: Value
    """The condition, or the items."""
    most: int

    @property
    def first(self) -> str:
        return self.id

    @property
    def output(self) -> Term:
        return Term("steps")[self.id].output

    @property
    def error(self) -> Term:
        return Term("steps")[self.id].error

    def built(self, marks: Marks) -> tuple[Step, ...]:
        step = msgspec.structs.replace(
            self._step(), steps=self.body.built(marks), iterations_max=self.most
        )
        return (marks.put(step, {"": self.place}),)

    def _step(self) -> LoopStep:
        match self.kind:
            case "while":
                return WhileStep(id=self.id, condition=str(self.over))
            case "until":
                return UntilStep(id=self.id, condition=str(self.over))
            case "for_each":
                return ForEachStep(id=self.id, items=self.over)


@dataclass(frozen=True, kw_only=True)
class Within(Named):
    """Steps that are all to be over in time."""

    body: Steps
    limit_s: float

    @property
    def first(self) -> str:
        return self.id

    @property
    def error(self) -> Term:
        return Term("steps")[self.id].error

    def with_timeout(self, duration: Duration) -> Self:
        return replace(self, limit_s=min(self.limit_s, seconds(duration)), place=here())

    def built(self, marks: Marks) -> tuple[Step, ...]:
        step = WithinStep(id=self.id, timeout_s=self.limit_s, steps=self.body.built(marks))
        return (marks.put(step, {"": self.place}),)


def limited(body: Steps, duration: Duration) -> Steps:
    limit_s = seconds(duration)
    if body == nothing:
        return nothing
    return Within(id=f"{body.first}-within", body=body, limit_s=limit_s)


def _loop(kind: LoopKind, body: Steps, over: Value, most: int) -> Loop:
    id_ = f"{body.first}-{kind.replace('_', '-')}".removeprefix("-")
    return Loop(id=id_, kind=kind, body=body, over=over, most=most)


@dataclass(frozen=True, kw_only=True)
class Catch(Steps):
    """Steps whose failures are handled. `trap` names what that needs."""

    body: Steps
    clauses: tuple[tuple[tuple[str, ...], Steps], ...]
    trap: Trap

    @property
    def first(self) -> str:
        return self.trap.id

    def on_error(self, handler: OnError, *codes: str) -> Steps:
        made = handling(handler, self.trap.error)
        return replace(self, clauses=(*self.clauses, (codes, made)))

    def built(self, marks: Marks) -> tuple[Step, ...]:
        clauses = [
            Clause(codes, handler.built(marks), handler.place if handler.first else self.place)
            for codes, handler in self.clauses
        ]
        return caught(self.body.built(marks), clauses, self.trap, marks)


def catch(body: Steps, handler: OnError, codes: tuple[str, ...]) -> Steps:
    if body == nothing:
        return nothing
    trap = Trap(body.first)
    return Catch(body=body, clauses=((codes, handling(handler, trap.error)),), trap=trap)


def handling(handler: OnError, error: Term) -> Steps:
    """The steps of a handler, which may be made of the error."""
    if isinstance(handler, Steps) or not callable(handler):
        return expected(handler, "on_error")
    return expected(handler(error), "on_error")


def _told(one: Steps) -> str:
    return f"the steps that begin with `{one.first}`" if one.first else "nothing"


def expected(value: object, by: str) -> Steps:
    """`value` if it can be combined; raises `TypeError` with the mend."""
    if isinstance(value, Steps):
        return value
    told = f"{by} takes steps as values, found {type(value).__name__}"
    mend = "make them by `steps.task(…)` and its like; what `flow.task(…)` makes is added already"
    raise TypeError(f"{told}: {mend}")


def refused(code: str, message: str) -> InvalidDefinition:
    """What cannot even be written down."""
    return InvalidDefinition([Problem(code=code, where="", message=message, place=here())])
