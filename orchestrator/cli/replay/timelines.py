"""`dalsegno timeline`: where the time of a run went, as bars in the terminal or in a file."""

import sys
from pathlib import Path

import msgspec

from events.errors import Misconfigured
from events.limits import TIMELINE_ROWS_MAX
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.output import DIM, console, instant, plain, print_json, status, took
from orchestrator.cli.replay.gantt import gantt
from orchestrator.cli.replay.recordings import recorded
from orchestrator.insight.timelines.spans import Span, Timeline, fewer
from orchestrator.insight.timelines.svg import svg as picture
from orchestrator.insight.timelines.timeline import timeline as timeline_of
from orchestrator.kernel.durations import length

ROWS = 60


def timeline(
    run_id: str, *, run: str = "", svg: str = "", rows: int = ROWS, common: Common = COMMON
) -> None:
    """Show where the time of a run went: each step's waits for a node, attempts, retries, timers
    and child runs, as bars.

    It is read from the log, or from an exported file, so it needs no coordinator.

    Parameters
    ----------
    run_id
        The run's id, or a file that `dalsegno events export` has written.
    run
        Which run of a file that has several.
    svg
        Write a picture to this file instead. One that is there is written anew.
    rows
        Rows at the most. Of many, items of maps that were quick and did not fail are left out.

    Examples
    --------
    dalsegno timeline nightly-17
    dalsegno timeline nightly-17 --svg nightly-17.svg --rows 500
        A picture for a browser, in light or dark as the reader likes.
    dalsegno timeline nightly-17 --json
        Every row with its spans, as data.
    """
    if not 1 <= rows <= TIMELINE_ROWS_MAX:
        raise Misconfigured(f"--rows is {rows}: expected 1 to {TIMELINE_ROWS_MAX}")
    recording = recorded(common, run_id, run)
    found = timeline_of(recording.run_id, recording.events(), recording.net)
    if common.json:
        print_json(timeline_json(found))
        return
    shown = fewer(found, rows)
    if svg:
        _write(svg, picture(shown, length))
    else:
        _print(shown)


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"--svg {name} cannot be written: {error.strerror}") from None
    print(f"{name} is written", file=sys.stderr)


def _print(found: Timeline) -> None:
    out = console()
    time = took(found.begun_at, found.until)
    head = f"[bold]{plain(found.run_id)}[/]  {status(found.status)}  [{DIM}]{time}[/]"
    out.print(f"{head}  {plain(found.workflow)}")
    if found.source:
        source = f"{plain(found.source)} at version {found.source_version}"
        out.print(f"[{DIM}]goes on from {source}; what was done there is not in this picture[/]")
    out.print()
    for line in gantt(found, out.width):
        out.print(line)


def timeline_json(found: Timeline) -> dict[str, object]:
    """Instants as texts."""
    return {
        "run_id": found.run_id,
        "workflow": found.workflow,
        "status": found.status,
        "begun_at": instant(found.begun_at),
        "until": instant(found.until),
        "source": {"run_id": found.source, "version": found.source_version}
        if found.source
        else None,
        "rows": [
            {
                "name": row.name,
                "kind": row.kind,
                "status": row.status,
                "begun_at": instant(row.begun_at),
                "ended_at": instant(row.ended_at),
                "spans": [_span(span) for span in row.spans],
            }
            for row in found.rows
        ],
        "marks": [
            {"at": instant(mark.at), "version": mark.version, "what": mark.what}
            for mark in found.marks
        ],
    }


def _span(span: Span) -> dict[str, object]:
    told = msgspec.structs.asdict(span)
    return {**told, "begun_at": instant(span.begun_at), "ended_at": instant(span.ended_at)}
