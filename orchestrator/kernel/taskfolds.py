"""Fold of the facts of tasks and their attempts."""

from collections.abc import Callable, Mapping

from events import task_facts as t
from events.facts import Fact
from orchestrator.kernel.moves import (
    apply_flow,
    cancel_steps,
    close_step,
    make_ready,
    without_timers,
)
from orchestrator.kernel.state import RunState, Settling, StepState


def _dispatched(state: RunState, fact: t.TaskDispatched, at: int) -> None:
    step = state.steps[fact.step]
    step.status = "dispatched"
    step.attempt = fact.attempt
    step.token = state.version
    step.node = fact.node
    step.incarnation = fact.incarnation
    step.dispatched_at = at
    if fact.transactional:
        step.transactional = True
    if step.progress or step.digest or step.started_at is not None or step.obstacle:
        step.progress = 0
        step.digest = step.obstacle = step.obstacle_detail = ""
        step.started_at = None
    del state.ready[fact.step]
    state.outstanding[fact.step] = fact.attempt


def _pending(state: RunState, fact: t.TaskPending, _at: int) -> None:
    step = state.steps[fact.step]
    step.obstacle = fact.obstacle
    step.obstacle_detail = fact.detail


def _task_started(state: RunState, fact: t.TaskStarted, _at: int) -> None:
    step = state.steps[fact.step]
    step.status = "running"
    step.started_at = fact.started_at
    state.timers.pop(f"start:{fact.step}", None)
    if fact.due_at is not None:
        state.timers[f"execute:{fact.step}"] = fact.due_at


def _progressed(state: RunState, fact: t.TaskProgressed, _at: int) -> None:
    step = state.steps[fact.step]
    step.details = fact.details
    step.progress = fact.sequence


def _once_recorded(state: RunState, fact: t.OnceRecorded, _at: int) -> None:
    step = state.steps[fact.step]
    step.once = {**(step.once or {}), fact.name: fact.value}


def _recalled(state: RunState, fact: t.TaskRecalled, _at: int) -> None:
    state.steps[fact.step].recalled = fact.code
    for what in ("start", "execute"):
        state.timers.pop(f"{what}:{fact.step}", None)
    if fact.code == "schedule_to_close_timeout":
        state.timers.pop(f"close:{fact.step}", None)


def _task_completed(state: RunState, fact: t.TaskCompleted, at: int) -> None:
    step = state.steps[fact.step]
    step.output = fact.output
    step.outcome = fact.outcome
    step.started_at = fact.started_at or step.started_at
    close_step(state, fact.step, "completed", fact.ended_at or at)
    apply_flow(state, fact.flow, at)


def _attempt_failed(state: RunState, fact: t.AttemptFailed, at: int) -> None:
    step = state.steps[fact.step]
    step.failure = fact.failure
    if fact.counted:
        step.counted += 1
        step.delay_s = fact.delay_s
    if step.settling is not None:
        step.settling.tries += 1
    step.refusals = step.refusals + 1 if fact.loss == "refused" else 0
    step.recalled = ""
    step.started_at = fact.started_at or step.started_at
    if fact.loss is not None:
        step.losses += fact.loss != "refused"
        step.excluded = {**(step.excluded or {}), step.node: fact.loss}
    if fact.killed is not None:
        step.kills = (*step.kills, fact.killed)
    state.outstanding.pop(fact.step, None)
    state.deferred.pop(fact.step, None)
    state.ready.pop(fact.step, None)
    for what in ("start", "execute", "defer"):
        state.timers.pop(f"{what}:{fact.step}", None)
    if fact.next_attempt_at <= state.clock(at):
        make_ready(state, fact.step, at, fact.start_due_at)
    else:
        step.status = "retrying"
        step.next_attempt_at = fact.next_attempt_at
        state.timers[f"retry:{fact.step}"] = fact.next_attempt_at


def _retry_due(state: RunState, fact: t.TaskRetryDue, at: int) -> None:
    state.timers.pop(f"retry:{fact.step}", None)
    make_ready(state, fact.step, at, fact.start_due_at)


def _task_failed(state: RunState, fact: t.TaskFailed, at: int) -> None:
    step = state.steps.setdefault(fact.step, StepState("ready"))
    state.stuck.pop(fact.step, None)
    step.failure = fact.failure
    step.handled = fact.handled
    step.started_at = fact.started_at or step.started_at
    cancel_steps(state, fact.cancelled, at)
    close_step(state, fact.step, "failed", fact.ended_at or at)
    if not fact.handled and state.failure is None:
        state.failure = fact.failure
        state.failed_step = fact.step
    apply_flow(state, fact.flow, at)


def _deferred(state: RunState, fact: t.TaskDeferred, _at: int) -> None:
    step = state.steps[fact.step]
    step.status = "deferred"
    step.started_at = fact.started_at or step.started_at
    step.digest = fact.digest
    del state.outstanding[fact.step]
    state.deferred[fact.step] = fact.attempt
    for what in ("start", "execute"):
        state.timers.pop(f"{what}:{fact.step}", None)
    if fact.due_at is not None:
        state.timers[f"defer:{fact.step}"] = fact.due_at


def _settling(state: RunState, fact: t.TaskSettling, at: int) -> None:
    step = state.steps[fact.step]
    step.settling = Settling(fact.failure, fact.kind, fact.why, renews=fact.renews)
    step.failure = fact.failure
    step.recalled = step.obstacle = step.obstacle_detail = ""
    state.settling[fact.step] = None
    state.outstanding.pop(fact.step, None)
    without_timers(state, fact.step)
    make_ready(state, fact.step, at)


def _settled(state: RunState, fact: t.TaskSettled, at: int) -> None:
    step = state.steps[fact.step]
    state.generation = step.generation = fact.generation
    step.attempt = step.progress = 0
    step.transactional = False
    step.settling = None
    step.recalled = step.obstacle = step.obstacle_detail = ""
    state.settling.pop(fact.step, None)
    state.outstanding.pop(fact.step, None)
    without_timers(state, fact.step)
    make_ready(state, fact.step, at, fact.start_due_at)
    if step.close_due_at is not None:
        state.timers[f"close:{fact.step}"] = step.close_due_at


def _dead_lettered(_state: RunState, _fact: t.TaskDeadLettered, _at: int) -> None:
    """Evidence for people; what becomes of the task says the failure that follows."""


def _task_cancelled(state: RunState, fact: t.TaskCancelled, at: int) -> None:
    close_step(state, fact.step, "cancelled", at)
    apply_flow(state, fact.flow, at)


TASK_FOLDS: Mapping[type[Fact], Callable[..., None]] = {
    t.TaskDispatched: _dispatched,
    t.TaskPending: _pending,
    t.TaskStarted: _task_started,
    t.TaskProgressed: _progressed,
    t.OnceRecorded: _once_recorded,
    t.TaskRecalled: _recalled,
    t.TaskCompleted: _task_completed,
    t.AttemptFailed: _attempt_failed,
    t.TaskRetryDue: _retry_due,
    t.TaskFailed: _task_failed,
    t.TaskSettling: _settling,
    t.TaskSettled: _settled,
    t.TaskDeferred: _deferred,
    t.TaskDeadLettered: _dead_lettered,
    t.TaskCancelled: _task_cancelled,
}
