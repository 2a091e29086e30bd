"""Fold: write a fact's decided delta into the state. No decision, no expression, no token game
here.

`evolve` is a table from fact type to function; a test holds it complete. Each function may rely on
the fact having been decided on exactly this state.
"""

from collections.abc import Callable, Iterable, Mapping

from events import run_facts as r
from events import task_facts as t
from events.errors import InvariantViolation
from events.facts import Enabled, Fact
from events.values import Value
from orchestrator.kernel.instances import index_of, inside
from orchestrator.kernel.mapstate import Ending, MapState
from orchestrator.kernel.moves import (
    apply_flow,
    call,
    close_step,
    enable,
    end_item,
    leave_step,
    make_ready,
    without_timers,
)
from orchestrator.kernel.state import Closing, Kept, Paused, RunState, StepState


def evolve(state: RunState, fact: Fact, recorded_at: int) -> None:
    """Applies the stream's next fact, recorded at that instant (microseconds), to `state` in place.

    Raises `InvariantViolation` for a fact after the terminal one, of a kind that runs do not have,
    or about a step that the state does not know.
    """
    fold = FOLDS.get(type(fact))
    if fold is None:
        raise InvariantViolation(f"{fact.TYPE} is not a fact of a run")
    if state.terminal and not isinstance(fact, r.RunForked):
        raise InvariantViolation(f"{fact.TYPE} follows the end of run {state.run_id}")
    state.version += 1
    state.updated_at = recorded_at
    try:
        fold(state, fact, recorded_at)
    except KeyError as error:
        raise InvariantViolation(
            f"{fact.TYPE} as event {state.version} of run {state.run_id} does not fit the events "
            f"before it: there is no {error}"
        ) from error
    if not state.terminal:
        state.status = state.open_status


# -- runs -----------------------------------------------------------------------------------------


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
    state.paused = None
    state.ready.clear()
    state.outstanding.clear()
    state.calls.clear()
    _without_given_up(state, at)
    state.timers = {} if fact.due_at is None else {"run": fact.due_at}
    for renewed in fact.renewed:
        old = state.steps[renewed.step]
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
        enabled = Enabled(
            step=renewed.step,
            inputs=old.inputs,
            start_due_at=renewed.start_due_at,
            close_due_at=renewed.close_due_at,
        )
        enable(state, enabled, at)
        state.steps[renewed.step].generation = old.generation
        state.steps[renewed.step].details = old.details


def _without_given_up(state: RunState, at: int) -> None:
    """What groups that were given up and maps that are decided still have was with nodes only, and
    these attempts are none of ours."""
    if state.given_up:
        _cancel(
            state, [name for name, one in state.steps.items() if one.recalled == WITHIN_TIMEOUT], at
        )
        state.turning.update(dict.fromkeys(state.given_up))
    for name in list(state.steps):
        map_id = state.map_of(name)
        found = state.steps[map_id].map if map_id else None
        if found is not None and found.decided is not None:
            end_item(state, map_id, name, "cancelled")
            if not found.open:
                state.turning[map_id] = None


def _closing(state: RunState, fact: r.RunClosing, at: int) -> None:
    if fact.flow is not None:
        apply_flow(state, fact.flow, at)
    state.closing = Closing(fact.status, fact.reason, fact.failure, fact.step)
    _cancel(state, fact.cancelled, at)
    state.timers.clear()
    state.awaiting.clear()
    state.paused = None
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


def _completed(state: RunState, fact: r.RunCompleted, at: int) -> None:
    state.output = fact.output
    _end(state, "completed", at)


def _failed(state: RunState, fact: r.RunFailed, at: int) -> None:
    state.failure = fact.failure
    state.failed_step = fact.step
    _cancel(state, fact.cancelled, at)
    _end(state, "failed", at)


def _cancelled(state: RunState, fact: r.RunCancelled, at: int) -> None:
    state.reason = fact.reason
    _cancel(state, fact.cancelled, at)
    _end(state, "cancelled", at)


def _timed_out(state: RunState, fact: r.RunTimedOut, at: int) -> None:
    state.failure = fact.failure
    _cancel(state, fact.cancelled, at)
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
    state.paused = None
    _nothing_undecided(state)


def _nothing_undecided(state: RunState) -> None:
    state.stuck.clear()
    state.turning.clear()
    state.at_end = False
    state.given_up.clear()


def _cancel(state: RunState, steps: Iterable[str], at: int) -> None:
    for step_id in steps:
        close_step(state, step_id, "cancelled", at)


# -- tasks ----------------------------------------------------------------------------------------


def _pinned(state: RunState, fact: r.RunPinned, _at: int) -> None:
    state.build = fact.build


def _dispatched(state: RunState, fact: t.TaskDispatched, at: int) -> None:
    step = state.steps[fact.step]
    step.status = "dispatched"
    step.attempt = fact.attempt
    step.token = state.version
    step.progress = 0
    step.node = fact.node
    step.incarnation = fact.incarnation
    step.dispatched_at = at
    step.started_at = None
    step.obstacle = step.obstacle_detail = ""
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
    step.refusals = step.refusals + 1 if fact.loss == "refused" else 0
    step.recalled = ""
    step.started_at = fact.started_at or step.started_at
    if fact.loss is not None:
        step.losses += fact.loss != "refused"
        step.excluded[step.node] = fact.loss
    state.outstanding.pop(fact.step, None)
    state.ready.pop(fact.step, None)
    for what in ("start", "execute"):
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
    _cancel(state, fact.cancelled, at)
    close_step(state, fact.step, "failed", fact.ended_at or at)
    if not fact.handled and state.failure is None:
        state.failure = fact.failure
        state.failed_step = fact.step
    apply_flow(state, fact.flow, at)


def _task_cancelled(state: RunState, fact: t.TaskCancelled, at: int) -> None:
    close_step(state, fact.step, "cancelled", at)
    apply_flow(state, fact.flow, at)


def _signal_received(state: RunState, fact: r.SignalReceived, _at: int) -> None:
    state.signals[fact.id] = Kept(fact.name, fact.data, fact.correlation)
    state.signals_seen[fact.id] = None
    for signal_id in fact.forgotten:
        del state.signals_seen[signal_id]


def _update_accepted(state: RunState, fact: r.UpdateAccepted, _at: int) -> None:
    state.variables.update(fact.variables)
    state.updates_seen[fact.id] = None
    for update_id in fact.forgotten:
        del state.updates_seen[update_id]


def _wait_ended(state: RunState, fact: r.WaitEnded, at: int) -> None:
    state.steps[fact.step].output = fact.output
    if fact.signal:
        del state.signals[fact.signal]
    close_step(state, fact.step, "completed", at)
    apply_flow(state, fact.flow, at)


def _loop_advanced(state: RunState, fact: r.LoopAdvanced, at: int) -> None:
    step = state.steps[fact.step]
    loop = step.loop
    if loop is None:
        raise KeyError(fact.step)
    del state.turning[fact.step]
    if loop.items is not None and loop.index is not None:
        loop.outputs.append(fact.output)
        loop.output_bytes += fact.output_bytes
    loop.index = fact.index
    if fact.index is None:
        step.output = fact.output if loop.items is None else loop.outputs
        step.loop = None
        leave_step(state, fact.step, at)
    apply_flow(state, fact.flow, at)


def _child_called(state: RunState, fact: r.ChildCalled, at: int) -> None:
    call(state, fact.call, at)


def _child_completed(state: RunState, fact: r.ChildCompleted, at: int) -> None:
    state.steps[fact.step].output = fact.output
    close_step(state, fact.step, "completed", at)
    apply_flow(state, fact.flow, at)


def _child_failed(state: RunState, fact: r.ChildFailed, _at: int) -> None:
    step = state.steps[fact.step]
    del state.calls[fact.step]
    step.failure = fact.failure
    step.counted += 1
    step.delay_s = fact.delay_s
    step.status = "retrying"
    step.next_attempt_at = fact.next_attempt_at
    state.timers[f"retry:{fact.step}"] = fact.next_attempt_at


def _map_advanced(state: RunState, fact: r.MapAdvanced, at: int) -> None:
    del state.turning[fact.step]
    apply_flow(state, fact.flow, at)


def _map_decided(state: RunState, fact: r.MapDecided, at: int) -> None:
    found = state.steps[fact.step].map
    if found is None:
        raise KeyError(fact.step)
    state.turning.pop(fact.step, None)
    found.decided = Ending(fact.failure)
    for number in fact.recalled:
        step_id = inside(fact.step, number)
        state.steps[step_id].recalled = MAP_DECIDED
        without_timers(state, step_id)
    for number in fact.cancelled:
        step_id = inside(fact.step, number)
        state.stuck.pop(step_id, None)
        close_step(state, step_id, "cancelled", at)
    apply_flow(state, fact.flow, at)


MAP_DECIDED = "map_decided"
"""Why an item is asked back."""


def _group_given_up(state: RunState, fact: r.GroupGivenUp, at: int) -> None:
    state.timers.pop(f"within:{fact.step}", None)
    for step_id in fact.recalled:
        state.steps[step_id].recalled = WITHIN_TIMEOUT
        without_timers(state, step_id)
        map_id = state.map_of(step_id)
        found = state.steps[map_id].map if map_id else None
        if found is not None:
            found.decided = Ending(fact.failure)
    _cancel(state, fact.cancelled, at)
    state.given_up[fact.step] = fact.failure
    apply_flow(state, fact.flow, at)


WITHIN_TIMEOUT = "within_timeout"
"""Why a step is asked back whose group was given up."""


def _map_part_completed(state: RunState, fact: r.MapPartCompleted, at: int) -> None:
    found = state.steps[state.map_of(fact.step)].map
    if found is None:
        raise KeyError(fact.step)
    found.take(index_of(fact.step), fact.result)
    close_step(state, fact.step, "completed", at)
    apply_flow(state, fact.flow, at)


def _map_completed(state: RunState, fact: r.MapCompleted, at: int) -> None:
    step = state.steps[fact.step]
    if step.map is None:
        raise KeyError(fact.step)
    del state.turning[fact.step]
    step.output = _outputs(step.map) if fact.output is None else fact.output
    step.map = None
    leave_step(state, fact.step, at)
    apply_flow(state, fact.flow, at)


def _outputs(found: MapState) -> Value:
    return list(found.outputs) if found.cut is None else found.joined()


FOLDS: Mapping[type[Fact], Callable[..., None]] = {
    r.RunStarted: _started,
    r.RunForked: _forked,
    r.SignalReceived: _signal_received,
    r.WaitEnded: _wait_ended,
    r.LoopAdvanced: _loop_advanced,
    r.ChildCalled: _child_called,
    r.ChildCompleted: _child_completed,
    r.ChildFailed: _child_failed,
    r.MapAdvanced: _map_advanced,
    r.MapDecided: _map_decided,
    r.GroupGivenUp: _group_given_up,
    r.MapPartCompleted: _map_part_completed,
    r.MapCompleted: _map_completed,
    r.UpdateAccepted: _update_accepted,
    r.RunPinned: _pinned,
    r.RunPaused: _paused,
    r.RunResumed: _resumed,
    r.RunClosing: _closing,
    r.RunCompleted: _completed,
    r.RunFailed: _failed,
    r.RunCancelled: _cancelled,
    r.RunTimedOut: _timed_out,
    t.TaskDispatched: _dispatched,
    t.TaskPending: _pending,
    t.TaskStarted: _task_started,
    t.TaskProgressed: _progressed,
    t.TaskRecalled: _recalled,
    t.TaskCompleted: _task_completed,
    t.AttemptFailed: _attempt_failed,
    t.TaskRetryDue: _retry_due,
    t.TaskFailed: _task_failed,
    t.TaskCancelled: _task_cancelled,
}
