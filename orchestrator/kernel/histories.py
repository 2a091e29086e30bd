"""Reports of another history: of what a log has said before it was restored from a backup.

Such a log goes on from an earlier place and may name an attempt as it has named one before, with
other inputs and another result. Agents still report the first one. The instant of dispatch tells
them apart: nothing of the first is recorded for the second.
"""

from events.messages import Report
from orchestrator.kernel.state import RunState


def is_of_another_history(state: RunState, report: Report) -> bool:
    """Whether the report is of a namesake of the attempt that is outstanding. O(1)."""
    if not report.dispatched_at or not state.holds(report.attempt):
        return False
    return state.steps[report.attempt.step].dispatched_at != report.dispatched_at


def is_unheard_of(state: RunState, report: Report) -> bool:
    """Whether the run has never got as far as this attempt. O(1)."""
    attempt = report.attempt
    step = state.steps.get(attempt.step)
    if step is None:
        return False  # an item of a map, or of a loop, leaves the state when it is over
    return (attempt.generation, attempt.number) > (step.generation, step.attempt)
