"""Lateness: whether an attempt would have been over in time by a changed definition.

How long a handler may run, and be silent, its agent sees to, and the run's own timers stand behind
that with a margin. So they do not show that a recorded attempt took longer than it would have had,
or that one which was given up would have had more time: its recorded times do.
"""

from events.facts import Fact
from events.net import Map, Task
from events.policies import Timeouts
from events.task_facts import AttemptFailed, TaskCompleted, TaskFailed
from orchestrator.kernel.env import MICROSECONDS
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState
from orchestrator.replay.what_if.partings import Parting, Sides

EXECUTION = "start_to_close_s"
KEPT_BY_AGENTS = {
    "start_to_close_timeout": (EXECUTION, "start-to-close"),
    "heartbeat_timeout": ("heartbeat_s", "heartbeat"),
}
"""Code of a failure → the limit that was not kept, and what it is called."""


def late(sides: Sides, fact: Fact) -> Parting | None:
    """Where an attempt would have been given up, or would not have been."""
    if not isinstance(fact, TaskCompleted | AttemptFailed | TaskFailed):
        return None
    was = _limits(sides.before, sides.recorded, fact.step)
    now = _limits(sides.after, sides.other, fact.step)
    if was is None or now is None or was == now:
        return None
    if isinstance(fact, TaskCompleted) or fact.kind == "failed":
        return _too_long(sides, fact, was.start_to_close_s, now.start_to_close_s)
    if fact.kind == "timed_out" and fact.failure.code in KEPT_BY_AGENTS:
        field, words = KEPT_BY_AGENTS[fact.failure.code]
        return _given_up(sides, fact, words, getattr(was, field), getattr(now, field))
    return None


def _limits(net: NetIndex, state: RunState, step_id: str) -> Timeouts | None:
    found = net.steps.get(static_of(step_id))
    action = None if found is None else found.step.action
    body = action.body if isinstance(action, Map) else action
    return timeouts(body, state) if isinstance(body, Task) else None


def _too_long(
    sides: Sides,
    fact: TaskCompleted | AttemptFailed | TaskFailed,
    was_s: float | None,
    now_s: float | None,
) -> Parting | None:
    began, ended = fact.started_at, getattr(fact, "ended_at", 0)
    took_s = (ended - began) / MICROSECONDS if began and ended else 0.0
    if now_s is None or took_s <= now_s or (was_s is not None and was_s <= now_s):
        return None
    text = f"{fact.step} took {took_s:g} s, and would have been given up after {now_s:g} s"
    return _parting(sides, fact, f"{text} (start-to-close)")


def _given_up(
    sides: Sides,
    fact: AttemptFailed | TaskFailed,
    words: str,
    was_s: float | None,
    now_s: float | None,
) -> Parting | None:
    if now_s is not None and (was_s is None or now_s <= was_s):
        return None
    had = "" if was_s is None else f" after {was_s:g} s"
    would = "no limit" if now_s is None else f"{now_s:g} s"
    return _parting(
        sides, fact, f"{fact.step} was given up{had}, and would have had {would} ({words})"
    )


def _parting(sides: Sides, fact: TaskCompleted | AttemptFailed | TaskFailed, text: str) -> Parting:
    return Parting(
        version=sides.version,
        at=sides.at,
        event=fact.TYPE,
        step=fact.step,
        kind="time",
        text=text,
    )
