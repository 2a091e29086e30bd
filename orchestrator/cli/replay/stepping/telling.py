"""The answers of a session as text, and as JSON: secrets covered, instants readable."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from events.redaction import redact
from events.values import Value
from orchestrator.cli.output import (
    ACTIVE,
    BAD,
    COLOURS,
    DIM,
    UNSURE,
    clock,
    console,
    counted,
    grid,
    instant,
    plain,
    status,
    value_text,
)
from orchestrator.cli.replay.gantt import gantt
from orchestrator.cli.replay.timelines import timeline_json
from orchestrator.cli.replay.whys import origin_json, views
from orchestrator.cli.shown import NOTHING, value_line
from orchestrator.insight.stepping.answers import (
    Answer,
    AtMoment,
    Changed,
    Drawn,
    Ended,
    EventRow,
    Explained,
    Helped,
    Here,
    Lasting,
    Listed,
    Part,
    Stopping,
    Watched,
    Whole,
)
from orchestrator.insight.stepping.branches import Branch, branches_of
from orchestrator.insight.stepping.graph import Cell, Line
from orchestrator.insight.timelines.spans import fewer
from orchestrator.replay.differences import Change

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

CHANGE_MARKS = {"added": "+", "removed": "-", "changed": "~"}
GANTT_ROWS = 60
INDENT = "  "
BAD_WORDS = ("failed", "lost", "timed_out", "cancelled", "dead_lettered")
LOOKS = {"token": f"bold {UNSURE}"}


def told(answer: Answer, width: int) -> "Iterator[RenderableType]":
    """The parts of an answer, for a console of a width."""
    return TELLERS[type(answer)](answer, width)


def _here(here: Here, _: int) -> "Iterator[RenderableType]":
    place = f"[bold]{here.version}[/] of {here.last}  {status(here.status)}"
    if here.event is None:
        yield f"{place}  [{DIM}]before the first event[/]"
    else:
        event = here.event
        yield f"{place}  [{DIM}]{clock(event.at)}[/]  {kind(event.type)}"
        yield f"{INDENT}{plain(event.sentence)}"
    if here.stopped:
        yield f"{INDENT}[{UNSURE}]{plain(here.stopped)}[/]"
    yield from (f"{INDENT}{watch_line(watch)}" for watch in here.watches)


def watch_line(watch: Watched) -> str:
    """An expression with its value, or why it has none."""
    name = watch.text.rpartition(".")[2]
    shown = (
        f"[{DIM}]{plain(watch.error)}[/]" if watch.error else plain(value_line(watch.value, name))
    )
    return f"[{DIM}]{plain(watch.text)}[/] = {shown}"


def kind(type_: str) -> str:
    """The type of an event in its colour."""
    bad = any(word in type_ for word in BAD_WORDS)
    colour = BAD if bad else ACTIVE if type_.startswith("task.") else "bold"
    return f"[{colour}]{plain(type_)}[/]"


def event_cells(row: EventRow, here: int) -> tuple[str, str, str, str]:
    """An event in columns: version with a mark where it stands, time, type, sentence."""
    mark = "▶" if row.version == here else " "
    return (
        f"{mark}{row.version}",
        f"[{DIM}]{clock(row.at)}[/]",
        kind(short(row.type)),
        plain(row.sentence),
    )


def short(type_: str) -> str:
    """The type of an event without its version, which nearly all have in common."""
    return type_.removesuffix(".v1")


def _listed(listed: Listed, _: int) -> "Iterator[RenderableType]":
    made = grid(event_cells(row, listed.here) for row in listed.rows)
    if listed.rows:
        made.columns[0].justify = "right"
        yield made
    if listed.more:
        yield f"[{DIM}]… {counted(listed.more, 'event')} more[/]"
    if not listed.rows:
        yield f"[{DIM}]no events there[/]"


# -- state -----------------------------------------------------------------------------------------


def moment_lines(answer: AtMoment, _: int = 0) -> Iterator[str]:
    """The state as a tree of lines."""
    moment = answer.moment
    at = f"  [{DIM}]{instant(moment.at)}[/]" if moment.version else ""
    yield f"[bold]version {moment.version}[/] of {moment.last}{at}"
    for branch in branches_of(moment):
        yield from _branch(branch, 0)


def _branch(branch: Branch, depth: int) -> Iterator[str]:
    yield f"{INDENT * depth}{branch_line(branch)}"
    for inner in branch.branches:
        yield from _branch(inner, depth + 1)


def branch_line(branch: Branch) -> str:
    """A name with its value, status, instant and note."""
    parts = [f"[{DIM}]{plain(branch.name)}[/]" if not branch.branches else plain(branch.name)]
    if branch.status:
        parts.append(status(branch.status))
    if branch.value is not msgspec.UNSET:
        parts.append(plain(value_line(branch.value, branch.name)))
    if branch.at is not None:
        parts.append(instant(branch.at) or "")
    if branch.note:
        parts.append(f"[{DIM}]{plain(branch.note)}[/]")
    if branch.version:
        parts.append(f"[{DIM}]event {branch.version}[/]")
    return "  ".join(parts)


# -- changes, graph, stops -------------------------------------------------------------------------


def _changed(answer: Changed, _: int) -> "Iterator[RenderableType]":
    if not answer.changes:
        yield f"[{DIM}]nothing is different[/]"
        return
    yield from map(change_line, answer.changes)
    if answer.more:
        yield f"[{DIM}]… {counted(answer.more, 'change')} more[/]"


def change_line(change: Change) -> str:
    """A change as `mark path: before → after`."""
    colours = {"added": COLOURS["completed"], "removed": BAD, "changed": UNSURE}
    head = f"[{colours[change.kind]}]{CHANGE_MARKS[change.kind]}[/] {plain(change.path)}"
    before = plain(_shown(change.before, change.path))
    after = plain(_shown(change.after, change.path))
    if change.kind == "added":
        return f"{head}  {after}"
    if change.kind == "removed":
        return f"{head}  [{DIM}]{before}[/]"
    return f"{head}  [{DIM}]{before}[/] → {after}"


def _shown(value: Value, path: str) -> str:
    """Instants of the state in words: they are known by their names."""
    name = path.rpartition(".")[2]
    if isinstance(value, int) and not isinstance(value, bool) and _is_instant(path, name):
        return instant(value) or NOTHING
    return value_line(value, name)


def _is_instant(path: str, name: str) -> bool:
    return name.endswith("_at") or path.startswith(("timers.", "timers["))


def graph_line(line: Line) -> "Text":
    """A row of the graph, with what is to be said of its step."""
    from rich.text import Text

    drawn = Text(no_wrap=True)
    for cell in line.cells:
        drawn.append(cell.text, style=_look(cell))
    if line.status:
        drawn.append(f"  {line.status}", style=COLOURS.get(line.status, ""))
    if line.note:
        drawn.append(f"  {line.note}", style=DIM)
    drawn.rstrip()
    return drawn


def _look(cell: Cell) -> str:
    if not cell.look:
        return DIM if not cell.text.strip("│├─┬┴┼╮╯ ·") else ""
    return LOOKS.get(cell.look, COLOURS.get(cell.look, ""))


def _stopping(answer: Stopping, _: int) -> "Iterator[RenderableType]":
    rows = [(f"{number}", "break", plain(text)) for number, text in answer.stops.items()]
    rows += [(f"{number}", "watch", plain(text)) for number, text in answer.watches.items()]
    if rows:
        yield grid(rows)
    else:
        yield f"[{DIM}]no breakpoints and no watches[/]"


def _part(answer: Part, width: int) -> "Iterator[RenderableType]":
    name = answer.text.rpartition(".")[2]
    line = value_line(answer.value, name, width + 1)
    yield plain(line if len(line) <= width else value_text(redact(answer.value, name)))


def _whole(answer: Whole, _: int) -> "Iterator[RenderableType]":
    yield plain(_formatted(redact(answer.event)))


def _drawn(answer: Drawn, _: int) -> "Iterator[RenderableType]":
    yield from map(graph_line, answer.lines)


def _lasting(answer: Lasting, width: int) -> "Iterator[RenderableType]":
    yield from gantt(fewer(answer.timeline, GANTT_ROWS), width)


def _explained(answer: Explained, _: int) -> "Iterator[RenderableType]":
    yield from views(answer.step, answer.reason, answer.values)


def _helped(answer: Helped, _: int) -> "Iterator[RenderableType]":
    yield grid(
        (plain(one.usage), plain(one.short), f"[{DIM}]{plain(one.words)}[/]")
        for one in answer.commands
    )


def _ended(_answer: Ended, _: int) -> "Iterator[RenderableType]":
    return iter(())


TELLERS: Mapping[type, Callable[..., "Iterator[RenderableType]"]] = {
    Here: _here,
    AtMoment: moment_lines,
    Part: _part,
    Changed: _changed,
    Whole: _whole,
    Listed: _listed,
    Drawn: _drawn,
    Lasting: _lasting,
    Explained: _explained,
    Stopping: _stopping,
    Helped: _helped,
    Ended: _ended,
}
"""Each kind of answer; a test holds this complete."""


def _formatted(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


# -- text and JSON ---------------------------------------------------------------------------------


def text_of(answer: Answer, width: int) -> str:
    """An answer as plain lines, of at most `width` columns where they can be broken."""
    from io import StringIO

    out = console(StringIO(), width=width, plain_text=True)
    for part in told(answer, width):
        out.print(part)
    found = out.file.getvalue() if isinstance(out.file, StringIO) else ""
    return "".join(f"{line.rstrip()}\n" for line in found.splitlines())


def json_of(answer: Answer) -> object:
    """An answer as data."""
    if isinstance(answer, Lasting):
        return redact({"type": "timeline", **timeline_json(answer.timeline)})
    if isinstance(answer, Explained):
        made: dict[str, object] = {"type": "why"}
        made["step"] = _builtins(answer.step)
        made["reason"] = _builtins(answer.reason)
        made["values"] = None if answer.values is None else origin_json(answer.values)
        return redact(made)
    if isinstance(answer, Part):
        value = redact(answer.value, answer.text.rpartition(".")[2])
        return {"type": "value", "text": answer.text, "value": value}
    return redact(_builtins(answer))


def _builtins(value: object) -> object:
    return None if value is None else msgspec.to_builtins(value)
