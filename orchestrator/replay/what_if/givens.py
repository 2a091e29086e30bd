"""Givens: from a recorded fact back to what a decision was given when it was recorded.

Facts carry what was decided, and with it all that came from outside: results, losses, signals, the
choice of a node, instants. So each fact that began a decision says which input there was. What it
does not say is left as it usually is: of a failure after the last attempt that it might have been
tried again, of the signals between a restore and where it went back to that the fact has them.

A fact that follows from the state alone was given nothing but the time: `Due`.
"""

from collections.abc import Callable, Mapping
from typing import get_args

import msgspec

from events import messages as m
from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.api import StartRun
from events.facts import Fact, Failure, LossReason
from events.ids import Attempt
from events.policies import PINNED
from events.values import Value
from orchestrator.kernel import inputs as i
from orchestrator.kernel.calls import CANCELLED
from orchestrator.kernel.operating import TERMINATED
from orchestrator.kernel.operatorfolds import MOVED
from orchestrator.kernel.pinning import wanted_build
from orchestrator.kernel.settling import ABANDONED, HALTED
from orchestrator.kernel.state import RunState

LAST_LOSS = "; the last one: "
NOT_WORTH = "the task said that it is not worth another attempt"
ASKED_LATER = "the delay asked for"
LOSSES: Mapping[str, LossReason] = {reason: reason for reason in get_args(LossReason)}
DUE = i.Due()


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A fact as it was recorded, on the state before it. `following`: the next fact, if any."""

    state: RunState
    fact: Fact
    following: Fact | None = None
    actor: str = ""


def given_by(one: Given) -> i.RunInput:
    """The input of the decision that began with a fact. The beginning of a run, and a restore, need
    more than their facts: these are for the caller."""
    read = GIVENS.get(type(one.fact))
    return DUE if read is None else read(one, one.fact)


# -- tasks ----------------------------------------------------------------------------------------


def _attempt(one: Given, step: str) -> Attempt:
    return one.state.attempt_of(step)


def _dispatched(_: Given, fact: t.TaskDispatched) -> i.RunInput:
    return i.Place(
        step=fact.step,
        node=fact.node,
        incarnation=fact.incarnation,
        placement=fact.placement,
        build_id=fact.build_id,
        transactional=fact.transactional,
    )


def _pinned(one: Given, fact: r.RunPinned) -> i.RunInput:
    """With the first attempt that is placed, or by an operator."""
    first = one.following
    if wanted_build(one.state) == PINNED and isinstance(first, t.TaskDispatched):
        return _dispatched(one, first)
    return i.Repin(build=fact.build, reason=fact.reason)


def _pending(_: Given, fact: t.TaskPending) -> i.RunInput:
    return i.Unplaced(step=fact.step, obstacle=fact.obstacle, detail=fact.detail)


def _started(one: Given, fact: t.TaskStarted) -> i.RunInput:
    attempt = _attempt(one, fact.step)
    return i.Reported(report=m.Started(attempt=attempt, started_at=fact.started_at))


def _progressed(one: Given, fact: t.TaskProgressed) -> i.RunInput:
    report = m.Progressed(
        attempt=_attempt(one, fact.step),
        details=fact.details,
        fraction=fact.fraction,
        sequence=fact.sequence,
    )
    return i.Reported(report=report)


def _once(one: Given, fact: t.OnceRecorded) -> i.RunInput:
    attempt = _attempt(one, fact.step)
    return i.Reported(report=m.Once(attempt=attempt, name=fact.name, value=fact.value))


def _completed(one: Given, fact: t.TaskCompleted) -> i.RunInput:
    attempt = _attempt(one, fact.step)
    if fact.step in one.state.deferred:
        digest = one.state.steps[fact.step].digest
        return i.Redeem(attempt=attempt, digest=digest, output=fact.output)
    report = m.Completed(
        attempt=attempt,
        output=fact.output,
        outcome=fact.outcome,
        started_at=fact.started_at,
        ended_at=fact.ended_at,
        usage=fact.usage,
        said=fact.said,
    )
    return i.Reported(report=report)


def _deferred(one: Given, fact: t.TaskDeferred) -> i.RunInput:
    report = m.Deferred(
        attempt=_attempt(one, fact.step),
        digest=fact.digest,
        started_at=fact.started_at,
        ended_at=fact.started_at,
        said=fact.said,
    )
    return i.Reported(report=report)


Ending = t.AttemptFailed | t.TaskFailed | t.TaskSettling


def _failed(one: Given, fact: Ending) -> i.RunInput:
    """An attempt has ended, or a child run, or time has: for what is with nobody."""
    state, step = one.state, fact.step
    if step in state.calls:
        return _child_failed(one, step, fact.failure)
    if step in state.deferred and fact.kind == "failed":
        return i.Redeem(
            attempt=_attempt(one, step),
            digest=state.steps[step].digest,
            failure=fact.failure,
            retryable=_is_retryable(fact),
        )
    if step not in state.outstanding:
        return DUE
    if state.steps[step].settling is not None and isinstance(fact, t.TaskFailed):
        return _abandoned(one, step)
    recalled = state.steps[step].recalled
    if fact.kind == "lost" or (recalled and fact.failure.code == recalled):
        return _lost(one, fact, recalled)
    return i.Reported(report=_report(one, fact))


def _report(one: Given, fact: Ending) -> m.Failed:
    asked = isinstance(fact, t.AttemptFailed) and fact.why.endswith(ASKED_LATER)
    return m.Failed(
        attempt=_attempt(one, fact.step),
        failure=fact.failure,
        kind="timed_out" if fact.kind == "timed_out" else "failed",
        retryable=_is_retryable(fact),
        retry_after_s=fact.delay_s if asked and isinstance(fact, t.AttemptFailed) else 0.0,
        started_at=getattr(fact, "started_at", 0),
        ended_at=getattr(fact, "ended_at", 0),
        said=getattr(fact, "said", None),
    )


def _is_retryable(fact: Ending) -> bool:
    return NOT_WORTH not in fact.why


def _lost(one: Given, fact: Ending, recalled: str) -> i.RunInput:
    reason: LossReason = "recalled"
    if isinstance(fact, t.AttemptFailed) and fact.loss is not None:
        reason = fact.loss
    elif not recalled or recalled in (MOVED, HALTED):
        code, message = fact.failure.code, fact.failure.message
        reason = LOSSES.get(code) or LOSSES.get(message.rpartition(LAST_LOSS)[2], "node_lost")
    killed = isinstance(fact, t.AttemptFailed) and fact.killed is not None
    report = m.Returned(
        attempt=_attempt(one, fact.step),
        reason=reason,
        message=fact.failure.message,
        started=killed or reason in ("node_lost", "node_restarted"),
    )
    return i.Reported(report=report)


def _dead_lettered(one: Given, fact: t.TaskDeadLettered) -> i.RunInput:
    """What was recorded with it says how the attempt ended."""
    if isinstance(one.following, t.TaskFailed) and fact.kills:
        attempt, reason = _attempt(one, fact.step), fact.kills[-1].loss
        return i.Reported(report=m.Returned(attempt=attempt, reason=reason, started=True))
    return _settled_in_vain(one, fact.step)


def _settled(one: Given, fact: t.TaskSettled) -> i.RunInput:
    return _abandoned(one, fact.step)


def _abandoned(one: Given, step: str) -> i.RunInput:
    """A node has made sure that a transaction will never commit."""
    failure, attempt = Failure(code=ABANDONED), _attempt(one, step)
    return i.Reported(report=m.Failed(attempt=attempt, failure=failure, retryable=False))


def _settled_in_vain(one: Given, step: str) -> i.RunInput:
    failure = one.state.steps[step].failure or Failure(code=HALTED)
    attempt = _attempt(one, step)
    return i.Reported(report=m.Failed(attempt=attempt, failure=failure))


def _cancelled(one: Given, fact: t.TaskCancelled) -> i.RunInput:
    """What nobody wants any more came back."""
    state, step = one.state, fact.step
    if step in state.calls:
        status = fact.why.rpartition(" ")[2]
        return i.ChildEnded(step=step, run_id=state.calls[step], status=status)
    if step in state.outstanding:
        if state.steps[step].settling is not None:
            return _abandoned(one, step)
        return i.AttemptLost(attempt=_attempt(one, step), reason="recalled")
    return DUE


# -- child runs -----------------------------------------------------------------------------------


def _child_completed(one: Given, fact: r.ChildCompleted) -> i.RunInput:
    return _child(one, fact.step, "completed", output=fact.output)


def _part_completed(one: Given, fact: r.MapPartCompleted) -> i.RunInput:
    return _child(one, fact.step, "completed", output=msgspec.to_builtins(fact.result))


def _child_retried(one: Given, fact: r.ChildFailed) -> i.RunInput:
    return _child_failed(one, fact.step, fact.failure)


def _child_failed(one: Given, step: str, failure: Failure) -> i.RunInput:
    status = "cancelled" if failure.code == CANCELLED else "failed"
    return _child(one, step, status, failure=failure)


def _child(
    one: Given, step: str, status: str, output: Value = None, failure: Failure | None = None
) -> i.RunInput:
    run_id = one.state.calls.get(step, "")
    return i.ChildEnded(step=step, run_id=run_id, status=status, output=output, failure=failure)


# -- requests -------------------------------------------------------------------------------------


def _signal(_: Given, fact: r.SignalReceived) -> i.RunInput:
    return i.Signal(id=fact.id, name=fact.name, data=fact.data, correlation=fact.correlation)


def _update(_: Given, fact: r.UpdateAccepted) -> i.RunInput:
    return i.Update(id=fact.id, name=fact.name, data=fact.data)


def _paused(_: Given, fact: r.RunPaused) -> i.RunInput:
    return i.Pause(reason=fact.reason)


def _resumed(_: Given, fact: r.RunResumed) -> i.RunInput:
    return i.Resume(reason=fact.reason)


def _halted(_: Given, fact: o.RunHalted) -> i.RunInput:
    if fact.due_at is None:
        return DUE
    return i.Halt(steps=fact.steps, by=fact.by, reason=fact.reason)


def _result(_: Given, fact: o.ResultGiven) -> i.RunInput:
    return i.GiveResult(
        id=fact.id,
        step=fact.step,
        status=fact.status,
        output=fact.output,
        failure=fact.failure,
        by=fact.by,
        reason=fact.reason,
        unsettled=bool(fact.unsettled),
    )


def _moved(_: Given, fact: o.TaskMoved) -> i.RunInput:
    return i.Move(
        id=fact.id, step=fact.step, to=fact.to, off=fact.off, by=fact.by, reason=fact.reason
    )


def _ended(one: Given, fact: r.RunFailed) -> i.RunInput:
    closing = one.state.closing
    is_decided = closing is not None and closing.failure == fact.failure
    if fact.failure.code != TERMINATED or fact.step or is_decided:
        return DUE
    return i.Terminate(by=one.actor, unsettled=bool(fact.unsettled))


def _cancelled_run(one: Given, fact: r.RunCancelled) -> i.RunInput:
    return DUE if one.state.closing is not None else i.Cancel(reason=fact.reason)


def _closing(_: Given, fact: r.RunClosing) -> i.RunInput:
    return i.Cancel(reason=fact.reason) if fact.status == "cancelled" else DUE


def begun_by(fact: r.RunStarted) -> StartRun:
    """The request that a run was started with."""
    return StartRun(
        run_id=fact.run_id,
        workflow=fact.workflow,
        input=fact.input,
        origin=fact.origin,
        subject=fact.subject,
    )


GIVENS: Mapping[type[Fact], Callable[..., i.RunInput]] = {
    t.TaskDispatched: _dispatched,
    t.TaskPending: _pending,
    t.TaskStarted: _started,
    t.TaskProgressed: _progressed,
    t.OnceRecorded: _once,
    t.TaskCompleted: _completed,
    t.TaskDeferred: _deferred,
    t.AttemptFailed: _failed,
    t.TaskFailed: _failed,
    t.TaskSettling: _failed,
    t.TaskSettled: _settled,
    t.TaskDeadLettered: _dead_lettered,
    t.TaskCancelled: _cancelled,
    r.RunPinned: _pinned,
    r.ChildCompleted: _child_completed,
    r.MapPartCompleted: _part_completed,
    r.ChildFailed: _child_retried,
    r.SignalReceived: _signal,
    r.UpdateAccepted: _update,
    r.RunPaused: _paused,
    r.RunResumed: _resumed,
    r.RunFailed: _ended,
    r.RunCancelled: _cancelled_run,
    r.RunClosing: _closing,
    o.RunHalted: _halted,
    o.ResultGiven: _result,
    o.TaskMoved: _moved,
}
"""By kind of fact. Those that are not here followed from the state, or are the caller's."""
