"""A timeline as it is drawn: in columns of a terminal, and as a picture."""

import xml.etree.ElementTree as ET

import pytest
from rich.console import Console

from events.limits import TIMELINE_ROWS_MAX
from orchestrator.cli.main import run
from orchestrator.cli.replay.gantt import gantt
from orchestrator.insight.timelines.spans import Mark, Row, Span, Timeline, ticks
from orchestrator.insight.timelines.svg import svg
from orchestrator.kernel.durations import length

AT = 1_700_000_000_000_000
SECOND = 1_000_000


def span(doing: str, begun_s: float, ended_s: float | None, **more: object) -> Span:
    ended_at = None if ended_s is None else AT + round(ended_s * SECOND)
    made = Span(doing="running", begun_at=AT + round(begun_s * SECOND), ended_at=ended_at)
    for name, value in {"doing": doing, **more}.items():
        setattr(made, name, value)
    return made


def row(name: str, status: str, *spans: Span, kind: str = "task") -> Row:
    return Row(
        name=name,
        kind=kind,
        status=status,
        begun_at=spans[0].begun_at,
        ended_at=spans[-1].ended_at,
        spans=list(spans),
    )


FOUND = Timeline(
    run_id="nightly",
    workflow="orders",
    status="failed",
    begun_at=AT,
    until=AT + 10 * SECOND,
    rows=[
        row("price", "completed", span("queued", 0, 2), span("running", 2, 4, node="agent-1")),
        row(
            "charge",
            "failed",
            span("running", 4, 6, failed=True, attempt=1),
            span("retrying", 6, 8, note="timeout"),
            span("running", 8, 10, failed=True, attempt=2, node="agent-2"),
        ),
        row("wait", "open", span("waiting", 4, None)),
    ],
    marks=[Mark(at=AT + 5 * SECOND, version=9, what="paused")],
)


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 -- we wrote it


def drawn(found: Timeline, width: int) -> list[str]:
    return [line.plain for line in gantt(found, width)]


def test_bars_stand_below_their_time() -> None:
    lines = drawn(FOUND, 60)
    assert lines == [
        "           │22:13:20           │5 s",
        "✓ price    ░░░░░░░░████████                              4 s",
        "✗ charge                   ███████✗········██████✗       6 s",
        "… wait                     ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄       6 s",
        "◆ after 5 s: paused  event 9",
        "  ░░ waits for a node   ██ runs   ·· waits for a retry   ┄┄ waits",
    ]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    out = Console(width=width, color_system=None)
    long = row("a-name-that-has-no-end-" * 4 + "[17]", "completed", span("running", 1, 2))
    found = Timeline(run_id="r", workflow="w", begun_at=AT, until=AT + SECOND, rows=[long])
    for line in gantt(found, width)[:-1]:
        assert out.measure(line).maximum <= width
    assert any("[17]" in line for line in drawn(found, width)), "the number of an instance is kept"


def test_a_wide_terminal_has_room_for_the_node() -> None:
    assert not any("agent-2" in line for line in drawn(FOUND, 80))
    assert any(line.endswith("agent-2") for line in drawn(FOUND, 120))


def test_what_is_left_out_is_said() -> None:
    hidden = Timeline(run_id="r", workflow="w", begun_at=AT, until=AT + SECOND, hidden=41)
    assert "  … 41 rows more; --rows N shows more of them" in drawn(hidden, 80)


@pytest.mark.parametrize("span_s", [0.0, 3e-6, 0.07, 1.0, 59.0, 7_300.0, 86_400.0 * 400])
def test_the_ruler_has_round_marks_and_not_too_many(span_s: float) -> None:
    found = ticks(span_s, 8)
    assert found[0] == 0
    assert 1 <= len(found) <= 9
    assert found[-1] <= span_s


def test_the_picture_is_well_formed_and_tells_the_same() -> None:
    picture = svg(FOUND, length)
    space = {"s": "http://www.w3.org/2000/svg"}
    titles = [one.text for one in parsed(picture).iterfind(".//s:title", space)]
    assert "charge: runs and failed, 2 s, attempt 2, on agent-2, event 0" in titles
    assert "paused, event 9" in titles
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", ""), "it needs no network"


def test_the_picture_covers_secrets_and_escapes_names() -> None:
    secret = row("<a & b>", "open", span("waiting", 0, None, note="password=hunter2"))
    found = Timeline(run_id="r", workflow="w", begun_at=AT, until=AT + SECOND, rows=[secret])
    picture = svg(found, length)
    parsed(picture)
    assert "hunter2" not in picture
    assert "&lt;a &amp; b&gt;" in picture


@pytest.mark.edge("TIMELINE_ROWS_MAX")
def test_more_rows_than_anybody_reads_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "r", "--rows", str(TIMELINE_ROWS_MAX + 1)]) == 2
    said = capsys.readouterr().err
    assert f"--rows is {TIMELINE_ROWS_MAX + 1}: expected 1 to {TIMELINE_ROWS_MAX}" in said
