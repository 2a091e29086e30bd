"""Attempts: each try of a task, as its events tell it. The state alone knows only the last one."""

from collections.abc import Iterable

import msgspec

from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.facts import Fact, Failure
from orchestrator.replay.recording import Recording
from orchestrator.replay.traces import Place

SILENT = frozenset({r.RunStarted.TYPE, r.MapAdvanced.TYPE, r.LoopAdvanced.TYPE, r.WaitEnded.TYPE})
"""What names many steps, and says nothing of an attempt."""


class AttemptAt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`version`: of the event that gave it to the node; in the run `run_id`, when that is not this
    one but one that it was forked from. `outcome` is empty while it is under way; `until`: the
    version of the event that ended it. Instants in microseconds."""

    number: int
    node: str
    version: int
    dispatched_at: int
    generation: int = 0
    run_id: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    outcome: str = ""
    until: int = 0
    failure: Failure | None = None
    why: str = ""


def attempts_of(recording: Recording, step: str, version: int) -> tuple[AttemptAt, ...]:
    """Those of a step instance up to a version, oldest first. O(events about the step)."""
    found: list[AttemptAt] = []
    for place in recording.traces.step(step, version):
        there = recording.of(place.run_id)
        if there.type(place.version) in SILENT:
            continue
        header, fact = there.decoded(place.version)
        if isinstance(fact, t.TaskDispatched):
            found.append(_begun(fact, place, header.recorded_at, recording.run_id))
        elif found:
            _take(found[-1], fact, step, place, header.recorded_at)
    return tuple(found)


def _begun(fact: t.TaskDispatched, place: Place, at: int, run_id: str) -> AttemptAt:
    return AttemptAt(
        number=fact.attempt,
        node=fact.node,
        version=place.version,
        dispatched_at=at,
        generation=fact.generation,
        run_id="" if place.run_id == run_id else place.run_id,
    )


def _take(attempt: AttemptAt, fact: Fact, step: str, place: Place, at: int) -> None:
    """What a later fact says of the last attempt."""
    if attempt.outcome not in {"", "deferred"}:
        return
    attempt.started_at = getattr(fact, "started_at", 0) or attempt.started_at
    outcome, ended_at = _outcome(fact, step), getattr(fact, "ended_at", 0) or at
    if outcome:
        attempt.outcome, attempt.until, attempt.ended_at = outcome, place.version, ended_at
        attempt.failure = getattr(fact, "failure", None)
        attempt.why = getattr(fact, "why", "")


def _outcome(fact: Fact, step: str) -> str:
    match fact:
        case t.TaskCompleted():
            return fact.outcome or "completed"
        case t.TaskFailed() | t.AttemptFailed() if fact.step == step:
            return fact.kind if fact.kind != "lost" else getattr(fact, "loss", "") or "lost"
        case t.TaskDeferred():
            return "deferred"
        case t.TaskCancelled():
            return "cancelled"
        case t.TaskSettled() | t.TaskSettling():
            return "settling"
        case o.ResultGiven():
            return f"given up: an operator said {fact.status}"
        case r.RunForked() | o.RunRestored() if step in _renewed(fact):
            return "left behind"
        case _:
            return "cancelled" if step in getattr(fact, "cancelled", ()) else ""


def _renewed(fact: r.RunForked | o.RunRestored) -> Iterable[str]:
    return (one.step for one in fact.renewed)
