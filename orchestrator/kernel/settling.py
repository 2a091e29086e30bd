"""Transactional tasks that are given up: first it is settled what became of their transaction.

Their completion is a row in the user's own database, committed with the user's work. An attempt
that was lost may have committed, or may do so later. So before such a task fails, or is given up
with its run, an attempt that *settles* goes to a node that has the task: it finds the row, and the
task has completed; or it puts a tombstone in its place, in whose presence no attempt commits any
more. Only then does the failure follow that was decided before.

    gives up ──► task.settling.v1 ──► placed, executed like any attempt ──► completed
                        ▲                      │ └─► abandoned ──► failed, or cancelled
                        └── lost, no reach ◄───┘

Where nobody has reach, it is asked again, later each time: nothing is guessed.
"""

from collections.abc import Iterable
from typing import Literal

from events.facts import Failure, LossReason
from events.task_facts import AttemptFailed, TaskSettling
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.state import RunState, StepState

Kind = Literal["failed", "timed_out", "lost"]

ABANDONED = "task_abandoned"
"""With which a node says that the tombstone is there."""
DOUBLINGS_MAX = 32


def may_have_committed(step: StepState) -> bool:
    """Whether an attempt of it began a transaction of which nobody has said what became."""
    return step.transactional and step.settling is None


def begin_settling(d: Decision, step_id: str, failure: Failure, kind: Kind, why: str) -> None:
    """The task is given up as soon as it is settled that it has not completed."""
    step = d.state.steps[step_id]
    d.record(TaskSettling(step=step_id, attempt=step.attempt, failure=failure, kind=kind, why=why))


def settle_idle(d: Decision, among: Iterable[str], why: str) -> None:
    """Begins to settle those of these tasks that have had attempts, and that no node holds now."""
    for step_id in tuple(among):
        step = d.state.steps[step_id]
        if step.status in {"ready", "retrying"} and may_have_committed(step):
            begin_settling(d, step_id, step.failure or Failure(code="cancelled"), "failed", why)


def ask_again(d: Decision, step_id: str, failure: Failure, loss: LossReason | None) -> None:
    """Whoever was asked did not say what became of the transaction."""
    step = d.state.steps[step_id]
    tries = step.settling.tries if step.settling is not None else 0
    limits = d.env.limits
    doubled_s = limits.settling_delay_s * 2 ** min(tries, DOUBLINGS_MAX)
    delay_s = min(doubled_s, limits.settling_delay_s_max)
    d.record(
        AttemptFailed(
            step=step_id,
            attempt=step.attempt,
            failure=failure,
            kind="failed" if loss is None else "lost",
            loss=loss,
            counted=False,
            next_attempt_at=d.env.after(float(delay_s)),
            delay_s=float(delay_s),
            why="it is not known what became of its transaction: asked again",
        )
    )


def may_be_placed(state: RunState, step_id: str) -> bool:
    """Whether a ready task may be given to a node: in a run that ends only to settle it."""
    if step_id not in state.ready or state.paused is not None:
        return False
    return state.closing is None or state.steps[step_id].settling is not None
