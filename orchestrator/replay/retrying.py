"""Retry of a closed run: the version to fork it from, and what a run from there does again.

A closed run is never opened again. What failed is tried once more by a new run that begins where
the old one stood before its end was decided: at the last version at which nothing had failed for
good, no step was stuck, and something was still awaited. What had completed by then is kept.
"""

from collections.abc import Iterable

import msgspec

from events.catalogue import Catalogue
from events.errors import Rejected
from events.facts import Fact
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.state import RunState
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Rebuilder

OPEN_STEPS = frozenset({"ready", "dispatched", "running", "retrying", "waiting", "calling"})
RETRYABLE = frozenset({"failed", "timed_out", "cancelled"})


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A step that the new run begins anew; `was`: how it ended in the old run, if it did."""

    step: str
    was: str


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """`version`: where to fork. `kept`: steps that had completed by then. `again`: what was under
    way there; the steps after these follow as in any run."""

    run_id: str
    workflow: str
    status: str
    version: int
    last_version: int
    kept: tuple[str, ...]
    again: tuple[Again, ...]


async def plan_retry(store: History, run_id: str) -> Retry:
    """Raises `Rejected` when there is no such run, or nothing to try again; and `Corrupt`."""
    rebuilder = Rebuilder(store, Catalogue(), snapshots=False)
    first = await rebuilder.run(run_id, 1)
    if first is None:
        raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    last = first.state
    events = await rebuilder.events(run_id)
    version = last_sound_version(last, ((e.fact, e.header.recorded_at) for e in events[1:]))
    refuse(last, version)
    held = await rebuilder.run(run_id, version)
    if held is None:
        raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
    return told(held.state, last, version)


def last_sound_version(state: RunState, later: Iterable[tuple[Fact, int]]) -> int:
    """Folds the run on from its version 1, over later facts with the instants at which they were
    recorded; 0 when it was never sound."""
    best = 1 if is_sound(state) else 0
    for fact, at in later:
        evolve(state, fact, at)
        if is_sound(state):
            best = state.version
    return best


def is_sound(state: RunState) -> bool:
    """Whether nothing has gone wrong yet that a run from here would repeat by itself."""
    doomed = state.closing is not None or state.failure is not None or state.undecided
    return not (state.terminal or doomed or state.given_up) and state.waits


def refuse(last: RunState, version: int) -> None:
    run_id, status = last.run_id, last.status
    if not last.terminal:
        raise Rejected(f"run {run_id} is {status}: only a run that has ended can be retried")
    if status not in RETRYABLE:
        raise Rejected(
            f"run {run_id} is {status}, there is nothing to retry: `dalsegno run start "
            f"{last.workflow}` starts a fresh one"
        )
    if not version:
        raise Rejected(
            f"run {run_id} had failed before anything was under way, and would at once fail again: "
            f"mend its input or workflow, and `dalsegno run start {last.workflow}`"
        )


def told(held: RunState, last: RunState, version: int) -> Retry:
    done = (name for name, step in held.steps.items() if step.status == "completed")
    return Retry(
        run_id=last.run_id,
        workflow=last.workflow,
        status=last.status,
        version=version,
        last_version=last.version,
        kept=tuple(name for name in done if "/" not in name),
        again=tuple(
            Again(step=name, was=last.steps[name].status if name in last.steps else "")
            for name, step in held.steps.items()
            if step.status in OPEN_STEPS
        ),
    )
