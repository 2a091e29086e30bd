"""Fold of the facts of steps that no node works on: waits, loops, child runs, maps, groups."""

from collections.abc import Callable, Mapping

from events import run_facts as r
from events.facts import Fact
from events.values import Value
from orchestrator.kernel.instances import index_of, inside
from orchestrator.kernel.mapstate import Ending, MapState
from orchestrator.kernel.moves import (
    apply_flow,
    call,
    cancel_steps,
    close_step,
    leave_step,
    without_timers,
)
from orchestrator.kernel.state import Kept, RunState

MAP_DECIDED = "map_decided"
"""Why an item is asked back."""
WITHIN_TIMEOUT = "within_timeout"
"""Why a step is asked back whose group was given up."""


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


def _group_given_up(state: RunState, fact: r.GroupGivenUp, at: int) -> None:
    state.timers.pop(f"within:{fact.step}", None)
    for step_id in fact.recalled:
        state.steps[step_id].recalled = WITHIN_TIMEOUT
        without_timers(state, step_id)
        found = state.map_around(step_id)
        if found is not None:
            found.decided = Ending(fact.failure)
    cancel_steps(state, fact.cancelled, at)
    state.given_up[fact.step] = fact.failure
    apply_flow(state, fact.flow, at)


def _map_part_completed(state: RunState, fact: r.MapPartCompleted, at: int) -> None:
    found = state.map_around(fact.step)
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


STEP_FOLDS: Mapping[type[Fact], Callable[..., None]] = {
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
}
