"""What follows once a fact is recorded: onward, closing, the end.

    open ──(failure, cancel, timeout)──► closing ──(nothing outstanding)──► terminal
      └──(root scope left)──────────────────────────────────────────────────► completed

`settle` is called after every fact that moved tokens or ended an attempt. It looks at the state
alone, so it goes on just as well from the middle of a decision, which is where a fork may begin,
and sees to it that no open run is left with nothing to wait for (promise 11).
"""

from events import run_facts as r
from events.facts import Failure
from events.task_facts import TaskFailed
from events.values import Value
from orchestrator.kernel.bounds import bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.expressions import ExpressionFailed
from orchestrator.kernel.flow import Walk
from orchestrator.kernel.loops import advance
from orchestrator.kernel.maps import advance as advance_map
from orchestrator.kernel.maps import failing, idle
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.settling import settle_idle
from orchestrator.kernel.within import fail_group

NO_PROGRESS = "no_progress"
TOO_MANY_EVENTS = "too_many_events"


def settle(d: Decision) -> None:
    """Decides everything that follows without another input, up to the bound of a decision."""
    while not d.state.terminal and _next(d):
        pass


def _next(d: Decision) -> bool:
    """Records what follows at once; returns whether more may."""
    state = d.state
    if state.closing is not None:
        if not state.is_held:
            _end(d)
        return False
    if state.version >= d.env.limits.run_events_max:
        close(d, "failed", failure=_too_long(d))
    elif state.failure is not None and _gives_up(d):
        close(d, "failed", failure=state.failure, step=state.failed_step)
    elif state.is_to_go_on:
        if d.full:
            return False
        _decide_what_follows(d)
    elif state.at_end:
        _complete(d)
    elif not state.waits:
        message = "nothing is outstanding, ready or awaited, and the end was not reached"
        close(d, "failed", failure=Failure(code=NO_PROGRESS, message=message))
    else:
        return False
    return True


def _too_long(d: Decision) -> Failure:
    most = d.env.limits.run_events_max
    message = f"the run has {most} events, its limit: start runs for parts of its work"
    return Failure(code=TOO_MANY_EVENTS, message=message)


def _decide_what_follows(d: Decision) -> None:
    """Of a step that could not act, a loop or map that turns, a signal that is taken: the first."""
    state = d.state
    if state.stuck:
        _fail_step(d, *next(iter(state.stuck.items())))
    elif state.turning:
        _advance(d, next(iter(state.turning)))
    elif (taken := state.deliverable) is not None:
        _deliver(d, *taken)


def _fail_step(d: Decision, step_id: str, failure: Failure) -> None:
    """A step failed before any attempt: along its error arc, if there is one."""
    handled, flow = failing(d, step_id, failure)
    d.record(
        TaskFailed(
            step=step_id,
            attempt=0,
            failure=failure,
            why="the step could not act",
            handled=handled,
            flow=flow,
        )
    )


def _advance(d: Decision, step_id: str) -> None:
    """Of a loop or a map, or of a group that was given up."""
    if step_id in d.state.given_up:
        fail_group(d, step_id)
        return
    is_map = d.state.steps[step_id].map is not None
    failure = advance_map(d, step_id) if is_map else advance(d, step_id)
    if failure is not None:
        _fail_step(d, step_id, failure)


def _deliver(d: Decision, step_id: str, signal_id: str) -> None:
    """A step that waits takes a signal."""
    signal = d.state.signals[signal_id]
    end_wait(d, step_id, signal.data, signal_id)


def end_wait(d: Decision, step_id: str, output: Value = None, signal: str = "") -> None:
    """The step need not wait any more: onward."""
    walk = Walk(d.net, d.state, d.env, outputs={step_id: output}).leave(step_id)
    d.record(r.WaitEnded(step=step_id, signal=signal, output=output, flow=walk.flow()))


def _gives_up(d: Decision) -> bool:
    """Whether an unhandled failure ends the run now, or only when the others have finished."""
    state = d.state
    return state.options.error_policy == "fail_fast" or not (state.waits or state.undecided)


def close(
    d: Decision,
    status: str,
    reason: str = "",
    failure: Failure | None = None,
    step: str = "",
) -> None:
    """Decides the end. Tasks without an attempt outstanding are cancelled at once; but for a
    transactional one that has had attempts it is settled first what became of them."""
    settle_idle(d, d.state.steps, f"the run ends as {status}")
    if d.state.is_held:
        d.record(
            r.RunClosing(
                status=status,
                reason=reason,
                failure=failure,
                step=step,
                cancelled=idle(d.state, d.state.steps),
            )
        )
    else:
        _terminal(d, status, reason, failure, step)


def _end(d: Decision) -> None:
    closing = d.state.closing
    if closing is not None:
        _terminal(d, closing.status, closing.reason, closing.failure, closing.step)


def _terminal(d: Decision, status: str, reason: str, failure: Failure | None, step: str) -> None:
    cancelled = idle(d.state, d.state.steps)
    if status == "cancelled":
        d.record(r.RunCancelled(reason=reason, cancelled=cancelled))
        return
    known = failure or Failure(code=status)
    if status == "timed_out":
        d.record(r.RunTimedOut(failure=known, cancelled=cancelled))
    else:
        d.record(r.RunFailed(failure=known, step=step, cancelled=cancelled))


def _complete(d: Decision) -> None:
    try:
        output = _output(d)
        bounded(output, d.env.limits, "the run's output")
    except ExpressionFailed as error:
        close(d, "failed", failure=Failure(code=error.code, message=f"output: {error}"))
        return
    d.record(r.RunCompleted(output=output))


def _output(d: Decision) -> Value:
    if d.state.part is not None:
        return d.state.steps[d.state.part.step].output
    if d.net.output is not None:
        return d.net.output.render(Scope(d.state).resolve, d.env.expressions)
    outputs: dict[str, Value] = {}
    for name in d.net.net.sinks:
        step = d.state.steps.get(name)
        outputs[name] = step.output if step is not None else None
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs
