"""What must hold of every state that a fold can reach; for tests, simulation and `verify`."""

from collections.abc import Iterator

from orchestrator.kernel.state import OPEN, TERMINAL, RunState

HELD = frozenset({"dispatched", "running"})


def violations(state: RunState) -> list[str]:
    """Everything that is wrong with `state`, in words; empty when it is sound."""
    found = (_status, _tasks, _apart, _calls, _tokens, _loops, _maps, _progress)
    return [complaint for look in found for complaint in look(state)]


def _status(state: RunState) -> Iterator[str]:
    if state.status not in OPEN | TERMINAL:
        yield f"status {state.status!r} is not one of the closed set"
    if state.terminal and (state.is_held or state.ready or state.timers or state.closing):
        yield f"{state.status} run still has something outstanding, ready, timed or closing"
    if state.closing is not None and (_goes_on(state) or state.stuck):
        yield "a closing run still has something ready, timed or stuck"
    if state.terminal != (state.ended_at is not None):
        yield "ended_at and a terminal status come together"


def _goes_on(state: RunState) -> bool:
    """Whether anything is ready or timed but what is to be settled."""
    timed = {key.partition(":")[2] for key in state.timers}
    return not (timed | set(state.ready)) <= set(state.settling)


def _tasks(state: RunState) -> Iterator[str]:
    for step_id, number in state.outstanding.items():
        step = state.steps.get(step_id)
        if step is None or step.status not in HELD or step.attempt != number:
            yield f"outstanding attempt {number} of {step_id} is not one that a node holds"
    for step_id in state.ready:
        if state.steps[step_id].status != "ready" or step_id in state.outstanding:
            yield f"{step_id} is in the ready set and not ready"
    for step_id, step in state.steps.items():
        if step.status in HELD and step_id not in state.outstanding and not state.terminal:
            yield f"{step_id} is {step.status} and not outstanding"
        if step.recalled and step_id not in state.outstanding and step_id not in state.calls:
            yield f"{step_id} is recalled and not outstanding"
        if step.status == "retrying" and f"retry:{step_id}" not in state.timers:
            yield f"{step_id} waits for a retry without a timer"


def _apart(state: RunState) -> Iterator[str]:
    """What no node holds, and no timer brings on, is known to the run and to the step."""
    for step_id, step in state.steps.items():
        if (step.status == "deferred") != (step_id in state.deferred):
            yield f"{step_id} is {step.status}, and its token is waited for or not"
        if (step.settling is not None) != (step_id in state.settling):
            yield f"{step_id} is to be settled by its run or by itself, not by both"


def _calls(state: RunState) -> Iterator[str]:
    for step_id, step in state.steps.items():
        if (step.status == "calling") != (step_id in state.calls):
            yield f"{step_id} is {step.status} and its child is {state.calls.get(step_id)!r}"


def _tokens(state: RunState) -> Iterator[str]:
    for arc, tokens in state.tokens.items():
        if tokens < 0:
            yield f"arc {arc} has {tokens} tokens"
    if state.status == "completed" and state.tokens:
        yield f"completed with tokens left on {', '.join(state.tokens)}"


def _loops(state: RunState) -> Iterator[str]:
    for loop_id in state.turning:
        step = state.steps.get(loop_id)
        is_known = step is not None and (step.loop is not None or step.map is not None)
        if not (is_known or loop_id in state.given_up):
            yield f"{loop_id} is to be decided on and not under way"
    for step_id, step in state.steps.items():
        if step.loop is not None and step.status != "entered":
            yield f"loop {step_id} is {step.status} and still under way"


def _maps(state: RunState) -> Iterator[str]:
    """Counts of maps agree with the items that are under way; one with none is decided on."""
    open_: dict[str, int] = {}
    for instance in (*state.steps, *state.stuck):
        if map_id := state.map_of(instance):
            open_[map_id] = open_.get(map_id, 0) + 1
    for map_id, step in state.steps.items():
        found = step.map
        if found is None:
            continue
        ended = sum(found.mark(index) > 0 for index in range(len(found.items)))
        if found.cut is not None:
            ended = sum(piece is not None for piece in found.pieces)
        if step.status != "entered":
            yield f"map {map_id} is {step.status} and still under way"
        if state.closing is not None or state.given_up:
            continue
        if found.open != open_.get(map_id, 0) or found.cursor != ended + found.open:
            yield f"map {map_id} counts {found.open} items under way, {ended} over wrongly"
        if not found.open and map_id not in state.turning:
            yield f"map {map_id} is under way with no item and is not decided on"


def _progress(state: RunState) -> Iterator[str]:
    """Nobody waits for ever unseen. Between the facts of one decision the next fact is due."""
    due = state.waits or state.unsettled
    if state.version and state.status in OPEN and not due:
        yield "open, with nothing outstanding, ready or timed"
