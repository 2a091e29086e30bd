"""What follows once a fact is recorded: onward, closing, the end.

    open ──(failure, cancel, timeout)──► closing ──(nothing outstanding)──► terminal
      └──(root scope left)──────────────────────────────────────────────────► completed

`proceed` is called after every fact that moved tokens and `settle` after every other one that ended
an attempt; together they see to it that no open run is left with nothing to wait for (promise 11).
"""

from events import run_facts as r
from events.facts import Failure
from events.task_facts import TaskFailed
from events.values import Value
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.expressions import ExpressionFailed
from orchestrator.kernel.flow import EXPRESSION_FAILED, FailedStep, Walk
from orchestrator.kernel.scope import Scope

NO_PROGRESS = "no_progress"


def proceed(d: Decision, walk: Walk) -> None:
    """Handles what the walk met: steps that could not act, the end of the root scope."""
    for failed in walk.failed:
        if d.state.closing is None and not d.state.terminal:
            _fail_step(d, failed)
    if walk.ended and d.state.closing is None and not d.state.terminal:
        _complete(d)
    settle(d)


def _fail_step(d: Decision, failed: FailedStep) -> None:
    """A step failed before any attempt: along its error arc, if there is one."""
    arc = d.net.steps[failed.step].error_arc(failed.failure)
    walk = Walk(d.net, d.state, d.env, failures={failed.step: failed.failure})
    if arc is not None:
        walk.follow(arc)
    d.record(
        TaskFailed(
            step=failed.step,
            attempt=0,
            failure=failed.failure,
            why="the step could not act",
            handled=arc is not None,
            flow=walk.flow(),
        )
    )
    proceed(d, walk)


def settle(d: Decision) -> None:
    """Ends what must end: a closing run with nothing outstanding, a run that failed or is stuck."""
    state = d.state
    if state.terminal:
        return
    if state.closing is not None:
        if not state.outstanding:
            _end(d)
        return
    if state.failure is not None and state.failed_step and _gives_up(d):
        close(d, "failed", failure=state.failure, step=state.failed_step)
    elif not (state.outstanding or state.ready or _waits(d)):
        message = "nothing is outstanding, ready or awaited, and the end was not reached"
        close(d, "failed", failure=Failure(code=NO_PROGRESS, message=message))


def _gives_up(d: Decision) -> bool:
    """Whether an unhandled failure ends the run now, or only when the others have finished."""
    state = d.state
    if state.options.error_policy == "fail_fast":
        return True
    return not (state.outstanding or state.ready or _waits(d))


def _waits(d: Decision) -> bool:
    return any(key != "run" for key in d.state.timers)


def close(
    d: Decision,
    status: str,
    reason: str = "",
    failure: Failure | None = None,
    step: str = "",
) -> None:
    """Decides the end. Tasks without an attempt outstanding are cancelled at once."""
    if d.state.outstanding:
        d.record(
            r.RunClosing(
                status=status, reason=reason, failure=failure, step=step, cancelled=_idle(d)
            )
        )
    else:
        _terminal(d, status, reason, failure, step)


def _end(d: Decision) -> None:
    closing = d.state.closing
    if closing is not None:
        _terminal(d, closing.status, closing.reason, closing.failure, closing.step)


def _terminal(d: Decision, status: str, reason: str, failure: Failure | None, step: str) -> None:
    cancelled = _idle(d)
    if status == "cancelled":
        d.record(r.RunCancelled(reason=reason, cancelled=cancelled))
        return
    known = failure or Failure(code=status)
    if status == "timed_out":
        d.record(r.RunTimedOut(failure=known, cancelled=cancelled))
    else:
        d.record(r.RunFailed(failure=known, step=step, cancelled=cancelled))


def _idle(d: Decision) -> tuple[str, ...]:
    """Open steps that no node holds."""
    return tuple(
        step_id
        for step_id, step in d.state.steps.items()
        if step.status in {"ready", "retrying", "entered"}
    )


def _complete(d: Decision) -> None:
    try:
        output = _output(d)
    except ExpressionFailed as error:
        failure = Failure(code=EXPRESSION_FAILED, message=f"output: {error}")
        close(d, "failed", failure=failure)
        return
    d.record(r.RunCompleted(output=output))


def _output(d: Decision) -> Value:
    if d.net.output is not None:
        return d.net.output.render(Scope(d.state).resolve, d.env.expressions)
    outputs: dict[str, Value] = {}
    for name in d.net.net.sinks:
        step = d.state.steps.get(name)
        outputs[name] = step.output if step is not None else None
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs
