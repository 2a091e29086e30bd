"""Loops: what follows when one was reached, or an iteration of it is over.

    reached ──► entered ──► iteration 0 ──► over ──► iteration 1 … ──► left (completed)
                   └───────────────────────────────────────────────────► failed

Reaching a loop and the end of its body only note that it is to be decided on (`RunState.turning`);
each turn is a decision and a fact of its own. So the token game never goes round, and a loop whose
body needs no node is cut off at the bound of a decision like everything else: what is left goes on
with the next `Due`.
"""

from events.facts import Failure
from events.net import Loop
from events.run_facts import LoopAdvanced
from events.values import Value
from orchestrator.kernel.bounds import FlowBudget, PayloadTooLarge, bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.expressions import ExpressionFailed, consult
from orchestrator.kernel.flow import TooManyIterations, Walk
from orchestrator.kernel.instances import inside, static_of, suffix_of
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.state import LoopState


class TooManyInstances(ExpressionFailed):
    """A loop would give its run too many steps."""

    code = "too_many_instances"


def advance(d: Decision, loop_id: str) -> Failure | None:
    """Begins the loop's next iteration, or leaves it; returns why it can do neither."""
    try:
        d.record(_turn(d, loop_id))
    except ExpressionFailed as error:
        return Failure(code=error.code, message=str(error))
    return None


def _turn(d: Decision, loop_id: str) -> LoopAdvanced:
    loop, state = _loop(d, loop_id), _state(d, loop_id)
    index = 0 if state.index is None else state.index + 1
    goes_on, values = _goes_on(d, loop_id, index)
    output, size = _collected(d, loop_id, goes_on)
    if not goes_on:
        whole: Value = [*state.outputs, output] if state.index is not None else []
        result = whole if state.items is not None else output
        walk = Walk(d.net, d.state, d.env, outputs={loop_id: result}).leave(loop_id)
        when, at = loop.when, None
    else:
        _room(d, loop_id, index)
        walk = Walk(d.net, d.state, d.env).enter(loop_id, index)
        when, at = loop.when if values else "", index
    return LoopAdvanced(
        step=loop_id,
        index=at,
        output=output,
        output_bytes=size,
        when=when,
        values=values,
        flow=walk.flow(),
    )


def _loop(d: Decision, loop_id: str) -> Loop:
    action = d.net.step(loop_id).step.action
    if not isinstance(action, Loop):
        raise KeyError(loop_id)
    return action


def _state(d: Decision, loop_id: str) -> LoopState:
    state = d.state.steps[loop_id].loop
    if state is None:
        raise KeyError(loop_id)
    return state


def _goes_on(d: Decision, loop_id: str, index: int) -> tuple[bool, dict[str, Value]]:
    """Whether iteration `index` is to begin, and the values that the condition has read."""
    loop, state = _loop(d, loop_id), _state(d, loop_id)
    if state.items is not None:
        return index < len(state.items), {}
    if loop.kind == "until" and index == 0:
        return True, {}
    last = max(index - 1, 0)
    scope = Scope(
        d.state,
        depths=d.net.depths,
        suffix=inside(suffix_of(loop_id), last),
        loop=loop_id,
        index=index if loop.kind == "while" else last,
    )
    held, values = consult(loop.when, d.env.expressions, scope.resolve)
    if not isinstance(held, bool):
        raise ExpressionFailed(f"{loop.when!r} is {held!r}: a condition must be true or false")
    FlowBudget(d.env.limits).take(values, f"what the condition of {loop_id} reads")
    return held is (loop.kind == "while"), values


def _collected(d: Decision, loop_id: str, goes_on: bool) -> tuple[Value, int]:
    """The output of the iteration that is over, where it is kept, and its bytes.

    Raises `PayloadTooLarge` when all those of a loop over a list are too large together.
    """
    state = _state(d, loop_id)
    if state.index is None or (goes_on and state.items is None):
        return None, 0
    suffix = inside(suffix_of(loop_id), state.index)
    outputs: dict[str, Value] = {}
    for name in _loop(d, loop_id).sinks:
        step = d.state.steps.get(name + suffix)
        outputs[name] = step.output if step is not None else None
    output = next(iter(outputs.values())) if len(outputs) == 1 else outputs
    size = bounded(output, d.env.limits, f"the output of iteration {state.index} of {loop_id}")
    if state.output_bytes + size > (most := d.env.limits.payload_bytes_max):
        raise PayloadTooLarge(
            f"the outputs of {loop_id} have over {most} bytes after iteration {state.index}: "
            "store large values elsewhere and pass references"
        )
    return output, size


def _room(d: Decision, loop_id: str, index: int) -> None:
    """Raises when the loop, or the run, may not have another iteration."""
    loop = _loop(d, loop_id)
    if index >= loop.iterations_max:
        raise TooManyIterations(loop_id, loop.iterations_max)
    most = d.env.limits.instances_max
    if len(d.state.steps) + d.net.sizes[static_of(loop_id)] > most:
        raise TooManyInstances(
            f"iteration {index} of {loop_id} would give the run over {most} steps: "
            "start a run for each part of the work"
        )
