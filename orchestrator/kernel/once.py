"""Parts of handlers that are done once per task: their values are facts, see `node_agent.once`."""

from events import messages as m
from events.codec import encode
from events.facts import Failure
from events.limits import ONCE_BYTES_MAX, ONCE_VALUES_MAX
from events.task_facts import OnceRecorded
from events.values import Value
from orchestrator.kernel.attempts import attempt_failed
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.state import RunState

TOO_MUCH = "too_much_once"


def once_done(d: Decision, report: m.Once) -> None:
    """Records the value of an outstanding attempt; the first of a name stays. A history at its
    limit takes none: the run ends, and the handler with it."""
    step = d.state.steps[report.attempt.step]
    known = step.once or {}
    if report.name in known or d.state.version >= d.env.limits.run_events_max:
        return
    if problem := _too_much({**known, report.name: report.value}):
        attempt_failed(d, _refused(report, problem))
        return
    d.record(
        OnceRecorded(
            step=report.attempt.step,
            attempt=report.attempt.number,
            name=report.name,
            value=report.value,
        )
    )


def is_recorded(state: RunState, report: m.Once) -> bool:
    """Whether the attempt, which is outstanding, may go on with the value."""
    known = state.steps[report.attempt.step].once if state.holds(report.attempt) else None
    return known is not None and report.name in known


def _too_much(values: dict[str, Value]) -> str:
    """Our agents do not send it; one that was written in another language might."""
    size = len(encode(values))
    if len(values) <= ONCE_VALUES_MAX and size <= ONCE_BYTES_MAX:
        return ""
    most = f"over {ONCE_VALUES_MAX} or {ONCE_BYTES_MAX}"
    return f"{len(values)} values of once with {size} bytes, {most}"


def _refused(report: m.Once, problem: str) -> m.Failed:
    return m.Failed(
        attempt=report.attempt,
        failure=Failure(code=TOO_MUCH, message=problem),
        retryable=False,
    )
