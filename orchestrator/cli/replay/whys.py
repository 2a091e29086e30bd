"""`dalsegno why`: why a run, a step or an event is as it is, from what was recorded."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from events.errors import Misconfigured
from events.redaction import redact
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.cli.common import COMMON, Common
from orchestrator.cli.output import (
    BAD,
    DIM,
    UNSURE,
    clock,
    console,
    counted,
    grid,
    plain,
    print_json,
    status,
)
from orchestrator.cli.replay.recordings import recorded
from orchestrator.cli.shown import value_line
from orchestrator.insight.comparing.provenance import Origin, origins
from orchestrator.insight.comparing.told import tell
from orchestrator.replay.recording import Recording
from orchestrator.replay.why.reasons import (
    Link,
    Reason,
    StepReason,
    Trigger,
    why_event,
    why_run,
    why_step,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

QUIET = ("task.dispatched", "task.started", "task.progressed")
"""Events that say little in a chain, beside what follows from them."""
TRIGGERS = {
    "request": "a request",
    "report": "a report",
    "run": "another run",
    "timer": "a timer",
    "loss": "the loss of a node",
    "placement": "the placement of tasks",
    "operator": "an operator",
    "decision": "what came right before it",
}
UNTOLD = frozenset({"by", "incarnation"})
VALUE_CHARS = 40
VALUE_CHARS_MAX = 200


def why(
    run_id: str,
    step: str = "",
    *,
    at: int | None = None,
    run: str = "",
    common: Common = COMMON,
) -> None:
    """Say why a run is as it is, or one of its steps: the record of the decision, what led to it
    since the beginning, what followed from it, and where the values come from that it was about.

    A branch is explained by the values that its condition saw, a placement by its candidates, a
    retry by its arithmetic, what an operator did by their reason. Nothing is inferred that was not
    recorded.

    Parameters
    ----------
    run_id
        The run's id, or a file that `dalsegno events export` has written.
    step
        A step, or one instance of it, `parse[3]`.
    at
        How it was at this version; without a step, why this event came about.
    run
        Which run of a file that has several.

    Examples
    --------
    dalsegno why nightly-17
        Of a run that failed why it did; of an open one its newest decision.
    dalsegno why nightly-17 load
    dalsegno why nightly-17 --at 12
        Why its twelfth event came about.
    """
    recording = recorded(common, run_id, run)
    if at is not None and not 1 <= at <= recording.last:
        raise Misconfigured(f"--at is {at}: expected 1 to {recording.last}, the last version")
    if step:
        found = why_step(recording, step, at)
        traced = traced_to(recording, at, step)
        _answer(common, found, found.reason, traced)
        return
    reason = why_run(recording) if at is None else why_event(recording, at)
    _answer(common, None, reason, traced_to(recording, at, reason.step))


def traced_to(recording: Recording, at: int | None, step: str) -> Origin | None:
    """Where the values of a step come from; of what it was given later than `at` nothing."""
    if not step:
        return None
    found = origins(tell(recording, at), step, CelExpressions())
    return found if found is not None and found.origins else None


def _answer(
    common: Common, step: StepReason | None, reason: Reason | None, traced: Origin | None
) -> None:
    if common.json:
        told: dict[str, object] = {}
        if step is not None:
            told["step"] = msgspec.to_builtins(msgspec.structs.replace(step, reason=None))
        if reason is not None:
            told["reason"] = msgspec.to_builtins(reason)
        told["values"] = None if traced is None else origin_json(traced)
        print_json(redact(told))
        return
    out = console()
    for shown in views(step, reason, traced):
        out.print(shown)


def views(
    step: StepReason | None, reason: Reason | None, traced: Origin | None
) -> "Iterator[RenderableType]":
    """The answer, part by part, to be printed or put into a pane."""
    if step is not None:
        yield from _step(step)
    if reason is not None:
        yield from _reason(reason, alone=step is None)
    if traced is not None:
        yield from _values(traced)
    if step is not None:
        yield from _links("What was recorded of it", step.history)
    elif reason is not None:
        yield from _links("What led to it", reason.chain)
    if reason is not None and step is None:
        more = reason.effects_count - len(reason.effects)
        yield from _links("What followed from it", reason.effects, f"{more} more" if more else "")


def _step(found: StepReason) -> "Iterator[RenderableType]":
    head = f"[bold]{plain(found.step)}[/] of {plain(found.run_id)}  {status(found.status)}"
    yield f"{head}  [{DIM}]at version {found.version}[/]"
    if found.reason is None:
        yield plain(found.sentence)
    if found.waits_for:
        yield f"[{UNSURE}]waits for {plain(found.waits_for)}[/]"
    if found.instances:
        yield f"[{DIM}]{plain(', '.join(found.instances))}[/]"


def _reason(found: Reason, *, alone: bool) -> "Iterator[RenderableType]":
    place = f"event {found.version}, {found.type}, {clock(found.at)}"
    run = f"[bold]{plain(found.run_id)}[/]  " if alone else ""
    yield f"{run}[{DIM}]{place}[/]"
    bad = any(word in found.type for word in ("failed", "timed_out"))
    yield f"[{BAD}]{plain(found.sentence)}[/]" if bad else plain(found.sentence)
    lines = [("set off by", _trigger(found.trigger))]
    lines += decision_lines(found)
    if found.runs:
        lines.append(("other runs", ", ".join(found.runs)))
    yield ""
    yield grid((f"  [{DIM}]{plain(name)}[/]", plain(text)) for name, text in lines if text)


def _trigger(found: Trigger) -> str:
    by = found.by if found.kind != "decision" else ""
    return ", ".join(filter(None, (TRIGGERS[found.kind], by)))


def decision_lines(found: Reason) -> Iterable[tuple[str, str]]:
    """The record of a decision, a line each; of values that were seen one each. What the sentence
    says already is left out, and so are ids that mean nothing to a person."""
    for name, value in found.decision.items():
        if value in (None, "", [], {}) or name in UNTOLD or value == found.step:
            continue
        if isinstance(value, dict) and all(not isinstance(one, list) for one in value.values()):
            for inner, one in value.items():
                if one not in (None, "", {}) and not _is_said(one, found.sentence):
                    yield f"{name}.{inner}", value_line(one, inner, VALUE_CHARS_MAX)
        else:
            text = value if isinstance(value, str) else value_line(value, name, VALUE_CHARS_MAX)
            yield name, text


def _is_said(value: Value, sentence: str) -> bool:
    return isinstance(value, str) and value in sentence


def _values(traced: Origin) -> "Iterator[RenderableType]":
    from rich.tree import Tree

    yield "\n[bold]Where its values come from[/]"
    drawn = Tree(f"[bold]{plain(traced.what)}[/]", guide_style=DIM)
    _hang(drawn, traced)
    yield drawn


def _hang(branch: "Tree", traced: Origin) -> None:
    for one in traced.origins:
        _hang(branch.add(origin_line(one)), one)


def origin_line(one: Origin) -> str:
    value = plain(value_line(one.value, one.what, VALUE_CHARS))
    note = f"{one.note}, " if one.note else ""
    seen = ", told above" if one.seen and one.kind != "input" else ""
    run = f" of {plain(one.run_id)}" if one.run_id else ""
    place = f"[{DIM}]{plain(note)}event {one.version}{run}{seen}[/]"
    return f"{plain(one.what)}  [bold]{value}[/]  {place}"


def _links(title: str, links: Sequence[Link], note: str = "") -> "Iterator[RenderableType]":
    if links:
        more = f"  [{DIM}]{note}[/]" if note else ""
        yield f"\n[bold]{title}[/]{more}"
        yield grid(_link(one) for one in links)


def _link(one: Link) -> tuple[str, ...]:
    quiet = one.type.startswith(QUIET)
    sentence = plain(one.sentence)
    if one.left_out:
        sentence = f"… {counted(one.left_out, 'event')} later: {sentence}"
    elsewhere = f"[{DIM}]{plain(one.run_id)}[/] " if one.run_id else ""
    text = f"[{DIM}]{sentence}[/]" if quiet else sentence
    return f"[{DIM}]{one.version:>5}[/]", f"{elsewhere}{text}"


def origin_json(one: Origin) -> dict[str, object]:
    """Secrets covered by the names of what was read."""
    told: dict[str, object] = {
        "what": one.what,
        "value": redact(one.value, one.what.rpartition(".")[2]),
        "version": one.version,
        "run_id": one.run_id,
    }
    if one.note:
        told["note"] = one.note
    return {**told, "origins": [origin_json(inner) for inner in one.origins]}
