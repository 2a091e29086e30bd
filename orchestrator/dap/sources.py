"""Sources: which step a line of a definition belongs to, and in which line a step stands.

The text is what the author wrote, YAML or Python, when it is at hand; otherwise the stored
definition as YAML, which a client reads through a reference. Lines of a file that was changed since
still find their steps, by their ids; those that are not there any more stand in no line.
"""

import ast
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from events.definition import Definition
from orchestrator.authoring.authored import Authored
from orchestrator.authoring.dump import dump
from orchestrator.authoring.walk import spots
from orchestrator.authoring.yaml import read_yaml
from orchestrator.dap.layout import Layout

Part = Literal["step", "item"]
"""What of a step a line stands for: itself, or what a map does for each item."""

ITEM = ".map.task"
"""Where the part of a map that is done for each item begins."""


class Spotted(msgspec.Struct, frozen=True):
    """A line that a breakpoint can be put on, and for what; `column` from 1."""

    line: int
    column: int
    step: str
    part: Part = "step"


class Sheet:
    """One text. `path` is empty for one that is read through its `reference`. `marks`: from which
    place on the text is about what, in order."""

    def __init__(self, name: str, path: str, reference: int, text: str) -> None:
        self.name = name
        self.path = path
        self.reference = reference
        self.text = text
        self.marks: list[tuple[int, int, Spotted]] = []
        self._statements: list[tuple[int, int]] | None = None

    def source(self) -> dict[str, object]:
        """As the protocol describes it."""
        if self.path:
            return {"name": self.name, "path": self.path}
        told = {"name": self.name, "sourceReference": self.reference}
        return {**told, "origin": "the stored definition"}

    @property
    def begins(self) -> list[Spotted]:
        """What begins in some line, in order."""
        return [one for line, _, one in self.marks if line == one.line]

    def at(self, line: int) -> Spotted | None:
        """What a breakpoint on this line is for: what begins there, or what the line is part of;
        above everything the first step. None where there is no step at all."""
        if self.path.endswith(".py"):
            return self._in_python(line)
        if not self.marks:
            return None
        exactly = next((one for one in self.begins if one.line == line), None)
        after = bisect_right(self.marks, line, key=lambda mark: mark[0])
        return exactly or self.marks[max(after - 1, 0)][2]

    def between(self, first: int, last: int) -> tuple[Spotted, ...]:
        """What begins in these lines, one of each line."""
        found = {one.line: one for one in reversed(self.begins) if first <= one.line <= last}
        return tuple(found[line] for line in sorted(found))

    def _in_python(self, line: int) -> Spotted | None:
        """What is made in the statement that the line is part of, else the next one below it."""
        first, last = self._statement(line)
        inside = [one for at, _, one in self.marks if first <= at <= last]
        below = [one for one in self.begins if one.line >= line]
        return next(iter(inside or below or self.begins[-1:]), None)

    def _statement(self, line: int) -> tuple[int, int]:
        if self._statements is None:
            self._statements = _statements(self.text)
        around = [one for one in self._statements if one[0] <= line <= one[1]]
        return min(around, key=lambda one: one[1] - one[0]) if around else (line, line)


def _statements(text: str) -> list[tuple[int, int]]:
    """The lines of each statement that holds no others."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    ]


class Sources:
    """The texts of one definition, of which a workflow built in Python may have several."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.sheets: list[Sheet] = []
        self._found: dict[tuple[str, Part], tuple[Sheet, Spotted]] = {}

    def add(self, sheet: Sheet, authored: Authored, file: str = "") -> None:
        """Takes the lines that `authored` has in one of its files; empty: in the file itself. What
        the definition that ran does not have is left aside."""
        marks = list(_marks(authored, file, self._layout))
        for line, column, step, part in marks:
            self._found.setdefault((step, part), (sheet, Spotted(line, max(column, 1), step, part)))
        sheet.marks = sorted(
            ((line, column, self._found[step, part][1]) for line, column, step, part in marks),
            key=lambda mark: mark[:2],
        )
        self.sheets.append(sheet)

    def covers(self, layout: Layout) -> bool:
        """Whether each step stands in some line."""
        return all((step, "step") in self._found for step in layout.stands)

    def find(self, instance: str) -> tuple[Sheet, Spotted] | None:
        """Where the step of an instance is written, None where that is not known."""
        stand = self._layout.stand(instance)
        if stand is None:
            return None
        item = self._found.get((stand.step.id, "item")) if self._layout.is_item(instance) else None
        return item or self._found.get((stand.step.id, "step"))


def _marks(authored: Authored, file: str, layout: Layout) -> Iterator[tuple[int, int, str, Part]]:
    """Line, column, step and part of each place, what begins a step before what is inside it."""
    wheres = {spot.where: spot.step.id for spot in spots(authored.definition)}
    for path in sorted(authored.places, key=len):
        place = authored.places[path]
        where = _holding(path, wheres)
        if where and place.file == file and wheres[where] in layout:
            part: Part = "item" if _is_item(path.removeprefix(where)) else "step"
            yield place.line, place.column, wheres[where], part


def _holding(path: str, wheres: Mapping[str, str]) -> str:
    """The path of the innermost step that what is at `path` belongs to; empty for none."""
    while path and path not in wheres:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return path


def _is_item(below: str) -> bool:
    return below == ITEM or below.startswith(".map.with")


def stored_text(definition: Definition) -> tuple[str, Authored]:
    """The stored definition as YAML, with its lines."""
    text = dump(definition)
    return text, read_yaml(text)
