"""Fold: write a fact's decided delta into the state. No decision, no expression, no token game
here.

`evolve` is a table from fact type to function, put together from those of runs, tasks, steps and
operators; a test holds it complete. Each function may rely on the fact having been decided on
exactly this state.
"""

from collections.abc import Callable, Mapping

from events import run_facts as r
from events.errors import InvariantViolation
from events.facts import Fact
from orchestrator.kernel.operatorfolds import OPERATOR_FOLDS
from orchestrator.kernel.runfolds import RUN_FOLDS
from orchestrator.kernel.state import TERMINAL, RunState
from orchestrator.kernel.stepfolds import STEP_FOLDS
from orchestrator.kernel.taskfolds import TASK_FOLDS


def evolve(state: RunState, fact: Fact, recorded_at: int) -> None:
    """Applies the stream's next fact, recorded at that instant (microseconds), to `state` in place.

    Raises `InvariantViolation` for a fact after the terminal one, of a kind that runs do not have,
    or about a step that the state does not know.
    """
    fold = FOLDS.get(type(fact))
    if fold is None:
        raise InvariantViolation(f"{fact.TYPE} is not a fact of a run")
    if state.status in TERMINAL and not isinstance(fact, r.RunForked):
        raise InvariantViolation(f"{fact.TYPE} follows the end of run {state.run_id}")
    state.version += 1
    state.updated_at = recorded_at
    try:
        fold(state, fact, recorded_at)
    except KeyError as error:
        raise InvariantViolation(
            f"{fact.TYPE} as event {state.version} of run {state.run_id} does not fit the events "
            f"before it: there is no {error}"
        ) from error
    if state.outstanding and state.paused is None:
        state.status = "running"  # as it nearly always is: without asking for all the rest
    elif state.status not in TERMINAL:
        state.status = state.open_status


FOLDS: Mapping[type[Fact], Callable[..., None]] = {
    **RUN_FOLDS,
    **TASK_FOLDS,
    **STEP_FOLDS,
    **OPERATOR_FOLDS,
}
