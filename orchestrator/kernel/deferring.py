"""Attempts that somebody else completes, by token, after their handlers have ended.

    dispatched ──(handler ends with ctx.defer())──► deferred ──► completed | failed | timed out
                                                        └──(its run ends)──► cancelled

A deferred attempt is with no node: it takes no slot, and nothing that becomes of the agent matters
any more. What is left of start-to-close goes on, and schedule-to-close as ever.
"""

from hmac import compare_digest

import msgspec

from events import messages as m
from events.errors import Rejected, Unavailable
from events.task_facts import TaskDeferred
from orchestrator.kernel import inputs as i
from orchestrator.kernel.attempts import (
    attempt_completed,
    attempt_failed,
    attempt_lost,
    is_given_up,
)
from orchestrator.kernel.bounds import bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.env import MICROSECONDS
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.state import StepState


def deferred(d: Decision, report: m.Deferred) -> None:
    """The handler has ended; somebody else says what came of it."""
    step_id = report.attempt.step
    if d.state.steps[step_id].recalled or is_given_up(d, step_id):
        attempt_lost(d, step_id, "recalled", "it was asked back when it was deferred")
        return
    limit_s = timeouts(d.net.task(step_id), d.state).start_to_close_s
    ran_s = max(0, report.ended_at - report.started_at) / MICROSECONDS
    d.record(
        TaskDeferred(
            step=step_id,
            attempt=report.attempt.number,
            digest=report.digest,
            due_at=None if limit_s is None else d.env.after(max(0.0, limit_s - ran_s)),
            started_at=report.started_at,
            usage=report.usage,
            said=report.said,
        )
    )


def redeem(d: Decision, given: i.Redeem) -> None:
    """Completes or fails the attempt of a token; the same again changes nothing.

    Raises `Rejected` for a token that fits no attempt or one that is over, and `Unavailable` while
    its handler has not ended.
    """
    step = _fitting(d, given)
    if d.state.deferred.get(given.attempt.step) != given.attempt.number:
        _again(step, given)
        return
    started_at = step.started_at or 0
    if given.failure is not None:
        bounded(given.failure.details, d.env.limits, "the details of the failure")
        report = m.Failed(
            attempt=given.attempt,
            failure=given.failure,
            retryable=given.retryable,
            started_at=started_at,
            ended_at=d.env.now,
        )
        attempt_failed(d, report)
    else:
        bounded(given.output, d.env.limits, f"the output of {given.attempt.step}")
        completed = m.Completed(
            attempt=given.attempt, output=given.output, started_at=started_at, ended_at=d.env.now
        )
        attempt_completed(d, completed)


def _fitting(d: Decision, given: i.Redeem) -> StepState:
    """The step of the token. Raises as `redeem` does."""
    attempt = given.attempt
    step = d.state.steps.get(attempt.step)
    if step is None or step.generation < attempt.generation or step.attempt < attempt.number:
        raise Rejected(f"the token is of {attempt}, and there is no such attempt")
    if (step.generation, step.attempt) != (attempt.generation, attempt.number):
        raise Rejected(
            f"the token is fenced: it is of {attempt}, and attempt {step.attempt} of generation "
            f"{step.generation} has taken its place"
        )
    if d.state.holds(attempt):
        raise Unavailable(f"the handler of {attempt} has not ended yet: try again")
    if not compare_digest(step.digest.encode(), given.digest.encode()) or not step.digest:
        raise Rejected(f"the token is not the one that was made for {attempt}")
    return step


def _again(step: StepState, given: i.Redeem) -> None:
    """Of an attempt that is over: nothing, if this is what it is over with."""
    if given.failure is not None:
        is_same = step.failure == given.failure and step.status in {"failed", "retrying", "ready"}
    else:
        is_same = step.status == "completed" and _same(step.output, given.output)
    if not is_same:
        raise Rejected(f"the token is fenced: {given.attempt} is over already, as {step.status}")


def _same(ours: object, theirs: object) -> bool:
    """`true` is not 1 here."""
    return encode(ours) == encode(theirs)


encode = msgspec.json.Encoder(order="sorted").encode
