"""A timeline as an SVG picture: one file that needs nothing else, in light and in dark."""

from collections.abc import Callable, Iterator
from html import escape

from events.redaction import redact_text
from orchestrator.insight.timelines.spans import NAMES, Row, Span, Timeline, doings, ticks

WIDTH, ROW, BAR = 1120, 22, 14
LEFT_MIN, LEFT_MAX, RIGHT = 90, 320, 90
TOP, CHAR = 64, 7.2
MICROSECONDS = 1_000_000
STYLE = """
  .ground { fill: #ffffff } text { font: 12px ui-monospace, monospace; fill: #1f2328 }
  .quiet { fill: #656d76 } .title { font-size: 15px; font-weight: 600 }
  .line { stroke: #d0d7de; stroke-width: 1 } .stripe { fill: #f6f8fa }
  .inside { fill: #afb8c1 } .queued { fill: #e8b339 } .sent { fill: #79c0ff }
  .running { fill: #2da44e } .retrying { fill: #f5d67b } .waiting { fill: #b6c7f5 }
  .child { fill: #a475f9 } .deferred { fill: #9ec5fe } .settling { fill: #d4a72c }
  .failed { fill: #cf222e } .mark { fill: #bf8700 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #8d96a0 }
    .line { stroke: #30363d } .stripe { fill: #151b23 } .inside { fill: #484f58 }
  }
"""


Words = Callable[[float], str]
"""Seconds in words."""
GLYPHS = {"failed": "✗ ", "completed": "✓ ", "cancelled": "⊘ "}
CAN_FAIL = frozenset({"sent", "running", "child"})


def svg(found: Timeline, took: Words, width: int = WIDTH) -> str:
    """The picture; `took` says a number of seconds in words."""
    return _Drawing(found, took, width).whole()


class _Drawing:
    def __init__(self, found: Timeline, took: Words, width: int) -> None:
        longest = max((len(row.name) for row in found.rows), default=0)
        self._left = min(LEFT_MAX, max(LEFT_MIN, longest * CHAR + 24))
        self._width = width
        self._found = found
        self._took = took
        self._bottom = TOP + ROW * len(found.rows)

    def whole(self) -> str:
        rows = (line for number in range(len(self._found.rows)) for line in self._row(number))
        height = self._bottom + 56
        frame = f'width="{self._width}" height="{height}" viewBox="0 0 {self._width} {height}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {frame} role="img">',
                f"<style>{STYLE}</style>",
                f'<rect class="ground" width="{self._width}" height="{height}"/>',
                *self._head(),
                *self._ruler(),
                *rows,
                *self._marks(),
                *self._legend(),
                "</svg>\n",
            ]
        )

    def _x(self, at: int) -> float:
        share = (at - self._found.begun_at) / max(1, self._found.until - self._found.begun_at)
        return self._left + max(0.0, min(1.0, share)) * (self._width - self._left - RIGHT)

    def _length(self, begun_at: int, ended_at: int | None) -> str:
        end = self._found.until if ended_at is None else ended_at
        return self._took((end - begun_at) / MICROSECONDS)

    def _head(self) -> Iterator[str]:
        found = self._found
        title = f"{found.run_id}  {found.status}  {self._length(found.begun_at, None)}"
        yield f'<text class="title" x="12" y="24">{_text(title)}</text>'
        below = found.workflow
        if found.source:
            below += f", goes on from {found.source} at version {found.source_version}"
        if found.hidden:
            below += f"; {found.hidden} rows left out"
        yield f'<text class="quiet" x="12" y="42">{_text(below)}</text>'

    def _ruler(self) -> Iterator[str]:
        found = self._found
        for tick_s in ticks((found.until - found.begun_at) / MICROSECONDS, 8):
            x = self._x(found.begun_at + round(tick_s * MICROSECONDS))
            ends = f'y1="{TOP - 8}" y2="{self._bottom}"'
            yield f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'
            told = _text(self._took(tick_s))
            yield f'<text class="quiet" x="{x + 3:.1f}" y="{TOP - 4}">{told}</text>'

    def _row(self, number: int) -> Iterator[str]:
        row, y = self._found.rows[number], TOP + ROW * number
        if number % 2:
            stripe = f'x="0" y="{y}" width="{self._left - 6:.1f}" height="{ROW}"'
            yield f'<rect class="stripe" {stripe}/>'
        room = int((self._left - 24) / CHAR)
        name = row.name if len(row.name) <= room else f"{row.name[: room - 1]}…"
        yield f'<text x="12" y="{y + 15}">{_text(GLYPHS.get(row.status, "… ") + name)}</text>'
        for span in row.spans:
            yield self._bar(row, span, y)
        time = self._length(row.begun_at, row.ended_at)
        x = self._width - RIGHT + 8
        yield f'<text class="quiet" x="{x}" y="{y + 15}">{_text(time)}</text>'

    def _bar(self, row: Row, span: Span, y: int) -> str:
        end = self._found.until if span.ended_at is None else span.ended_at
        left = self._x(span.begun_at)
        wide = max(1.5, self._x(end) - left)
        failed = span.failed and span.doing in CAN_FAIL
        high, top = (4, y + 9) if span.doing == "inside" else (BAR, y + 4)
        place = f'x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{high}"'
        shape = f'<rect class="{"failed" if failed else span.doing}" {place} rx="2">'
        told = [
            f"{row.name}: {NAMES[span.doing]}{' and failed' if failed else ''}",
            self._length(span.begun_at, span.ended_at),
            f"attempt {span.attempt}" if span.attempt else "",
            f"on {span.node}" if span.node else "",
            span.note,
            f"event {span.version}",
        ]
        return f"{shape}<title>{_text(', '.join(filter(None, told)))}</title></rect>"

    def _marks(self) -> Iterator[str]:
        for mark in self._found.marks:
            x = self._x(mark.at)
            points = f"{x - 5:.1f},{TOP - 20} {x + 5:.1f},{TOP - 20} {x:.1f},{TOP - 11}"
            told = _text(f"{mark.what}, event {mark.version}")
            yield f'<polygon class="mark" points="{points}"><title>{told}</title></polygon>'

    def _legend(self) -> Iterator[str]:
        y, x = self._bottom + 24, 12.0
        seen = doings(self._found.rows)
        kinds = [(str(doing), words) for doing, words in NAMES.items() if doing in seen]
        for kind, words in [*kinds, ("failed", "failed")]:
            yield f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="14" height="12" rx="2"/>'
            yield f'<text class="quiet" x="{x + 20:.1f}" y="{y + 10}">{words}</text>'
            x += 20 + len(words) * CHAR + 18


def _text(text: str) -> str:
    return escape(redact_text(text), quote=True)
