"""Transactional tasks that are given up: first it is settled what became of their transaction.

Their completion is a row in the user's own database, committed with the user's work. An attempt
that was lost may have committed, or may do so later. So before such a task fails, or is given up
with its run, an attempt that *settles* goes to a node that has the task: it finds the row, and the
task has completed; or it puts a tombstone in its place, in whose presence no attempt commits any
more. Only then does the failure follow that was decided before.

    gives up ──► task.settling.v1 ──► placed, executed like any attempt ──► completed
                        ▲                      │ └─► abandoned ──► failed, or cancelled
                        └── lost, no reach ◄───┘

Where nobody has reach, it is asked again, later each time: nothing is guessed. After so many times
in vain it is a dead letter as well, for people to see, and asked again once in a long while.

One that an operator waits for is not given up: abandoned, it begins anew (see `halting`).
"""

from collections.abc import Iterable
from typing import Literal

from events.facts import Failure, LossReason
from events.limits import Limits
from events.task_facts import AttemptFailed, TaskDeadLettered, TaskSettled, TaskSettling
from events.values import Value
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.state import RunState, StepState

Kind = Literal["failed", "timed_out", "lost"]

ABANDONED = "task_abandoned"
"""With which a node says that the tombstone is there."""
HALTED = "halted"
"""Why an attempt is asked back, and settled, for which an operator waits."""
UNSETTLED = "unsettled"
"""Code of the dead letter of a task of which nobody could say what became of its transaction."""
DOUBLINGS_MAX = 32


def may_have_committed(step: StepState) -> bool:
    """Whether an attempt of it began a transaction of which nobody has said what became."""
    return step.transactional and step.settling is None


def begin_settling(
    d: Decision, step_id: str, failure: Failure, kind: Kind, why: str, *, renews: bool = False
) -> None:
    """The task is given up, or begins anew, as soon as it is settled that it has not completed."""
    number = d.state.steps[step_id].attempt
    d.record(
        TaskSettling(
            step=step_id, attempt=number, failure=failure, kind=kind, why=why, renews=renews
        )
    )


def renew(d: Decision, step_id: str) -> None:
    """It has not completed, and what had begun never will: it begins anew."""
    state = d.state
    limit_s = timeouts(d.net.task(step_id), state).schedule_to_start_s
    d.record(
        TaskSettled(
            step=step_id,
            attempt=state.steps[step_id].attempt,
            generation=state.generation + 1,
            start_due_at=d.env.due(limit_s),
        )
    )


def settle_idle(d: Decision, among: Iterable[str], why: str) -> None:
    """Begins to settle those of these tasks that have had attempts, and that no node holds now."""
    for step_id in tuple(among):
        step = d.state.steps[step_id]
        if step.status in {"ready", "retrying"} and may_have_committed(step):
            begin_settling(d, step_id, step.failure or Failure(code="cancelled"), "failed", why)


def ask_again(d: Decision, step_id: str, failure: Failure, loss: LossReason | None) -> None:
    """Whoever was asked did not say what became of the transaction."""
    step = d.state.steps[step_id]
    tries = step.settling.tries + 1 if step.settling is not None else 1
    delay_s = _delay_s(tries, d.env.limits)
    d.record(
        AttemptFailed(
            step=step_id,
            attempt=step.attempt,
            failure=failure,
            kind="failed" if loss is None else "lost",
            loss=loss,
            counted=False,
            next_attempt_at=d.env.after(delay_s),
            delay_s=delay_s,
            why="it is not known what became of its transaction: asked again",
        )
    )
    if tries == d.env.limits.settling_tries_max:
        _tell(d, step_id, failure, tries)


def _delay_s(tries: int, limits: Limits) -> float:
    if tries >= limits.settling_tries_max:
        return float(limits.settling_rest_s)
    doubled_s = limits.settling_delay_s * 2 ** min(tries - 1, DOUBLINGS_MAX)
    return float(min(doubled_s, limits.settling_delay_s_max))


def _tell(d: Decision, step_id: str, failure: Failure, tries: int) -> None:
    last: Value = {"code": failure.code, "message": failure.message}
    d.record(
        TaskDeadLettered(
            step=step_id,
            task=d.net.task(step_id).task,
            code=UNSETTLED,
            details={"asked": tries, "last_answer": last},
        )
    )


def may_be_placed(state: RunState, step_id: str) -> bool:
    """Whether a ready task may be given to a node: in a run that ends, or that an operator waits
    for, only to settle it."""
    if step_id not in state.ready:
        return False
    if state.closing is not None or state.halted is not None:
        return state.steps[step_id].settling is not None
    return state.paused is None
