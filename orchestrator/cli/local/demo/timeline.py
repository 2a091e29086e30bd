"""The timeline: rows for what each node does at a time, bars by time, lost attempts marked."""

from collections.abc import Iterator

import msgspec
from rich.text import Text

from orchestrator.cli.local.demo.story import COORDINATOR, Story, Try
from orchestrator.cli.output import ACTIVE, BAD, CALLED_OFF, DIM, GOOD, UNSURE, WAITING

HUES = (WAITING, GOOD, CALLED_OFF, ACTIVE, UNSURE)
LIGHTER = {
    WAITING: "color(39)",
    GOOD: "color(34)",
    CALLED_OFF: "color(170)",
    ACTIVE: "color(38)",
    UNSURE: "color(172)",
}
"""Of every second bar of a node, so that neighbours can be told apart."""
ON_BAR = "color(16)"
LABEL = 13
CELLS_MIN = 20
FILLS = ("█", "▓")
LOST_FILL, LOST_END = "░", "✗"


class Scale(msgspec.Struct, frozen=True):
    """Microseconds onto cells."""

    start: int
    end: int
    cells: int

    def cell(self, at: int) -> int:
        share = (at - self.start) / max(1, self.end - self.start)
        return max(0, min(self.cells - 1, int(share * self.cells)))


def timeline(story: Story, width: int, *, in_colour: bool) -> list[Text]:
    """The finished run as lines of at most `width` cells."""
    end = story.ended_at or story.started_at + 1
    scale = Scale(story.started_at, end, max(CELLS_MIN, width - LABEL - 1))
    painter = _Painter(scale, in_colour)
    lines = [painter.coordinator(story)]
    for number, name in enumerate(sorted(story.nodes)):
        tries = [one for one in story.tries.values() if one.node == name]
        for row, lane in enumerate(_lanes(story, tries)):
            label = name if row == 0 else ""
            lines.append(painter.lane(label, lane, story, HUES[number % len(HUES)]))
    return [*lines, *painter.axis()]


def _lanes(story: Story, tries: list[Try]) -> list[list[Try]]:
    """Attempts in as few rows as they overlap."""
    lanes: list[list[Try]] = []
    for one in sorted(tries, key=_began):
        for lane in lanes:
            if story.until(lane[-1], _began(one)) <= _began(one):
                lane.append(one)
                break
        else:
            lanes.append([one])
    return lanes


def _began(one: Try) -> int:
    return one.started_at or one.sent_at


class _Painter:
    def __init__(self, scale: Scale, in_colour: bool) -> None:
        self._scale = scale
        self._in_colour = in_colour

    def coordinator(self, story: Story) -> Text:
        line = self._label(COORDINATOR)
        cells = ["━"] * self._scale.cells
        styles = [""] * self._scale.cells
        for outage in story.outages:
            first = self._scale.cell(outage[0])
            last = self._scale.cell(outage[-1])
            for cell in range(first, max(first + 1, last)):
                cells[cell], styles[cell] = "╌", BAD
            cells[first], styles[first] = LOST_END, f"bold {BAD}"
        return _joined(line, zip(cells, styles, strict=True))

    def lane(self, label: str, tries: list[Try], story: Story, hue: str) -> Text:
        line = self._label(label, hue)
        cells: list[tuple[str, str]] = [(" ", "")] * self._scale.cells
        for number, one in enumerate(tries):
            first = self._scale.cell(_began(one))
            last = self._scale.cell(story.until(one, self._scale.end))
            if number and _is_taken(cells[first]) and first < last:
                first += 1
            bar = self._bar(one, last - first + 1, hue, number % 2)
            cells[first : first + len(bar)] = bar
        return _joined(line, iter(cells[: self._scale.cells]))

    def _bar(self, one: Try, length: int, hue: str, shade: int) -> list[tuple[str, str]]:
        name = one.step.removeprefix("part-")
        label = name if len(name) + 1 < length else ""
        if one.state != "done":
            text = (label + LOST_FILL * length)[: length - 1] + LOST_END
            return [(char, f"bold {BAD}") for char in text]
        if not self._in_colour:
            return [(char, "") for char in (label + FILLS[shade] * length)[:length]]
        style = f"{ON_BAR} on {LIGHTER[hue] if shade else hue}"
        return [(char, style) for char in label.ljust(length)]

    def axis(self) -> Iterator[Text]:
        """A ruler in whole seconds."""
        seconds = (self._scale.end - self._scale.start) / 1_000_000
        step = max(1, round(seconds / 8))
        ruler = [" "] * (self._scale.cells + 6)
        marks = ["─"] * self._scale.cells
        for second in range(0, int(seconds) + 1, step):
            cell = self._scale.cell(self._scale.start + second * 1_000_000)
            marks[cell] = "┬"
            ruler[cell : cell + len(f"{second} s")] = f"{second} s"
        yield Text(" " * LABEL + "".join(marks), style=DIM, no_wrap=True)
        text = "".join(ruler)[: self._scale.cells].rstrip()
        yield Text(" " * LABEL + text, style=DIM, no_wrap=True)

    def _label(self, text: str, hue: str = "") -> Text:
        return Text(text.ljust(LABEL)[:LABEL], style=f"bold {hue}".rstrip(), no_wrap=True)


def _is_taken(cell: tuple[str, str]) -> bool:
    return cell != (" ", "")


def _joined(line: Text, cells: Iterator[tuple[str, str]]) -> Text:
    for char, style in cells:
        line.append(char, style)
    return line
