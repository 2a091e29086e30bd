"""Decisions: one input on one run gives the facts that follow from it.

`decide` records each fact into the state as it goes, so that later facts of the same decision are
decided on what the earlier ones left; the facts alone reproduce the state. A caller that cannot
make the facts durable throws the state away and folds it anew. An input that comes too late (a
fenced attempt, a timer that was met) gives no facts; a request that is not allowed raises
`Rejected` and changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import assert_never

import msgspec

from events import messages as m
from events.codec import decode, encode
from events.errors import NotFound, Rejected
from events.facts import Fact, Flow
from events.policies import RunOptions
from events.run_facts import RunStarted
from events.task_facts import (
    TaskDispatched,
    TaskPending,
    TaskProgressed,
    TaskStarted,
)
from orchestrator.kernel import inputs as i
from orchestrator.kernel.attempts import attempt_completed, attempt_failed, attempt_lost
from orchestrator.kernel.calls import child_ended
from orchestrator.kernel.decision import Decision, Keep, Observer
from orchestrator.kernel.deferring import deferred, redeem
from orchestrator.kernel.ending import close, settle
from orchestrator.kernel.env import Env
from orchestrator.kernel.flow import Walk, timeouts
from orchestrator.kernel.forking import fork
from orchestrator.kernel.halting import halt
from orchestrator.kernel.histories import is_of_another_history
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.once import once_done
from orchestrator.kernel.operating import give_result, move, terminate
from orchestrator.kernel.pausing import pause, resume
from orchestrator.kernel.pinning import pin_at_start, pin_to_first, repin
from orchestrator.kernel.restoring import restore
from orchestrator.kernel.settling import may_be_placed
from orchestrator.kernel.state import RunState
from orchestrator.kernel.timers import fire_timers
from orchestrator.kernel.updates import update
from orchestrator.kernel.waits import receive


def decide(
    state: RunState,
    net: NetIndex,
    given: i.RunInput,
    env: Env,
    *,
    observe: Observer | None = None,
    keep: Keep | None = None,
) -> list[Fact]:
    """Returns the facts that follow from `given`; `state` has evolved by them. What `keep` takes
    has to be durable before they are.

    Raises `Rejected` when a request is not allowed now; then nothing has changed.
    """
    decision = Decision(state, net, env, observe=observe, keep=keep)
    DECISIONS[type(given)](decision, given)
    return decision.facts


# -- requests -------------------------------------------------------------------------------------


def _start(d: Decision, given: i.Start) -> None:
    request = given.request
    if d.state.version:
        _same_run(d.state, given)
        return
    if given.part is None or given.mapped is None:
        flow = Walk(d.net, _blank(d.state, given), d.env).begin().flow()
    else:
        flow = Flow(maps=(given.mapped,))
    timeout_s = given.options.timeout_s
    d.record(
        RunStarted(
            run_id=request.run_id,
            workflow=request.workflow,
            workflow_version=given.workflow_version,
            input=request.input,
            options=_as_stored(given.options),
            origin=request.origin,
            due_at=d.env.due(timeout_s),
            flow=flow,
            part=given.part,
            subject=request.subject,
        )
    )
    pin_at_start(d)
    settle(d)


def _as_stored(options: RunOptions) -> RunOptions:
    """As a fold will read them: a float that was given as an integer comes back as a float."""
    return decode(encode(options), RunOptions, "options")


def _blank(state: RunState, given: i.Start) -> RunState:
    """What the first walk may read: a run that has an input and nothing else."""
    return RunState(
        run_id=given.request.run_id,
        workflow=given.request.workflow,
        input=given.request.input,
        options=given.options,
        version=state.version,
    )


def _same_run(state: RunState, given: i.Start) -> None:
    """The same id with the same content is the same run; anything else is refused by difference."""
    differences = [
        name
        for name, ours, theirs in (
            ("workflow", state.workflow, given.request.workflow),
            ("workflow version", state.workflow_version, given.workflow_version),
            ("input", state.input, given.request.input),
            ("origin", state.origin, given.request.origin),
        )
        if _content(ours) != _content(theirs)
    ]
    if differences:
        raise Rejected(
            f"run {state.run_id} exists already with another {' and another '.join(differences)}: "
            "choose another id, or start it with the same content"
        )


def _content(value: object) -> bytes:
    """Equal for equal JSON, whatever the order of keys; `true` is not 1 here."""
    return msgspec.json.encode(value, order="sorted")


def _exists(state: RunState) -> None:
    if not state.version:
        raise NotFound("there is no such run: has it been started?")


def _signal(d: Decision, given: i.Signal) -> None:
    _exists(d.state)
    receive(d, given)


def _update(d: Decision, given: i.Update) -> None:
    _exists(d.state)
    update(d, given)


def _pause(d: Decision, given: i.Pause) -> None:
    _exists(d.state)
    pause(d, given.reason)


def _resume(d: Decision, given: i.Resume) -> None:
    _exists(d.state)
    resume(d, given.reason)


def _repin(d: Decision, given: i.Repin) -> None:
    _exists(d.state)
    repin(d, given.build, given.reason)


def _terminate(d: Decision, given: i.Terminate) -> None:
    _exists(d.state)
    terminate(d, given)


def _cancel(d: Decision, given: i.Cancel) -> None:
    _exists(d.state)
    if d.state.terminal:
        raise Rejected(f"run {d.state.run_id} is {d.state.status} already: it cannot be cancelled")
    if d.state.closing is None:
        close(d, "cancelled", reason=given.reason)


def _fork(d: Decision, given: i.Fork) -> None:
    _exists(d.state)
    fork(d, given)


# -- placement ------------------------------------------------------------------------------------


def _place(d: Decision, given: i.Place) -> None:
    state = d.state
    if not may_be_placed(state, given.step):
        return
    pin_to_first(d, given.step, given.node, given.build_id)
    step = d.state.steps[given.step]
    d.record(
        TaskDispatched(
            step=given.step,
            attempt=step.attempt + 1,
            node=given.node,
            incarnation=given.incarnation,
            placement=given.placement,
            start_due_at=d.state.timers.get(f"start:{given.step}"),
            generation=step.generation,
            build_id=given.build_id,
            transactional=given.transactional,
        )
    )


def _unplaced(d: Decision, given: i.Unplaced) -> None:
    if given.step not in d.state.ready or d.state.version >= d.env.limits.run_events_max:
        return
    step = d.state.steps[given.step]
    if (step.obstacle, step.obstacle_detail) != (given.obstacle, given.detail):
        d.record(TaskPending(step=given.step, obstacle=given.obstacle, detail=given.detail))


# -- reports --------------------------------------------------------------------------------------


def _lost(d: Decision, given: i.AttemptLost) -> None:
    if d.state.holds(given.attempt):
        attempt_lost(d, given.attempt.step, given.reason, given.message)


def _redeem(d: Decision, given: i.Redeem) -> None:
    _exists(d.state)
    redeem(d, given)


def _due(d: Decision, _: i.Due) -> None:
    fire_timers(d)


def _reported(d: Decision, given: i.Reported) -> None:
    """Reports of fenced attempts change nothing, nor those of their namesakes before a restore."""
    report = given.report
    if not d.state.holds(report.attempt) or is_of_another_history(d.state, report):
        return
    match report:
        case m.Completed():
            attempt_completed(d, report)
        case m.Failed():
            attempt_failed(d, report)
        case m.Returned():
            step = report.attempt.step
            attempt_lost(d, step, report.reason, report.message, report.started)
        case m.Started():
            _task_started(d, report)
        case m.Progressed():
            _progressed(d, report)
        case m.Once():
            once_done(d, report)
        case m.Deferred():
            deferred(d, report)
        case _:
            assert_never(report)


def _progressed(d: Decision, report: m.Progressed) -> None:
    """Of reports that overtook each other the newest stays. A history at its limit takes none."""
    step_id = report.attempt.step
    if d.state.version >= d.env.limits.run_events_max:
        return
    last = d.state.steps[step_id].progress
    if last and report.sequence <= last:
        return
    d.record(
        TaskProgressed(
            step=step_id,
            attempt=report.attempt.number,
            details=report.details,
            fraction=report.fraction,
            sequence=report.sequence,
        )
    )


def _task_started(d: Decision, report: m.Started) -> None:
    """Sets the timer behind the agent's own, unless the attempt is asked back already."""
    step_id = report.attempt.step
    step = d.state.steps[step_id]
    if step.status == "running":
        return
    limit_s = timeouts(d.net.task(step_id), d.state).start_to_close_s
    if step.recalled or d.state.closing is not None:
        limit_s = None
    margin_s = d.env.limits.start_to_close_margin_s
    d.record(
        TaskStarted(
            step=step_id,
            attempt=report.attempt.number,
            started_at=report.started_at,
            due_at=None if limit_s is None else d.env.after(limit_s + margin_s),
        )
    )


DECISIONS: Mapping[type[i.RunInput], Callable[..., None]] = {
    i.Start: _start,
    i.Fork: _fork,
    i.Cancel: _cancel,
    i.Signal: _signal,
    i.Update: _update,
    i.Pause: _pause,
    i.Resume: _resume,
    i.Repin: _repin,
    i.Halt: halt,
    i.GiveResult: give_result,
    i.Move: move,
    i.Terminate: _terminate,
    i.Restore: restore,
    i.Reported: _reported,
    i.AttemptLost: _lost,
    i.Place: _place,
    i.Unplaced: _unplaced,
    i.ChildEnded: child_ended,
    i.Redeem: _redeem,
    i.Due: _due,
}
"""By kind of input; a test holds it complete."""
