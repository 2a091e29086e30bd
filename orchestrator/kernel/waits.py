"""Waits: steps that wait for time or for a signal, and the signals that are kept for them.

    reached ──► waiting ──(its timer is due)──► completed, or failed where a signal was awaited
                   └─────(a signal is there)──► completed with the signal's data

A signal that nobody waits for yet is kept in the run's state, in order of arrival. The step that
has waited longest takes the earliest one that fits. The id of a signal makes it safe to repeat.
"""

from events.errors import Rejected
from events.facts import Failure
from events.run_facts import SignalReceived
from orchestrator.kernel.attempts import Ended, fail_task
from orchestrator.kernel.bounds import bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import end_wait, settle
from orchestrator.kernel.inputs import Signal

SIGNAL_TIMEOUT = "signal_timeout"


def receive(d: Decision, given: Signal) -> None:
    """Keeps the signal, and lets a step that waits for it take it.

    Raises `Rejected` when the run has ended or is ending, no step of its net ever waits for such a
    signal, or as many are kept as may be.
    """
    if given.id in d.state.signals_seen:
        return
    _receivable(d, given)
    bounded(given.data, d.env.limits, f"the data of signal {given.name}")
    bounded(given.correlation, d.env.limits, f"the correlation of signal {given.name}")
    d.record(
        SignalReceived(
            id=given.id,
            name=given.name,
            data=given.data,
            correlation=given.correlation,
            forgotten=_forgotten(d),
        )
    )
    settle(d)


def _receivable(d: Decision, given: Signal) -> None:
    state, most = d.state, d.env.limits.signals_max
    if state.terminal or state.closing is not None:
        status = state.status if state.closing is None else f"ending as {state.closing.status}"
        raise Rejected(f"run {state.run_id} is {status}: it takes no signal any more")
    if given.name not in d.net.signals:
        known = ", ".join(d.net.signals) or "none"
        raise Rejected(
            f"workflow {state.workflow} never waits for a signal {given.name!r}; those it waits "
            f"for: {known}"
        )
    if len(state.signals) >= most:
        raise Rejected(
            f"run {state.run_id} keeps {most} signals that no step has taken yet: wait until some "
            "are taken"
        )


def _forgotten(d: Decision) -> tuple[str, ...]:
    """The oldest id that was taken, when no more may be remembered."""
    seen, kept = d.state.signals_seen, d.state.signals
    if len(seen) < d.env.limits.signal_ids_max + len(kept):
        return ()
    return tuple(signal_id for signal_id in seen if signal_id not in kept)[:1]


def wait_is_over(d: Decision, step_id: str) -> None:
    """The timer of a waiting step is due: it has waited long enough, or in vain for a signal."""
    if step_id not in d.state.awaiting:
        end_wait(d, step_id)
        settle(d)
        return
    name = d.state.awaiting[step_id]
    message = f"{step_id} waited for a signal {name!r} that did not come in time"
    ended = Ended(failure=Failure(code=SIGNAL_TIMEOUT, message=message), kind="timed_out")
    fail_task(d, step_id, ended, "no signal came in time")
