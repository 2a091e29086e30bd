"""A net as a graph of text: a row a step, a column a branch, with what is so at a moment.

    ○ books          entered
    ├─┬─╮
    ✓ │ │ fees       completed
    │ ▶ │ returns    running, agent-1
    │ │ ○ sales      ready
    ●─┴─╯                              a token waits here for the other branches
    · totals

Rows are in the order of the flow, each branch in one piece as far as it goes. What stands inside a
loop or a group of steps is further in. The layout is of the net alone and is made once.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from events.net import Arc, Loop, Net, NetStep, Within
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.state import RunState, StepState

Lanes = tuple[str, ...]
"""The arc in each column; "" where there is none."""
GLYPHS = {
    "completed": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "skipped": "↷",
    "running": "▶",
    "dispatched": "▶",
    "calling": "▶",
    "entered": "◇",
    "ready": "○",
    "retrying": "↻",
    "waiting": "◷",
    "deferred": "◷",
    "several": "≡",
    "": "·",
}
WAITS_HERE = "●"
OPEN = ("running", "dispatched", "calling", "retrying", "ready", "waiting", "deferred", "entered")
"""Of several instances, the one that is told: the first of these that there is."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`at`: the column of the step, or where branches meet or part; `others`: those that do.
    `outside`: columns of the scopes around."""

    kind: Literal["step", "meet", "part"]
    lanes: Lanes
    at: int
    others: tuple[int, ...] = ()
    outside: Lanes = ()
    step: str = ""


class Cell(msgspec.Struct, frozen=True):
    """Text in one colour: that of a status, of `token`, or "" for lines."""

    text: str
    look: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`step`: the id of the step in the net; empty where branches meet or part."""

    cells: tuple[Cell, ...]
    step: str = ""
    status: str = ""
    note: str = ""

    @property
    def drawn(self) -> str:
        return "".join(cell.text for cell in self.cells)


class Graph:
    """The graph of one net."""

    def __init__(self, net: Net) -> None:
        self._names = {step.id: step.name for step in net.steps}
        self._incoming = _incoming(net)
        self.rows = tuple(_Layout(net).rows())

    def lines(self, state: RunState) -> list[Line]:
        """The graph as it is in a state. O(steps of the state + steps of the net)."""
        tokens = _tokens(state)
        standing = _standings(state)
        return [self._line(row, tokens, standing, state) for row in self.rows]

    def _line(
        self,
        row: Row,
        tokens: Mapping[str, int],
        standing: "Mapping[str, Standing]",
        state: RunState,
    ) -> Line:
        outside = [Cell("│ " if arc else "  ") for arc in row.outside]
        if row.kind != "step":
            return Line(cells=(*outside, *_crossing(row, tokens)))
        found = standing.get(row.step, Standing())
        cells = [
            Cell(GLYPHS.get(found.status, "·") + " ", found.status)
            if column == row.at
            else Cell("│ " if arc else "  ")
            for column, arc in enumerate(row.lanes)
        ]
        waiting = sum(tokens.get(arc, 0) for arc in self._incoming.get(row.step, ()))
        notes = [found.note, f"{WAITS_HERE} waits before it" if waiting else ""]
        return Line(
            cells=(*outside, *cells, Cell(self._names[row.step], found.status)),
            step=row.step,
            status=found.status,
            note=", ".join(filter(None, notes)),
        )


class Standing(msgspec.Struct, frozen=True):
    """How all instances of a step are together."""

    status: str = ""
    note: str = ""


def _standings(state: RunState) -> dict[str, Standing]:
    instances: dict[str, list[tuple[str, StepState]]] = {}
    for name, step in state.steps.items():
        if not state.map_of(name):
            instances.setdefault(static_of(name), []).append((name, step))
    return {static: _standing(found) for static, found in instances.items()}


def _standing(found: list[tuple[str, StepState]]) -> Standing:
    """Of several instances the one that is under way, else the last."""
    by_status = {step.status: (name, step) for name, step in found}
    told = next((by_status[status] for status in OPEN if status in by_status), found[-1])
    name, step = told
    notes = [_note(step)]
    if "[" in name:
        notes.insert(0, name[name.index("[") :])
    if len(found) > 1:
        notes.append(f"{len(found)} instances")
    return Standing(step.status, ", ".join(filter(None, notes)))


def _note(step: StepState) -> str:
    if step.map is not None:
        over = step.map.completed + step.map.failed
        return f"{over} of {step.map.count} over, {step.map.open} under way"
    if step.loop is not None and step.loop.index is not None:
        return f"iteration {step.loop.index}"
    told = []
    if step.node and step.status in {"running", "dispatched"}:
        told.append(step.node)
    if step.attempt > 1:
        told.append(f"attempt {step.attempt}")
    if step.failure is not None and step.status in {"failed", "retrying"}:
        told.append(step.failure.code)
    return ", ".join(told)


def _tokens(state: RunState) -> dict[str, int]:
    """Per arc of the net, of all iterations together."""
    found: dict[str, int] = {}
    for arc, count in state.tokens.items():
        found[static_of(arc)] = found.get(static_of(arc), 0) + count
    return found


def _crossing(row: Row, tokens: Mapping[str, int]) -> Iterator[Cell]:
    """Branches that meet, or part: from the first of them to the last a line through."""
    last = max(row.others, default=row.at)
    corner, inner = ("╯", "┴") if row.kind == "meet" else ("╮", "┬")
    for column, arc in enumerate(row.lanes):
        joined = column == row.at or column in row.others
        if joined and row.kind == "meet" and tokens.get(arc, 0):
            text, look = WAITS_HERE, "token"
        elif column == row.at:
            text, look = "├", ""
        elif column in row.others:
            text, look = (corner if column == last else inner), ""
        elif row.at < column < last:
            text, look = ("┼" if arc else "─"), ""
        else:
            text, look = ("│" if arc else " "), ""
        yield Cell(text, look)
        yield Cell("─" if row.at <= column < last else " ")


def _incoming(net: Net) -> dict[str, tuple[str, ...]]:
    """Arcs of steps that are reached by one alone: of others the token is in the drawing."""
    found: dict[str, list[str]] = {}
    for arc in net.arcs:
        found.setdefault(arc.target, []).append(arc.id)
    return {step: tuple(arcs) for step, arcs in found.items() if len(arcs) == 1}


class _Layout:
    def __init__(self, net: Net) -> None:
        self._steps = {step.id: step for step in net.steps}
        self._in: dict[str, list[Arc]] = {step.id: [] for step in net.steps}
        self._out: dict[str, list[Arc]] = {step.id: [] for step in net.steps}
        for arc in net.arcs:
            self._in[arc.target].append(arc)
            self._out[arc.source].append(arc)
        self._scopes: dict[str, list[str]] = {}
        for step in net.steps:
            self._scopes.setdefault(step.scope, []).append(step.id)

    def rows(self, scope: str = "", outside: Lanes = ()) -> Iterator[Row]:
        lanes: list[str] = []
        for step_id in self._order(scope):
            yield from self._step(self._steps[step_id], lanes, outside)

    def _order(self, scope: str) -> list[str]:
        """Each step after all that lead to it, as far as there is no cycle; a branch in one piece
        as far as that goes."""
        members = self._scopes.get(scope, [])
        waits = {step: {arc.source for arc in self._in[step]} & set(members) for step in members}
        order: dict[str, None] = {}
        stack = [step for step in reversed(members) if not waits[step]]
        while len(order) < len(members):
            if not stack:  # a cycle: go on with the first that is left
                stack.append(next(step for step in members if step not in order))
            step = stack.pop()
            if step in order:
                continue
            order[step] = None
            for arc in reversed(self._out[step]):
                waits.get(arc.target, set()).discard(step)
                if arc.target in waits and not waits[arc.target]:
                    stack.append(arc.target)
        return list(order)

    def _step(self, step: NetStep, lanes: list[str], outside: Lanes) -> Iterator[Row]:
        """The step takes the column of the first arc that leads to it."""
        arriving = {arc.id for arc in self._in[step.id]}
        columns = [column for column, arc in enumerate(lanes) if arc in arriving]
        at = columns[0] if columns else _free(lanes, 0)
        if len(columns) > 1:
            others = tuple(columns[1:])
            yield Row(kind="meet", lanes=tuple(lanes), at=at, others=others, outside=outside)
        for column in columns:
            lanes[column] = ""
        lanes[at] = step.id
        if step.name:
            here = tuple(_trimmed(lanes))
            yield Row(kind="step", lanes=here, at=at, outside=outside, step=step.id)
        yield from self._leaving(step, lanes, at, outside)

    def _leaving(self, step: NetStep, lanes: list[str], at: int, outside: Lanes) -> Iterator[Row]:
        leaving = self._out[step.id]
        lanes[at] = leaving[0].id if leaving else ""
        if isinstance(step.action, Loop | Within) and step.id in self._scopes:
            around = (*outside, *(_trimmed(lanes) if leaving else [*lanes[:at], ""]))
            yield from self.rows(step.id, tuple(around))
        others: list[int] = []
        for arc in leaving[1:]:
            column = _free(lanes, at + 1)
            lanes[column] = arc.id
            others.append(column)
        if others:
            here = tuple(_trimmed(lanes))
            yield Row(kind="part", lanes=here, at=at, others=tuple(others), outside=outside)
        del lanes[len(_trimmed(lanes)) :]


def _free(lanes: list[str], first: int) -> int:
    """A column without an arc, made where there is none."""
    for column in range(first, len(lanes)):
        if not lanes[column]:
            return column
    lanes.extend([""] * (max(first, len(lanes)) + 1 - len(lanes)))
    return len(lanes) - 1


def _trimmed(lanes: list[str]) -> list[str]:
    found = list(lanes)
    while found and not found[-1]:
        found.pop()
    return found
