"""Promise 14: what operators do is a fact with who and why, done once; going back finds the run as
it was, and can be undone.

Kept from the log and from what was asked: what one of these facts changed is compared with the
state that its request names, field by field, and not by the fold.
"""

from collections.abc import Iterator, Mapping

from events import operator_facts as o
from events.api import (
    AnyRequest,
    CompleteStep,
    FailStep,
    MoveStep,
    RerunRun,
    RestoreRun,
    SkipStep,
    TerminateRun,
)
from events.envelope import Event
from events.run_facts import RunFailed
from orchestrator.kernel.operating import TERMINATED
from orchestrator.kernel.state import RunState

ACTS = o.ResultGiven | o.TaskMoved | o.RunRestored
ACTING = SkipStep | CompleteStep | FailStep | MoveStep | RestoreRun | RerunRun
VERBS = {SkipStep: "skipped", CompleteStep: "completed", FailStep: "failed"}
OVER = frozenset({"completed", "skipped", "failed"})
PARENT = "the end of its parent"
"""That has terminated a run, in the words of its failure."""


class Operated:
    """Of one run."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        """When each was recorded, by the ids of the requests."""

    def take(self, event: Event, requests: Mapping[str, AnyRequest], now: int) -> Iterator[str]:
        fact, actor = event.fact, event.header.actor
        if not isinstance(fact, ACTS):
            return
        if fact.id in self.done:
            yield f"{fact.TYPE} {fact.id} is recorded a second time"
        self.done[fact.id] = now
        asked = next(
            (one for one in requests.values() if isinstance(one, ACTING) and one.id == fact.id),
            None,
        )
        if asked is None or not _is_for(asked, fact):
            yield f"{fact.TYPE} {fact.id} is recorded, what was asked is {asked}"
        elif (fact.by, fact.reason, actor) != (asked.actor, asked.reason, asked.actor):
            yield f"{fact.TYPE} is by {fact.by} and {actor}: {fact.reason!r}, asked was {asked}"


def terminated(event: Event, run_id: str, requests: Mapping[str, AnyRequest]) -> bool:
    """Whether the run was ended at once, because somebody wanted it, or with the one above it. (One
    that fails since a child run was terminated has the same code.)"""
    fact, actor = event.fact, event.header.actor
    if not isinstance(fact, RunFailed) or fact.failure.code != TERMINATED:
        return False
    text = fact.failure.message
    asked = (
        one
        for one in requests.values()
        if isinstance(one, TerminateRun) and one.run_id == run_id and one.actor == actor
    )
    return PARENT in text or any(one.actor in text and one.reason in text for one in asked)


def _is_for(asked: ACTING, fact: ACTS) -> bool:
    match asked, fact:
        case ((SkipStep() | CompleteStep() | FailStep()), o.ResultGiven()):
            given = None if isinstance(asked, FailStep) else asked.output
            same = (fact.step, fact.output) == (asked.step, given)
            return same and fact.status == VERBS[type(asked)]
        case MoveStep(), o.TaskMoved():
            same = (fact.step, fact.to) == (asked.step, asked.to)
            return same and (not asked.off or fact.off == asked.off)
        case RestoreRun(), o.RunRestored():
            return asked.mode != "resume" or fact.version == asked.version
        case RerunRun(), o.RunRestored():
            return fact.mode != "resume" and fact.steps == asked.steps
        case _:
            return False


def gone_back(fact: o.RunRestored, earlier: RunState, state: RunState) -> Iterator[str]:
    """The run is as it was: what was over is over, with the same result, and nothing else is; what
    was to be done again is not over."""
    if state.variables != earlier.variables:
        yield f"restored to {fact.version}: its variables are not those of then"
    if state.terminal or earlier.terminal:
        yield f"restored to {fact.version}, where it is {earlier.status}: it is {state.status}"
    for name, step in earlier.steps.items():
        found = state.steps.get(name)
        if step.status not in OVER:
            if found is not None and found.status in OVER:
                yield f"restored to {fact.version}: {name} was {step.status}, is {found.status}"
        elif found is None or (found.status, found.output) != (step.status, step.output):
            yield f"restored to {fact.version}: {name} was {step}, is {found}"
    for name in state.steps.keys() - earlier.steps.keys():
        yield f"restored to {fact.version}: {name} was not there then"
    yield from _to_do(fact, state)


def _to_do(fact: o.RunRestored, state: RunState) -> Iterator[str]:
    """Of a fork all of its own is done again: it begins with what its source had done."""
    if fact.mode == "rerun_all" and fact.version != 1:
        yield f"all was to be done again, and it is restored to {fact.version}"
    for name in fact.steps:
        if name in state.steps and state.steps[name].status in OVER:
            yield f"{name} was to be done again, and is {state.steps[name].status}"
    if fact.mode == "rerun_failed" and state.failure is not None:
        yield f"what has failed was to be done again: it has failed with {state.failure} already"
