"""Stops: where a cursor that runs on, or back, is to stand still.

A stop is asked at each event, with what is so after it. Those over the event alone are cheap; one
over the state is an expression, and stops where it becomes true: at an event after which it holds
and before which it did not. An expression that reads the event, or what it changed, is about that
event, and stops at each for which it holds.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.envelope import Header
from events.facts import Fact, Failure
from events.values import Value
from orchestrator.kernel.expressions import ExpressionFailed, Expressions
from orchestrator.kernel.instances import static_of
from orchestrator.replay.contents import Contents
from orchestrator.replay.traces import steps_of


class Seen(msgspec.Struct, frozen=True):
    """An event, and what is so after it."""

    header: Header
    fact: Fact
    contents: Contents


class Stop(Protocol):
    """Where to stand still. `text` says it to a person."""

    @property
    def text(self) -> str: ...

    @property
    def needs_state(self) -> bool:
        """Whether it looks at more than the event."""
        ...

    @property
    def needs_change(self) -> bool:
        """Whether it looks at what an event changed."""
        ...

    @property
    def becomes(self) -> bool:
        """Whether it stops only where it begins to hold."""
        ...

    def holds(self, seen: Seen) -> bool:
        """Whether it does after this event."""
        ...


class Hit(msgspec.Struct, frozen=True):
    """A version at which a stop held, and which one."""

    version: int
    stop: Stop


class OfEvents(msgspec.Struct, frozen=True):
    """Base of stops over the event alone."""

    @property
    def needs_state(self) -> bool:
        return False

    @property
    def needs_change(self) -> bool:
        return False

    @property
    def becomes(self) -> bool:
        return False


class OnType(OfEvents, frozen=True):
    """At events of a type: `task.failed.v1`, of any version `task.failed`, several `task.*`."""

    pattern: str

    @property
    def text(self) -> str:
        return f"event {self.pattern}"

    def holds(self, seen: Seen) -> bool:
        name = seen.header.type
        return fnmatchcase(name, self.pattern) or fnmatchcase(name, f"{self.pattern}.v*")


class OnStep(OfEvents, frozen=True):
    """At events that say something of a step: of one instance `parse[3]`, or of each of them
    `parse`; several `parse*`."""

    step: str

    @property
    def text(self) -> str:
        return f"step {self.step}"

    def holds(self, seen: Seen) -> bool:
        pattern = self.step.replace("[", "[[]")  # brackets number iterations
        return any(
            fnmatchcase(name, pattern) or fnmatchcase(static_of(name), pattern)
            for name in steps_of(seen.fact)
        )


class OnError(OfEvents, frozen=True):
    """Where something fails for good: a step, or the run. With `attempts` also where an attempt
    fails that another one follows; `code`: only with this error code; `unhandled`: only what no
    error arc takes."""

    code: str = ""
    attempts: bool = False
    unhandled: bool = False

    @property
    def text(self) -> str:
        return f"error {self.code}".rstrip()

    def holds(self, seen: Seen) -> bool:
        if self.unhandled and getattr(seen.fact, "handled", False):
            return False
        return any(self.code in {"", one.code} for one in failures(seen.fact, self.attempts))


class OnCondition(msgspec.Struct, frozen=True):
    """Where a CEL expression over `state`, `event`, `change` and what the author of a workflow may
    read becomes, or is, true. One that has no value, as what it reads is not there, is not true."""

    source: str
    expressions: Expressions
    step: str = ""

    @property
    def text(self) -> str:
        return f"when {self.source}"

    @property
    def needs_state(self) -> bool:
        return True

    @property
    def needs_change(self) -> bool:
        return "change" in self._roots

    @property
    def becomes(self) -> bool:
        return not self._roots & {"event", "change"}

    @property
    def _roots(self) -> set[str]:
        return {path.partition(".")[0] for path in self.expressions.paths(self.source)}

    def holds(self, seen: Seen) -> bool:
        return self._value(seen) is True

    def _value(self, seen: Seen) -> Value:
        try:
            return seen.contents.value(self.source, self.expressions, self.step)
        except ExpressionFailed:
            return None


class Together(msgspec.Struct, frozen=True):
    """Where all of several hold: a step, and only when a condition does."""

    stops: tuple[Stop, ...]

    @property
    def text(self) -> str:
        return " and ".join(one.text for one in self.stops)

    @property
    def needs_state(self) -> bool:
        return any(one.needs_state for one in self.stops)

    @property
    def needs_change(self) -> bool:
        return any(one.needs_change for one in self.stops)

    @property
    def becomes(self) -> bool:
        return all(one.becomes for one in self.stops)

    def holds(self, seen: Seen) -> bool:
        return all(one.holds(seen) for one in self.stops)


def condition(source: str, expressions: Expressions, step: str = "") -> OnCondition:
    """A stop on an expression. Raises `InvalidExpression` when it is none."""
    expressions.paths(source)
    return OnCondition(source, expressions, step)


def failures(fact: Fact, attempts: bool = False) -> Iterator[Failure]:
    """What a fact says that failed; with `attempts` also what is tried again."""
    match fact:
        case t.AttemptFailed() | r.ChildFailed():
            if attempts:
                yield fact.failure
        case t.TaskFailed() | r.RunFailed() | r.RunTimedOut() | r.GroupGivenUp():
            yield fact.failure
        case o.ResultGiven() | r.MapDecided() | r.RunClosing():
            if fact.failure is not None:
                yield fact.failure
        case t.TaskDeadLettered():
            yield Failure(code=fact.code)
        case _:
            pass
    flow = getattr(fact, "flow", None)
    if flow is not None:
        yield from (one.failure for one in flow.stuck)


def first_hit(stops: Sequence[Stop], seen: Seen, held: dict[int, bool]) -> Stop | None:
    """The first stop to stand still at after this event. `held`: which of those that are to become
    true did before it, by their numbers; it is brought up to date."""
    found: Stop | None = None
    for number, stop in enumerate(stops):
        holds = stop.holds(seen)
        is_new = holds and not (stop.becomes and held.get(number, False))
        if stop.becomes:
            held[number] = holds
        if is_new and found is None:
            found = stop
    return found
