"""Pausing a run: its clock stands still.

Guarantee: between pause and resume nothing is dispatched and no timer fires, the run's own timeout
included. Attempts that are outstanding go on at their nodes, and their results are recorded with
all that follows but a dispatch; signals are taken. A run that fails or is cancelled meanwhile ends.

Instants that are decided during the pause are counted from its beginning; at the end of it all
timers are moved by its length. So every wait, delay and timeout lasts as long as it should, counted
without the pause. An instant that an author named (`until`) does not move: if it has passed, the
step goes on when the run does.
"""

from events.errors import Rejected
from events.run_facts import RunPaused, RunResumed
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle


def pause(d: Decision, reason: str) -> None:
    """Nothing for one that is paused already. Raises `Rejected` when it has ended or is ending."""
    _still_open(d, "paused")
    if d.state.paused is None:
        d.record(RunPaused(reason=reason))


def resume(d: Decision, reason: str) -> None:
    """Nothing for a run that is not paused. Raises `Rejected` when it has ended or is ending."""
    _still_open(d, "resumed")
    paused = d.state.paused
    if paused is not None:
        d.record(RunResumed(shift_us=max(0, d.now - paused.at), reason=reason))
        settle(d)


def _still_open(d: Decision, what: str) -> None:
    state = d.state
    if state.terminal or state.closing is not None:
        status = state.status if state.closing is None else f"ending as {state.closing.status}"
        raise Rejected(f"run {state.run_id} is {status}: it cannot be {what}")
