"""Folding what moves: steps that are enabled, reached, left and closed, by whatever fact.

The other half of `evolve`, and like it without any decision.
"""

from collections.abc import Iterable

from events.facts import Called, Enabled, Flow, Looping, Mapped, Moved, Waiting
from orchestrator.kernel.mapstate import MapState
from orchestrator.kernel.state import LoopState, RunState, StepState


def make_ready(state: RunState, step_id: str, at: int, start_due_at: int | None = None) -> None:
    step = state.steps[step_id]
    step.status = "ready"
    step.ready_at = at
    step.next_attempt_at = None
    state.ready[step_id] = None
    if start_due_at is not None:
        state.timers[f"start:{step_id}"] = start_due_at


def cancel_steps(state: RunState, steps: Iterable[str], at: int) -> None:
    for step_id in steps:
        close_step(state, step_id, "cancelled", at)


def close_step(state: RunState, step_id: str, status: str, at: int) -> None:
    state.ready.pop(step_id, None)
    state.outstanding.pop(step_id, None)
    if state.calls or state.settling or state.deferred:
        state.calls.pop(step_id, None)
        state.settling.pop(step_id, None)
        state.deferred.pop(step_id, None)
    if state.timers:
        without_timers(state, step_id)
    if step_id[-1:] == "]" and end_item(state, step_id, status):
        return
    step = state.steps[step_id]
    step.status = status
    step.ended_at = at
    if step.recalled or step.obstacle:
        step.recalled = step.obstacle = step.obstacle_detail = ""
    if step.next_attempt_at is not None:
        step.next_attempt_at = None
    state.order.append(step_id)
    if state.awaiting or state.turning or state.given_up:
        state.awaiting.pop(step_id, None)
        state.turning.pop(step_id, None)
        state.given_up.pop(step_id, None)
    if step.loop or step.map or step.settling:
        step.loop = step.map = step.settling = None


def without_timers(state: RunState, step_id: str) -> None:
    for what in ("start", "close", "execute", "defer", "retry", "wait", "until", "within"):
        state.timers.pop(f"{what}:{step_id}", None)


def end_item(state: RunState, step_id: str, status: str) -> bool:
    """An item that is over is a step no more: its map keeps what became of it. False for a step
    that is no item."""
    map_id, _, number = step_id[:-1].rpartition("[")
    holder = state.steps.get(map_id)
    if holder is None or holder.map is None:
        return False
    item = state.steps.pop(step_id, NO_STEP)
    holder.map.end(int(number), status, item.output, item.failure)
    return True


NO_STEP = StepState("ready")
"""An item that never began."""


# -- flow -----------------------------------------------------------------------------------------


def apply_flow(state: RunState, flow: Flow, at: int) -> None:  # noqa: C901, PLR0912 -- see below
    """Most flows say one or two things. To ask first what one says at all is half of the work, and
    all folds come through here, so it is asked without a call."""
    if flow.tokens:
        _move_tokens(state, flow)
    if flow.variables:
        state.variables.update(flow.variables)
    for name in flow.entered:
        state.steps[name] = StepState("entered", started_at=at)
    if flow.limited:
        for limited in flow.limited:
            state.timers[f"within:{limited.step}"] = limited.due_at
    if flow.left:
        for name in flow.left:
            leave_step(state, name, at)
    if flow.skipped:
        for name in flow.skipped:
            state.steps[name] = StepState("skipped", ended_at=at)
            state.order.append(name)
    if flow.stuck:
        for stuck in flow.stuck:
            state.stuck[stuck.step] = stuck.failure
            _begin_item(state, stuck.step)
    if flow.ended:
        state.at_end = True
    for enabled in flow.enabled:
        enable(state, enabled, at)
    if flow.calls:
        for called in flow.calls:
            call(state, called, at)
    if flow.waiting:
        for waiting in flow.waiting:
            _wait(state, waiting, at)
    if flow.loops or flow.maps:
        _repeat(state, flow, at)
    if flow.moved:
        for moved in flow.moved:
            _move(state, moved)
    if flow.turned:
        state.turning.update(dict.fromkeys(flow.turned))


def _move_tokens(state: RunState, flow: Flow) -> None:
    for arc, change in flow.tokens.items():
        tokens = state.tokens.get(arc, 0) + change
        if tokens:
            state.tokens[arc] = tokens
        else:
            state.tokens.pop(arc, None)


def _repeat(state: RunState, flow: Flow, at: int) -> None:
    """Loops and maps that were reached."""
    for looping in flow.loops:
        _loop(state, looping, at)
    for mapped in flow.maps:
        _map(state, mapped, at)


def enable(state: RunState, enabled: Enabled, at: int) -> None:
    name, close_due_at = enabled.step, enabled.close_due_at
    if name not in state.steps:
        _begin_item(state, name)
    state.steps[name] = StepState(
        "ready",
        generation=state.generation,
        inputs=enabled.inputs,
        ready_at=at,
        close_due_at=close_due_at,
    )
    state.ready[name] = None
    if enabled.start_due_at is not None:
        state.timers[f"start:{name}"] = enabled.start_due_at
    if close_due_at is not None:
        state.timers[f"close:{name}"] = close_due_at


def _begin_item(state: RunState, step_id: str) -> None:
    """Counts a step that is an item of a map."""
    if found := state.map_around(step_id):
        found.open += 1


def _loop(state: RunState, looping: Looping, at: int) -> None:
    items = None if looping.items is None else list(looping.items)
    state.steps[looping.step] = StepState("entered", started_at=at, loop=LoopState(items=items))
    state.turning[looping.step] = None


def _map(state: RunState, mapped: Mapped, at: int) -> None:
    found = MapState.of(mapped)
    state.steps[mapped.step] = StepState("entered", started_at=at, map=found)
    state.turning[mapped.step] = None


def _move(state: RunState, moved: Moved) -> None:
    found = state.steps[moved.step].map
    if found is not None:
        found.cursor, found.output_bytes = moved.cursor, moved.output_bytes
        found.input_bytes = moved.input_bytes


def call(state: RunState, called: Called, at: int) -> None:
    """A step has a child run from now on, its first or another one."""
    step = state.steps.get(called.step)
    if step is None:
        _begin_item(state, called.step)
    if step is None or step.status not in {"calling", "retrying"}:
        step = StepState("calling", generation=state.generation, started_at=at)
        state.steps[called.step] = step
    step.status = "calling"
    step.attempt = called.attempt
    step.inputs = {"share": called.share} if called.share else {"input": called.input}
    step.next_attempt_at = None
    state.timers.pop(f"retry:{called.step}", None)
    state.calls[called.step] = called.run_id


def _wait(state: RunState, waiting: Waiting, at: int) -> None:
    step = StepState("waiting", started_at=at, correlation=waiting.correlation)
    state.steps[waiting.step] = step
    if waiting.signal:
        state.awaiting[waiting.step] = waiting.signal
    if waiting.due_at is not None:
        what = "until" if waiting.absolute else "wait"
        state.timers[f"{what}:{waiting.step}"] = waiting.due_at


def leave_step(state: RunState, name: str, at: int) -> None:
    step = state.steps.get(name)
    if step is None:
        step = state.steps[name] = StepState("entered", started_at=at)
    step.status = "completed"
    step.ended_at = at
    state.order.append(name)
    if state.timers:
        state.timers.pop(f"within:{name}", None)
