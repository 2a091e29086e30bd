"""Fold of the facts of a whole run: its beginning, its pauses, its end."""

from collections.abc import Callable, Mapping, Sequence, Set

from events import run_facts as r
from events.facts import Enabled, Fact
from orchestrator.kernel.moves import (
    apply_flow,
    call,
    cancel_steps,
    enable,
    end_item,
    make_ready,
)
from orchestrator.kernel.state import Closing, Paused, RunState, StepState
from orchestrator.kernel.stepfolds import WITHIN_TIMEOUT


def _started(state: RunState, fact: r.RunStarted, at: int) -> None:
    state.run_id = fact.run_id
    state.status = "running"
    state.workflow = fact.workflow
    state.workflow_version = fact.workflow_version
    state.input = fact.input
    state.options = fact.options
    state.origin = fact.origin
    state.started_at = at
    state.part = fact.part
    state.subject = fact.subject
    if fact.due_at is not None:
        state.timers["run"] = fact.due_at
    apply_flow(state, fact.flow, at)


def _forked(state: RunState, fact: r.RunForked, at: int) -> None:
    """`state` is the source's at the fork's version."""
    state.run_id = fact.run_id
    state.version = 1
    state.status = "running"
    state.workflow = fact.workflow
    state.workflow_version = fact.workflow_version
    state.options = fact.options
    state.origin = fact.origin
    state.started_at = at
    state.variables.update(fact.variables)
    state.paused = state.halted = None
    for step_id in fact.retried:
        _unfail(state, step_id)
    begin_anew(state, fact.renewed, fact.due_at, at)


def _unfail(state: RunState, step_id: str) -> None:
    """As if the step had not failed: nothing has followed from that."""
    state.steps[step_id].status = "ready"
    state.order.remove(step_id)
    if state.failed_step != step_id:
        return
    others = (name for name in state.order if _failed_unhandled(state, name))
    state.failed_step = next(others, "")
    state.failure = state.steps[state.failed_step].failure if state.failed_step else None


def _failed_unhandled(state: RunState, step_id: str) -> bool:
    step = state.steps[step_id]
    return step.status == "failed" and not step.handled


def begin_anew(
    state: RunState,
    steps: Sequence[r.Renewed],
    due_at: int | None,
    at: int,
    generation: int | None = None,
) -> None:
    """What nodes, child runs and timers had is none of ours: `steps` begin anew, in another
    generation if there is one."""
    state.ready.clear()
    state.outstanding.clear()
    state.calls.clear()
    to_settle = set(state.settling)
    for step_id in state.settling:
        state.steps[step_id].settling = None
    state.settling.clear()
    state.deferred.clear()
    _without_given_up(state, to_settle.difference(one.step for one in steps), at)
    state.timers = {} if due_at is None else {"run": due_at}
    for renewed in steps:
        old = state.steps[renewed.step]
        if generation is not None:
            old.generation = generation
        if renewed.call is not None:
            call(state, renewed.call, at)
            continue
        if old.status == "entered":
            if renewed.due_at is not None:
                state.timers[f"within:{renewed.step}"] = renewed.due_at
            continue
        if old.status == "waiting":
            if renewed.due_at is not None:
                what = "until" if renewed.absolute else "wait"
                state.timers[f"{what}:{renewed.step}"] = renewed.due_at
            continue
        _enable_anew(state, renewed, old, at)


def _enable_anew(state: RunState, renewed: r.Renewed, old: StepState, at: int) -> None:
    """With other inputs the task is another one: what it said last and has done once is not its."""
    is_same = renewed.inputs is None
    enabled = Enabled(
        step=renewed.step,
        inputs=old.inputs if renewed.inputs is None else renewed.inputs,
        start_due_at=renewed.start_due_at,
        close_due_at=renewed.close_due_at,
    )
    enable(state, enabled, at)
    step = state.steps[renewed.step]
    step.generation = old.generation
    if is_same:
        step.details = old.details
        step.once = old.once


def _without_given_up(state: RunState, to_settle: Set[str], at: int) -> None:
    """What groups that were given up and maps that are decided still have was with nodes only, and
    these attempts are none of ours. `to_settle`: what of it was to be settled first, which has no
    mark of being asked back any more."""
    if state.given_up:
        cancel_steps(
            state, [name for name, one in state.steps.items() if one.recalled == WITHIN_TIMEOUT], at
        )
        state.turning.update(dict.fromkeys(state.given_up))
    for name in list(state.steps):
        found = state.map_around(name)
        if found is not None and found.decided is not None:
            end_item(state, name, "cancelled")
            if not found.open:
                state.turning[state.map_of(name)] = None
    cancel_steps(state, [name for name in state.steps if name in to_settle], at)


def _closing(state: RunState, fact: r.RunClosing, at: int) -> None:
    if fact.flow is not None:
        apply_flow(state, fact.flow, at)
    state.closing = Closing(fact.status, fact.reason, fact.failure, fact.step)
    cancel_steps(state, fact.cancelled, at)
    state.timers.clear()
    for step_id in state.settling:
        if state.steps[step_id].status == "retrying":
            make_ready(state, step_id, at)
    state.awaiting.clear()
    state.paused = state.halted = None
    _nothing_undecided(state)


def _paused(state: RunState, fact: r.RunPaused, at: int) -> None:
    state.paused = Paused(at, fact.reason)


def _resumed(state: RunState, fact: r.RunResumed, _at: int) -> None:
    state.paused = None
    for key, due_at in state.timers.items():
        what, _, step_id = key.partition(":")
        if what == "until":
            continue
        state.timers[key] = due_at + fact.shift_us
        if what == "retry":
            state.steps[step_id].next_attempt_at = due_at + fact.shift_us
        elif what == "close":
            state.steps[step_id].close_due_at = due_at + fact.shift_us
    for step_id in state.settling:  # its timer is away until that is over
        step = state.steps[step_id]
        if step.close_due_at is not None:
            step.close_due_at += fact.shift_us


def _completed(state: RunState, fact: r.RunCompleted, at: int) -> None:
    state.output = fact.output
    _end(state, "completed", at)


def _failed(state: RunState, fact: r.RunFailed, at: int) -> None:
    state.failure = fact.failure
    state.failed_step = fact.step
    cancel_steps(state, fact.cancelled, at)
    _end(state, "failed", at)


def _cancelled(state: RunState, fact: r.RunCancelled, at: int) -> None:
    state.reason = fact.reason
    cancel_steps(state, fact.cancelled, at)
    _end(state, "cancelled", at)


def _timed_out(state: RunState, fact: r.RunTimedOut, at: int) -> None:
    state.failure = fact.failure
    cancel_steps(state, fact.cancelled, at)
    _end(state, "timed_out", at)


def _end(state: RunState, status: str, at: int) -> None:
    state.status = status
    state.ended_at = at
    state.closing = None
    state.timers.clear()
    state.ready.clear()
    state.outstanding.clear()
    state.awaiting.clear()
    state.calls.clear()
    state.settling.clear()
    state.deferred.clear()
    state.paused = state.halted = None
    _nothing_undecided(state)


def _nothing_undecided(state: RunState) -> None:
    state.stuck.clear()
    state.turning.clear()
    state.at_end = False
    state.given_up.clear()


def _pinned(state: RunState, fact: r.RunPinned, _at: int) -> None:
    state.build = fact.build


RUN_FOLDS: Mapping[type[Fact], Callable[..., None]] = {
    r.RunStarted: _started,
    r.RunForked: _forked,
    r.RunPinned: _pinned,
    r.RunPaused: _paused,
    r.RunResumed: _resumed,
    r.RunClosing: _closing,
    r.RunCompleted: _completed,
    r.RunFailed: _failed,
    r.RunCancelled: _cancelled,
    r.RunTimedOut: _timed_out,
}
