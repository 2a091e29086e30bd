"""Problems: what is wrong with a definition, all at once, each with its place and the mend."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice

import msgspec

from events.errors import Rejected
from events.limits import CANDIDATES_MAX, PROBLEMS_COUNTED_MAX
from events.values import Value
from orchestrator.kernel.expressions import InvalidExpression


class Place(msgspec.Struct, frozen=True, order=True):
    """Line and column in a file, from 1. `column` is 0 where only the line is known, as in Python;
    `file` is empty for the file that the definition was read from.
    """

    line: int
    column: int
    file: str = ""

    def __str__(self) -> str:
        return f"{self.line}:{self.column}" if self.column else f"{self.line}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`where` is a path in the authored form, `steps[2].with.url`; `place` is None for definitions
    that were neither read from a text nor built by `Workflow`. `code` is stable, for programs.
    """

    code: str
    where: str
    message: str
    place: Place | None = None

    def __str__(self) -> str:
        return self.told()

    def told(self, name: str = "") -> str:
        """In a line, beginning with file, line and column as far as they are known; `name` is the
        file that the definition was read from."""
        file = (self.place.file if self.place else "") or name
        place = ":".join(filter(None, [file, str(self.place or "")]))
        return ": ".join(filter(None, [place, self.where, self.message]))


class InvalidDefinition(Rejected):
    """A definition that was refused. `problems` in the order of the text."""

    code = "invalid_definition"

    def __init__(self, problems: Iterable[Problem], name: str = "", more: int = 0) -> None:
        self.problems = tuple(problems)
        self.name = name
        self.more = more
        head = f"{name or 'the definition'} is refused"
        lines = [problem.told(name) for problem in self.problems]
        if more:
            lines.append(f"and {more} more")
        super().__init__("\n".join([f"{head}:", *lines]) if lines else head)


class Problems:
    """Collects problems; keeps the first `most` and counts the rest."""

    def __init__(self, most: int, places: Mapping[str, Place] | None = None) -> None:
        self._most = most
        self._places = places or {}
        self.found: list[Problem] = []
        self.more = 0

    def add(self, code: str, where: str, message: str, place: Place | None = None) -> None:
        if len(self.found) >= self._most:
            self.more += 1
            return
        place = place or self._nearest(where)
        self.found.append(Problem(code=code, where=where, message=message, place=place))

    @property
    def count(self) -> int:
        """How many there are so far, those not kept included."""
        return len(self.found) + self.more

    @property
    def is_overflowing(self) -> bool:
        """So many that looking for more only costs time."""
        return self.more > PROBLEMS_COUNTED_MAX

    def add_expression(self, where: str, value: Value, error: InvalidExpression) -> None:
        """An invalid expression inside `value`, at its own place when that can be told."""
        place = self._nearest(where)
        if place and place.column and isinstance(value, str) and "\n" not in value:
            offset = max(value.find(error.source), 0) + error.column - 1
            place = msgspec.structs.replace(place, column=place.column + offset)
        self.add("invalid_expression", where, str(error), place)

    def line(self, where: str) -> str:
        """` (line 3)` for what is at a path, to be put behind it; empty where that is not known."""
        place = self._nearest(where)
        return f" (line {place.line})" if place else ""

    def in_order(self) -> tuple[Problem, ...]:
        """By place, file after file; those without one first, as they were found."""
        return tuple(sorted(self.found, key=_order))

    def _nearest(self, where: str) -> Place | None:
        """The place of `where`, else of what it lies in."""
        while where and where not in self._places:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        return self._places.get(where)


def _order(problem: Problem) -> tuple[str, Place]:
    place = problem.place or Place(0, 0)
    return place.file, place


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` when `known` has something close, else the empty text."""
    alike = (one for one in known if abs(len(one) - len(name)) <= 2)
    close = get_close_matches(name, islice(alike, CANDIDATES_MAX), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
