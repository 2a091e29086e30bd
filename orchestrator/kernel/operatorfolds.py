"""Fold of what operators did to a run."""

from collections.abc import Callable, Mapping

from events import operator_facts as o
from events.errors import InvariantViolation
from events.facts import Fact
from events.limits import ACTIONS_SHOWN_MAX
from orchestrator.kernel.moves import apply_flow, close_step
from orchestrator.kernel.runfolds import begin_anew
from orchestrator.kernel.state import Action, Kept, RunState


def _result_given(state: RunState, fact: o.ResultGiven, at: int) -> None:
    step = state.steps[fact.step]
    if fact.generation:
        state.generation = step.generation = fact.generation
    step.output = fact.output
    step.failure = fact.failure
    step.handled = fact.handled
    close_step(state, fact.step, fact.status, at)
    if fact.failure is not None and not fact.handled and state.failure is None:
        state.failure = fact.failure
        state.failed_step = fact.step
    apply_flow(state, fact.flow, at)
    _hold(state, None)
    what = {"completed": "complete", "skipped": "skip", "failed": "fail"}[fact.status]
    _note(state, fact, Action(what, at, state.version, fact.by, fact.reason, fact.step))


def _task_moved(state: RunState, fact: o.TaskMoved, at: int) -> None:
    step = state.steps[fact.step]
    step.target, step.off = fact.to, fact.off
    step.obstacle = step.obstacle_detail = ""
    if fact.attempt:
        step.recalled = MOVED
        for what in ("start", "execute"):
            state.timers.pop(f"{what}:{fact.step}", None)
    to = fact.to or f"not {', '.join(fact.off)}"
    action = Action("move", at, state.version, fact.by, fact.reason, fact.step, to, fact.backup)
    _note(state, fact, action)


def _halted(state: RunState, fact: o.RunHalted, _at: int) -> None:
    _hold(state, fact.due_at)


def _hold(state: RunState, due_at: int | None) -> None:
    state.halted = due_at
    if due_at is None:
        state.timers.pop("halt", None)
    else:
        state.timers["halt"] = due_at


def _restored(state: RunState, fact: o.RunRestored, at: int) -> None:
    """`state` is the run's at the version that the fact names, see `restoring.rewind`."""
    if state.version - 1 != fact.version:
        raise InvariantViolation(
            f"run {state.run_id} is restored to version {fact.version} and was folded on from "
            f"version {state.version - 1}"
        )
    state.version = fact.at
    state.generation = fact.generation
    begin_anew(state, fact.renewed, fact.due_at, at, fact.generation)
    state.halted = None
    for signal in fact.signals:
        state.signals[signal.id] = Kept(signal.name, signal.data, signal.correlation)
    what = "restore" if fact.mode == "resume" else "rerun"
    step, to = ", ".join(fact.steps), str(fact.version)
    action = Action(what, at, state.version, fact.by, fact.reason, step, to, fact.backup)
    _note(state, fact, action)


def _note(state: RunState, fact: o.ResultGiven | o.TaskMoved | o.RunRestored, did: Action) -> None:
    state.actions_seen[fact.id] = None
    for action_id in fact.forgotten:
        del state.actions_seen[action_id]
    state.actions = [*state.actions, did][-ACTIONS_SHOWN_MAX:]


MOVED = "moved"
"""Why an attempt is asked back whose task was moved."""

OPERATOR_FOLDS: Mapping[type[Fact], Callable[..., None]] = {
    o.ResultGiven: _result_given,
    o.TaskMoved: _task_moved,
    o.RunHalted: _halted,
    o.RunRestored: _restored,
}
