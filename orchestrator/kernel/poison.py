"""Attempts that took their agents with them: one may be chance, several in a row are the task.

A *kill* is an attempt that was lost with its node or its agent while it may have been executing
there. Its neighbours look the same, so nobody is judged by one. The first is repeated at once, like
any loss; from the second on the next attempt waits, longer each time, and stays away from others
that are as suspicious: so what only stood beside a poison task never stands beside it again. One
that reaches the limit fails, and its dead letter keeps the evidence.
"""

from events.facts import Failure, LossReason
from events.limits import Limits
from events.task_facts import Killed, TaskDeadLettered
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.state import StepState

POISON = "poison_task"
DEADLY = frozenset({"node_lost", "node_restarted"})
DOUBLINGS_MAX = 32


def may_have_killed(loss: LossReason | None, started: bool | None) -> bool:
    """Whether an attempt may be why its agent is gone; `started` is None where nobody can tell."""
    return loss in DEADLY and started is not False


def pause_s(kills: int, limits: Limits) -> float:
    """Seconds before the attempt after so many kills."""
    if kills < limits.kills_apart:
        return 0.0
    doublings = min(kills - limits.kills_apart, DOUBLINGS_MAX)
    return float(min(limits.killed_delay_s * 2**doublings, limits.killed_delay_s_max))


def is_suspect(step: StepState, limits: Limits) -> bool:
    """Whether it is kept away from others of its kind."""
    return len(step.kills) >= limits.kills_apart


def convicted(d: Decision, step_id: str) -> str:
    """Why the task is given to no agent any more after one more kill, "" if it is."""
    kills, most = len(d.state.steps[step_id].kills) + 1, d.env.limits.kills_max
    if kills < most:
        return ""
    return f"{kills} attempts were lost with their agents, at {most} no further one is made"


def bury(d: Decision, step_id: str, last: Killed) -> Failure:
    """Records the evidence; returns how the task fails."""
    step = d.state.steps[step_id]
    kills = (*step.kills, last)
    nodes = ", ".join(dict.fromkeys(one.node for one in kills))
    d.record(
        TaskDeadLettered(
            step=step_id,
            task=d.net.task(step_id).task,
            code=POISON,
            kills=kills,
            details=step.details,
        )
    )
    return Failure(
        code=POISON,
        message=f"agents died with {len(kills)} of its attempts, on {nodes}",
        details={"attempts": [one.attempt for one in kills], "nodes": [one.node for one in kills]},
    )
