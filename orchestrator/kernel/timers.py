"""Due timers of a run: its own timeout, waits, retry waits, and the timeouts of its tasks.

An attempt that a node may still start is never given up one-sidedly: it is recalled, stays
outstanding, and what follows is decided when the node has answered or is lost. Otherwise it might
start after another attempt's completion was recorded.
"""

from events.facts import Failure
from events.task_facts import TaskRecalled, TaskRetryDue
from orchestrator.kernel.attempts import (
    CLOSE_TIMEOUT,
    EXECUTE_TIMEOUT,
    START_TIMEOUT,
    Ended,
    end_attempt,
    give_up,
)
from orchestrator.kernel.calls import call_again, is_call
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import close, settle
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.halting import end_halt
from orchestrator.kernel.waits import wait_is_over
from orchestrator.kernel.within import give_up as give_group_up

RUN_TIMEOUT = "run_timeout"


def fire_timers(d: Decision) -> None:
    """Fires every timer that is due, earliest first, ties in order of the key, up to the bound of a
    decision; then the rest stays due."""
    for at, key in _due(d):
        if d.full:
            return
        if d.state.timers.get(key) == at and not d.state.terminal:
            _fire(d, key)
    if d.state.unsettled:
        settle(d)


def _due(d: Decision) -> list[tuple[int, str]]:
    if d.state.paused is not None:
        return []
    return sorted((at, key) for key, at in d.state.timers.items() if at <= d.env.now)


def _fire(d: Decision, key: str) -> None:
    what, _, step_id = key.partition(":")
    if what == "run":
        _run_timeout(d)
    elif what == "halt":
        end_halt(d)
    elif what == "retry":
        _retry(d, step_id)
    elif what in {"wait", "until"}:
        wait_is_over(d, step_id)
    elif what == "within":
        _group_is_late(d, key, step_id)
    elif what == "close":
        _give_up(d, step_id, CLOSE_TIMEOUT)
    elif what == "start":
        _give_up(d, step_id, START_TIMEOUT)
    else:
        _give_up(d, step_id, EXECUTE_TIMEOUT)


def _run_timeout(d: Decision) -> None:
    message = f"the run did not end within {d.state.options.timeout_s:g} s"
    close(d, "timed_out", failure=Failure(code=RUN_TIMEOUT, message=message))


def _group_is_late(d: Decision, key: str, group_id: str) -> None:
    """What follows already from what has happened goes first; it may be the group's end."""
    settle(d)
    if key in d.state.timers and not d.state.is_to_go_on:
        give_group_up(d, group_id)
        settle(d)


def _retry(d: Decision, step_id: str) -> None:
    if is_call(d, step_id):
        call_again(d, step_id)
        return
    limit_s = timeouts(d.net.task(step_id), d.state).schedule_to_start_s
    # What became of a transaction is asked however long a node for that is waited for.
    is_limited = limit_s is not None and d.state.steps[step_id].settling is None
    due_at = d.env.due(limit_s) if is_limited else None
    d.record(TaskRetryDue(step=step_id, start_due_at=due_at))


def _give_up(d: Decision, step_id: str, code: str) -> None:
    step = d.state.steps[step_id]
    if step_id in d.state.outstanding:
        if not step.recalled or code == CLOSE_TIMEOUT:
            d.record(TaskRecalled(step=step_id, attempt=step.attempt, code=code))
        return
    failure = Failure(code=code, message=f"task {step_id} was not {_verb(code)} in time")
    ended = Ended(failure=failure, kind="timed_out")
    if code == CLOSE_TIMEOUT:
        give_up(d, step_id, ended, "schedule-to-close ended")
    else:
        end_attempt(d, step_id, ended)


def _verb(code: str) -> str:
    return "started" if code == START_TIMEOUT else "finished"
