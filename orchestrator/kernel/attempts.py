"""What follows from the end of an attempt: completion, another one, an error arc, or failure."""

from typing import Literal

import msgspec

from events import messages as m
from events.facts import Failure, Flow, LossReason, Usage
from events.policies import Retry
from events.task_facts import (
    AttemptFailed,
    Killed,
    Said,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
)
from events.values import Value
from orchestrator.kernel.bounds import PayloadTooLarge, bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.maps import failing, results_fit
from orchestrator.kernel.mapwalk import MapWalk
from orchestrator.kernel.operatorfolds import MOVED
from orchestrator.kernel.poison import bury, convicted, may_have_killed, pause_s
from orchestrator.kernel.retry import delay_s, refusal
from orchestrator.kernel.settling import (
    ABANDONED,
    HALTED,
    ask_again,
    begin_settling,
    may_have_committed,
    renew,
)
from orchestrator.kernel.within import given_back, given_up

Kind = Literal["failed", "timed_out", "lost"]

NO_RETRY = Retry()
CLOSE_TIMEOUT = "schedule_to_close_timeout"
START_TIMEOUT = "schedule_to_start_timeout"
LOST = "lost"
DOUBLINGS_MAX = 32
"""Beyond, any backoff has met its cap."""
EXECUTE_TIMEOUT = "start_to_close_timeout"


class Ended(msgspec.Struct, kw_only=True):
    """How an attempt ended: everything that the decision about what follows needs."""

    failure: Failure
    kind: Kind = "failed"
    retryable: bool = True
    retry_after_s: float = 0.0
    counted: bool = True
    loss: LossReason | None = None
    started_at: int = 0
    ended_at: int = 0
    said: Said | None = None
    usage: Usage | None = None
    killed: Killed | None = None


def attempt_completed(d: Decision, report: m.Completed) -> None:
    """The one result. A run that is closing takes the result and nothing follows from it."""
    step_id = report.attempt.step
    try:
        size = bounded(report.output, d.env.limits, f"the output of {step_id}")
        results_fit(d, step_id, size)
    except PayloadTooLarge as error:
        attempt_failed(d, _too_large(report, error))
        return
    d.record(
        TaskCompleted(
            step=step_id,
            attempt=report.attempt.number,
            output=report.output,
            outcome=report.outcome,
            started_at=report.started_at,
            ended_at=report.ended_at,
            usage=report.usage,
            said=report.said,
            flow=_onward(d, step_id, report.output, size),
        )
    )
    settle(d)


def _onward(d: Decision, step_id: str, output: Value, size: int) -> Flow:
    """What follows from a result of so many bytes."""
    if d.state.closing is not None:
        return Flow()
    if given_up(d, step_id):
        return given_back(d, step_id)
    walk = MapWalk(d.net, d.state, d.env, outputs={step_id: output})
    if d.state.map_of(step_id):
        return walk.item_completed(step_id, size).flow()
    return walk.leave(step_id).flow()


def _too_large(report: m.Completed, error: PayloadTooLarge) -> m.Failed:
    """Our agents do not send such a report; one that was written in another language might."""
    return m.Failed(
        attempt=report.attempt,
        failure=Failure(code=error.code, message=str(error)),
        retryable=False,
        started_at=report.started_at,
        ended_at=report.ended_at,
        usage=report.usage,
        said=report.said,
    )


def attempt_failed(d: Decision, report: m.Failed) -> None:
    ended = Ended(
        failure=report.failure,
        kind=report.kind,
        retryable=report.retryable,
        retry_after_s=report.retry_after_s,
        started_at=report.started_at,
        ended_at=report.ended_at,
        said=report.said,
        usage=report.usage,
    )
    end_attempt(d, report.attempt.step, ended)


def attempt_lost(
    d: Decision, step_id: str, reason: LossReason, message: str, started: bool | None = None
) -> None:
    """The attempt ended without a result. A recalled one ends as what it was recalled for, and
    counts even if it had not begun: nobody would see that a task never gets to begin. One whose
    task was moved does not count, nor is it a loss. `started` is None where nobody can tell."""
    recalled = d.state.steps[step_id].recalled
    if recalled and recalled not in {MOVED, HALTED}:
        ended = Ended(failure=Failure(code=recalled, message=message), kind="timed_out")
    else:
        failure, loss = Failure(code=recalled or reason, message=message), reason
        ended = Ended(failure=failure, kind="lost", counted=False, loss=None if recalled else loss)
        if may_have_killed(reason, started):
            ended.killed = _killed(d, step_id, reason)
    end_attempt(d, step_id, ended)


def _killed(d: Decision, step_id: str, loss: LossReason) -> Killed:
    step = d.state.steps[step_id]
    return Killed(
        attempt=step.attempt,
        node=step.node,
        incarnation=step.incarnation,
        loss=loss,
        dispatched_at=step.dispatched_at or 0,
        started_at=step.started_at or 0,
        lost_at=d.env.now,
    )


def end_attempt(d: Decision, step_id: str, ended: Ended) -> None:
    """Another attempt, an error arc, or failure; in a closing run only the note that it is over."""
    step = d.state.steps[step_id]
    if step.settling is not None:
        _settled(d, step_id, ended)
    elif is_given_up(d, step_id):
        give_up(d, step_id, ended, ended.failure.code)
    elif step.recalled == HALTED and may_have_committed(step):
        why = "an operator waits for it"
        begin_settling(d, step_id, ended.failure, ended.kind, why, renews=True)
    elif why := _no_further(d, step_id, ended):
        if ended.killed is not None and convicted(d, step_id):
            ended.failure = bury(d, step_id, ended.killed)
        elif ended.kind == "lost":
            ended.failure = Failure(code=LOST, message=f"{why}; the last one: {ended.loss}")
        give_up(d, step_id, ended, why)
    else:
        _again(d, step_id, ended)
        settle(d)


def is_given_up(d: Decision, step_id: str) -> bool:
    """Whether nothing follows from an attempt but its end."""
    return d.state.closing is not None or given_up(d, step_id)


def give_up(d: Decision, step_id: str, ended: Ended, why: str) -> None:
    """There is no further attempt. Of a transactional task it is settled first what became of those
    that there were."""
    step = d.state.steps.get(step_id)
    if step is not None and may_have_committed(step):
        begin_settling(d, step_id, ended.failure, ended.kind, why)
        settle(d)
    else:
        _give_up(d, step_id, ended, why)


def _give_up(d: Decision, step_id: str, ended: Ended, why: str) -> None:
    if not is_given_up(d, step_id):
        fail_task(d, step_id, ended, why)
        return
    number = d.state.steps[step_id].attempt
    flow = Flow() if d.state.closing is not None else given_back(d, step_id)
    d.record(TaskCancelled(step=step_id, attempt=number, why=ended.failure.code, flow=flow))
    settle(d)


def _settled(d: Decision, step_id: str, ended: Ended) -> None:
    """The task has not completed and never will, or that is still not known."""
    settling = d.state.steps[step_id].settling
    if settling is not None and ended.failure.code in {ABANDONED, PayloadTooLarge.code}:
        is_wanted = settling.renews and not is_given_up(d, step_id)
        if is_wanted and ended.failure.code == ABANDONED:
            renew(d, step_id)
            settle(d)
            return
        failure = ended.failure if is_wanted else settling.failure
        known = Ended(failure=failure, kind=settling.kind, ended_at=ended.ended_at)
        _give_up(d, step_id, known, settling.why)
    else:
        ask_again(d, step_id, ended.failure, ended.loss)
        settle(d)


def _no_further(d: Decision, step_id: str, ended: Ended) -> str:
    """Why no further attempt follows, "" when one does."""
    step = d.state.steps[step_id]
    if ended.failure.code == CLOSE_TIMEOUT:
        return "schedule-to-close ended"
    if not ended.counted:
        return _too_many_losses(d, step_id, ended)
    retry = _retry(d, step_id)
    refused = refusal(retry, ended.failure, step.counted + 1, ended.retryable)
    if refused:
        return refused
    at = d.env.after(_delay_s(d, step_id, ended))
    if step.close_due_at is not None and at >= step.close_due_at:
        return "the next attempt would come after schedule-to-close"
    return ""


def _too_many_losses(d: Decision, step_id: str, ended: Ended) -> str:
    if ended.killed is not None and (why := convicted(d, step_id)):
        return why
    step = d.state.steps[step_id]
    losses, most = step.losses + 1, d.env.limits.losses_max
    if ended.loss is None or ended.loss == "refused" or losses <= most:
        return ""
    return f"{losses} attempts were lost, {most} are allowed"


def _again(d: Decision, step_id: str, ended: Ended) -> None:
    step = d.state.steps[step_id]
    delay = _delay_s(d, step_id, ended)
    at = d.env.after(delay)
    limit_s = timeouts(d.net.task(step_id), d.state).schedule_to_start_s
    d.record(
        AttemptFailed(
            step=step_id,
            attempt=step.attempt,
            failure=ended.failure,
            kind=ended.kind,
            loss=ended.loss,
            counted=ended.counted,
            next_attempt_at=at,
            delay_s=delay,
            why=_why(d, step_id, ended),
            start_due_at=None if limit_s is None or at > d.env.now else d.env.after(limit_s),
            started_at=ended.started_at,
            usage=ended.usage,
            said=ended.said,
            killed=ended.killed,
        )
    )


def _why(d: Decision, step_id: str, ended: Ended) -> str:
    if ended.failure.code == MOVED:
        return "the task was moved, which is not counted"
    if not ended.counted:
        apart = _delay_s(d, step_id, ended) > 0 and ended.killed is not None
        later = ", later since agents have died with it" if apart else ""
        return f"lost attempts are repeated and not counted{later}"
    retry = _retry(d, step_id)
    counted = d.state.steps[step_id].counted + 1
    kind = "the delay asked for" if _asked_longer(d, step_id, ended) else f"{retry.kind} delay"
    return f"attempt {counted} of {retry.attempts_max}, {kind}"


def _delay_s(d: Decision, step_id: str, ended: Ended) -> float:
    """Seconds until the next attempt; the same in every part of one decision."""
    step = d.state.steps[step_id]
    limits = d.env.limits
    if ended.loss == "refused":
        doublings = min(step.refusals, DOUBLINGS_MAX)
        return float(min(limits.refused_delay_s * 2**doublings, limits.refused_delay_s_max))
    if not ended.counted:
        kills = len(step.kills) + (ended.killed is not None)
        return pause_s(kills, limits) if ended.killed is not None else 0.0
    return max(_policy_delay_s(d, step_id), _asked_s(d, ended))


def _policy_delay_s(d: Decision, step_id: str) -> float:
    step = d.state.steps[step_id]
    chance = d.env.chance(str(d.state.attempt_of(step_id)))
    return float(delay_s(_retry(d, step_id), step.counted + 1, step.delay_s, chance))


def _asked_s(d: Decision, ended: Ended) -> float:
    """How long the task asked to be left alone, within the limit."""
    return float(min(ended.retry_after_s, d.env.limits.retry_after_s_max))


def _asked_longer(d: Decision, step_id: str, ended: Ended) -> bool:
    return _asked_s(d, ended) > _policy_delay_s(d, step_id)


def _retry(d: Decision, step_id: str) -> Retry:
    return d.net.task(step_id).retry or d.state.options.retry or NO_RETRY


def fail_task(d: Decision, step_id: str, ended: Ended, why: str) -> None:
    """The step failed for good: along an error arc that takes its code, else the run decides."""
    handled, flow = failing(d, step_id, ended.failure)
    step = d.state.steps.get(step_id)
    d.record(
        TaskFailed(
            step=step_id,
            attempt=step.attempt if step else 0,
            failure=ended.failure,
            kind=ended.kind,
            why=why,
            handled=handled,
            started_at=ended.started_at,
            ended_at=ended.ended_at,
            usage=ended.usage,
            said=ended.said,
            flow=flow,
        )
    )
    settle(d)
