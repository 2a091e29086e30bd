"""A timeline as lines of text: a row a step, a bar by time. Shapes tell as much as colours do."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from rich.text import Text

from orchestrator.cli.output import (
    ACTIVE,
    BAD,
    CALLED_OFF,
    COLOURS,
    DIM,
    GOOD,
    UNSURE,
    WAITING,
    clock,
    counted,
    took,
)
from orchestrator.insight.timelines.spans import NAMES, Doing, Row, Timeline, doings, ticks
from orchestrator.kernel.durations import length

MICROSECONDS = 1_000_000
LABEL_MIN, LABEL_MAX = 8, 32
TOOK = 8
NODE_MAX = 14
WIDE = 100
"""From so many columns on, the node of a step has a column of its own."""
BAR_MIN = 16
TICK = 12
"""Columns from one mark of the ruler to the next, at the least."""
FAILED_END = "✗"
NOW = "┃"
GLYPHS = {
    "completed": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "skipped": "↷",
    "open": "…",
}


class Look(msgspec.Struct, frozen=True):
    """How a kind of span is drawn."""

    fill: str
    colour: str


LOOKS: dict[Doing, Look] = {
    "inside": Look("─", DIM),
    "queued": Look("░", UNSURE),
    "sent": Look("▒", ACTIVE),
    "running": Look("█", GOOD),
    "retrying": Look("·", UNSURE),
    "waiting": Look("┄", WAITING),
    "child": Look("▓", CALLED_OFF),
    "deferred": Look("╌", WAITING),
    "settling": Look("≈", UNSURE),
}


class Scale(msgspec.Struct, frozen=True):
    """Microseconds onto columns."""

    begun_at: int
    until: int
    columns: int

    def column(self, at: int) -> int:
        share = (at - self.begun_at) / max(1, self.until - self.begun_at)
        return max(0, min(self.columns - 1, int(share * self.columns)))


def gantt(found: Timeline, width: int, now: int | None = None) -> list[Text]:
    """Lines of at most `width` columns. `now`: an instant to be marked, microseconds."""
    label = max((len(row.name) for row in found.rows), default=0)
    label = max(LABEL_MIN, min(label, LABEL_MAX, width // 3))
    node = _node_column(found.rows, width)
    bar = max(BAR_MIN, width - 2 - label - 1 - TOOK - 1 - (node + 1 if node else 0))
    scale = Scale(found.begun_at, found.until, bar)
    lines = [_ruler(scale, label)]
    mark = None if now is None else scale.column(now)
    lines += [_row(row, scale, label, node, mark) for row in found.rows]
    if found.hidden:
        hidden = counted(found.hidden, "row")
        lines.append(Text(f"  … {hidden} more; --rows N shows more of them", style=DIM))
    lines += _marks(found)
    lines.append(_legend(found.rows))
    return lines


def _node_column(rows: Sequence[Row], width: int) -> int:
    if width < WIDE:
        return 0
    return min(NODE_MAX, max((len(_node(row)) for row in rows), default=0))


def _node(row: Row) -> str:
    return next((span.node for span in reversed(row.spans) if span.node), "")


def _row(row: Row, scale: Scale, label: int, node: int, mark: int | None) -> Text:
    line = Text(no_wrap=True)
    line.append(f"{GLYPHS.get(row.status, ' ')} ", style=COLOURS.get(row.status, ACTIVE))
    line.append(_cut(row.name, label).ljust(label) + " ", style="bold" if not row.is_item else "")
    bar = _bar(row, scale)
    if mark is not None:
        bar[mark] = NOW, "bold"
    for style, cells in groupby(bar, key=lambda cell: cell[1]):
        line.append("".join(fill for fill, _ in cells), style=style)
    ended = scale.until if row.ended_at is None else row.ended_at
    line.append(took(row.begun_at, ended).rjust(TOOK + 1))
    if node:
        line.append(" " + _cut(_node(row), node), style=DIM)
    line.rstrip()
    return line


def _bar(row: Row, scale: Scale) -> list[tuple[str, str]]:
    cells = [(" ", "")] * scale.columns
    for span in row.spans:
        first = scale.column(span.begun_at)
        last = scale.column(scale.until if span.ended_at is None else span.ended_at)
        look = LOOKS[span.doing]
        colour = BAD if span.failed and span.doing in {"sent", "running"} else look.colour
        for column in range(first, max(first + 1, last)):
            cells[column] = look.fill, colour
        if span.failed and span.doing in {"sent", "running", "child"}:
            cells[max(first, last - 1)] = FAILED_END, f"bold {BAD}"
    return cells


def _cut(text: str, most: int) -> str:
    """The beginning and the end of a long name: of instances the number is at the end."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 1]}…{text[len(text) - tail :]}"


def _ruler(scale: Scale, label: int) -> Text:
    cells = [" "] * (scale.columns + TICK)
    span_s = (scale.until - scale.begun_at) / MICROSECONDS
    for tick_s in ticks(span_s, max(1, scale.columns // TICK)):
        column = scale.column(scale.begun_at + round(tick_s * MICROSECONDS))
        text = f"│{length(tick_s)}" if tick_s else f"│{clock(scale.begun_at)[:8]}"
        if column + len(text) <= scale.columns:
            cells[column : column + len(text)] = text
    return Text(" " * (label + 3) + "".join(cells).rstrip(), style=DIM, no_wrap=True)


def _marks(found: Timeline) -> Iterator[Text]:
    for mark in found.marks:
        line = Text("◆ ", style=UNSURE, no_wrap=True)
        line.append(f"after {took(found.begun_at, mark.at)}: {mark.what}", style="default")
        line.append(f"  event {mark.version}", style=DIM)
        yield line


def _legend(rows: Sequence[Row]) -> Text:
    """Only of what is there."""
    seen = doings(rows)
    line = Text("  ")
    for doing, look in LOOKS.items():
        if doing in seen:
            line.append(look.fill * 2, style=look.colour)
            line.append(f" {NAMES[doing]}   ", style=DIM)
    line.rstrip()
    return line
