"""Breakpoints: where a session stops, by lines, by names of steps, by failures, by what is set.

Whether one is met at a place depends on that place alone: going backwards stops where going
forwards did. So how often it was met is counted from the beginning of the history, not from when it
was set: the third time is the third time from either side.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from events.definition import MapStep, TaskStep
from events.facts import Failure
from orchestrator.dap.beginnings import Failed
from orchestrator.dap.looking import Look
from orchestrator.dap.replica import ITSELF, At, Replica, Told
from orchestrator.dap.sources import Part
from orchestrator.dap.values import text_of
from orchestrator.kernel.expressions import ExpressionFailed, Expressions
from orchestrator.kernel.instances import static_of

Kind = Literal["line", "function", "exception", "data"]
REASONS: dict[Kind, str] = {
    "line": "breakpoint",
    "function": "function breakpoint",
    "exception": "exception",
    "data": "data breakpoint",
}
EVENT = "event:"
AT_ONCE = 200
"""Versions between two looks whether something else has come."""
_TIMES = re.compile(r"\s*(==|>=|<=|>|<|%)?\s*([0-9]{1,9})\s*")
_HOLES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class Times(msgspec.Struct, frozen=True):
    """Which of the times that it is met count."""

    how: str
    number: int

    def hold(self, count: int) -> bool:
        match self.how:
            case ">=":
                return count >= self.number
            case ">":
                return count > self.number
            case "<=":
                return count <= self.number
            case "<":
                return count < self.number
            case "%":
                return count % self.number == 0
            case _:
                return count == self.number


def times_of(text: str) -> Times | None:
    """`3` (the third time), `>= 3`, `% 10` (every tenth); None for nothing. Raises `ValueError`."""
    if not text.strip():
        return None
    found = _TIMES.fullmatch(text)
    if found is None or (found[1] == "%" and not int(found[2])):
        raise ValueError(
            f"`{text[:40]}` is no hit count: expected a number, for which time it is, or one "
            "behind ==, >=, >, <=, < or % (every so many times)"
        )
    return Times(found[1] or "==", int(found[2]))


class Breakpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`step` and `part` are what a line stands for; `name` is what a function breakpoint says, a
    filter, or what a data breakpoint is on. `message`: it only says that, and does not stop."""

    id: int
    kind: Kind
    step: str = ""
    part: Part = "step"
    name: str = ""
    condition: str = ""
    times: Times | None = None
    message: str = ""


class Met(msgspec.Struct, frozen=True):
    """A breakpoint that is met at a place, by an instance."""

    breakpoint: Breakpoint
    at: At
    instance: str
    failed: Failed | None = None


class Breakpoints:
    """Those of one session, and how often each was met in its run."""

    def __init__(self, replica: Replica, expressions: Expressions) -> None:
        self.replica = replica
        self._expressions = expressions
        self._sets: dict[str, tuple[Breakpoint, ...]] = {}
        self._tallies: dict[int, _Tally] = {}
        self._complaints: dict[int, str] = {}

    def put(self, place: str, found: tuple[Breakpoint, ...]) -> None:
        """Those of one source, or of one kind, in place of those before."""
        self._sets[place] = found
        known = {one.id for some in self._sets.values() for one in some}
        self._tallies = {key: one for key, one in self._tallies.items() if key in known}

    @property
    def all(self) -> Iterator[Breakpoint]:
        for some in self._sets.values():
            yield from some

    def complaints(self) -> list[str]:
        """What conditions could not be told, once each."""
        found, self._complaints = (
            list(self._complaints.values()),
            dict.fromkeys(self._complaints, ""),
        )
        return [text for text in found if text]

    def met(self, version: int, first: int = ITSELF, last: int | None = None) -> list[Met]:
        """Those that are met at the places of a version, in order of place."""
        if not self._sets:
            return []
        told = self.replica.told(version)
        found = [
            one
            for point in self.all
            for one in self._candidates(point, version, told)
            if first <= one.at.place and (last is None or one.at.place <= last)
        ]
        return sorted((one for one in found if self._holds(one)), key=lambda one: one.at.place)

    def _candidates(self, point: Breakpoint, version: int, told: Told) -> Iterator[Met]:
        match point.kind:
            case "line":
                for place, instance in enumerate(told.begun):
                    if self._is_line(point, instance):
                        yield Met(point, At(version, place), instance)
            case "function":
                yield from self._by_name(point, version, told)
            case "exception":
                for failed in told.failed:
                    if failed.filter == point.name:
                        instance = failed.step or told.about
                        yield Met(point, At(version), instance, failed)
                        return
            case "data":
                if point.name in told.changed or "*" in told.changed:
                    yield Met(point, At(version), told.about)

    def _is_line(self, point: Breakpoint, instance: str) -> bool:
        if static_of(instance) != point.step:
            return False
        return self.replica.layout.is_item(instance) is (point.part == "item")

    def _by_name(self, point: Breakpoint, version: int, told: Told) -> Iterator[Met]:
        name = point.name
        if name.startswith(EVENT):
            type_ = self.replica.recording.type(version)
            if fnmatchcase(type_, name.removeprefix(EVENT)):
                yield Met(point, At(version), told.about)
            return
        for place, instance in enumerate(told.begun):
            if self.is_called(instance, name):
                yield Met(point, At(version, place), instance)

    def is_called(self, instance: str, name: str) -> bool:
        """Whether a name means this instance: its step's (`*` stands for anything), its own
        (`scale[3]`, `scale[*]`), or that of the task that it is."""
        if "[" in name:
            return re.fullmatch(re.escape(name).replace(r"\*", r"[^\[\]]*"), instance) is not None
        if fnmatchcase(static_of(instance), name):
            return True
        stand = self.replica.layout.stand(instance)
        step = None if stand is None else stand.step
        return isinstance(step, TaskStep | MapStep) and step.task == name

    # -- conditions -------------------------------------------------------------------------------

    def _holds(self, met: Met) -> bool:
        point, version = met.breakpoint, met.at.version
        if not point.condition and point.times is None:
            return True
        tally = self._tallies.setdefault(point.id, _Tally())
        if tally.upto < version and point.times is None:
            return self._is_true(met)
        for _ in self._count((point,), version):
            pass
        before = bisect_left(tally.met, met.at)
        if tally.met[before : before + 1] != [met.at]:
            return False
        return point.times is None or point.times.hold(before + 1)

    def prepare(self, version: int, *, backward: bool) -> Iterator[None]:
        """Finds out where what is counted was met up to a version; on the way back also where
        conditions held. Both cost one pass from the beginning on, in which each state is a step
        from the one before, and not one way to a keyframe for each place. Gives way now and then.
        """
        points = [one for one in self.all if one.times or (backward and one.condition)]
        yield from self._count(points, version)

    def _count(self, points: Sequence[Breakpoint], version: int) -> Iterator[None]:
        tallies = [(one, self._tallies.setdefault(one.id, _Tally())) for one in points]
        first = min((tally.upto for _, tally in tallies), default=version)
        for number in range(first + 1, version + 1):
            told = self.replica.told(number)
            for point, tally in tallies:
                if tally.upto < number:
                    found = self._candidates(point, number, told)
                    tally.met += (one.at for one in found if self._is_true(one))
                    tally.upto = number
            if number % AT_ONCE == 0:
                yield

    def _is_true(self, met: Met) -> bool:
        condition = met.breakpoint.condition
        if not condition:
            return True
        try:
            value = self.look(met).evaluate(condition, self._expressions)
        except ExpressionFailed as error:
            self._complain(met, str(error))
            return False
        if not isinstance(value, bool):
            self._complain(met, f"`{condition}` is {text_of(value, 60)}: expected true or false")
        return value is True

    def look(self, met: Met) -> Look:
        """From where it is met."""
        cursor = self.replica.aside.to(met.at.version)
        return Look(cursor, met.instance, _failure(met))

    def _complain(self, met: Met, text: str) -> None:
        where = met.breakpoint.step or met.breakpoint.name
        said = f"the condition of the breakpoint on {where}, at version {met.at.version}: {text}"
        self._complaints.setdefault(met.breakpoint.id, said)

    def message(self, met: Met) -> str:
        """What a log point says; each `{expression}` in it with its value."""
        look = self.look(met)

        def filled(hole: re.Match[str]) -> str:
            if hole[1] is None:
                return hole[0][0]
            try:
                value = look.evaluate(hole[1], self._expressions)
            except ExpressionFailed as error:
                return f"<{error}>"
            return value if isinstance(value, str) else text_of(value)

        return _HOLES.sub(filled, met.breakpoint.message)


class _Tally:
    """The places where a point was met, up to a version."""

    def __init__(self) -> None:
        self.upto = 0
        self.met: list[At] = []


def _failure(met: Met) -> Failure | None:
    return None if met.failed is None else met.failed.failure


def is_expression(text: str, expressions: Expressions) -> str:
    """What is wrong with a condition; empty when nothing is."""
    try:
        expressions.paths(text)
    except ExpressionFailed as error:
        return str(error)
    return ""


def holes_in(message: str) -> Iterator[str]:
    """The expressions of a log message."""
    yield from (hole[1] for hole in _HOLES.finditer(message) if hole[1] is not None)
