"""Before an operator does something to a transactional task it is settled what became of it.

Its transaction may commit as long as nobody has put the tombstone there: after the step was given
another result, after its run has gone back behind it, or has ended. So an action on a task that has
had attempts, of which it is not known what they did, begins with that question; whoever asked is
told to ask again.

    asked ──► run.halted.v1 ──► attempts asked back ──► task.settling.v1 ──► completed
                                                              └──► task.settled.v1, not begun
    asked again, and nothing is open ──► the action

What is settled as *never* is undone: it is ready to begin anew, in a new generation. Meanwhile
nothing else of the run is placed, so that there is an instant at which nothing is open. If nobody
asks again, the run goes on as if nobody had: nothing was lost but an attempt.

The action may say that it does not wait (`unsettled`). Then its fact names what was open.
"""

from collections.abc import Iterable

from events.errors import Rejected
from events.facts import Failure
from events.operator_facts import RunHalted
from events.task_facts import TaskRecalled, TaskRetryDue
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.env import microseconds
from orchestrator.kernel.inputs import Halt
from orchestrator.kernel.settling import HALTED, begin_settling
from orchestrator.kernel.state import RunState

BEGUN = frozenset({"ready", "retrying", "dispatched", "running"})


def open_transactions(state: RunState, among: Iterable[str] | None = None) -> tuple[str, ...]:
    """Transactional tasks with attempts of which nobody has said yet what became of them."""
    names = state.steps if among is None else [name for name in among if name in state.steps]
    steps = ((name, state.steps[name]) for name in names)
    return tuple(name for name, step in steps if step.transactional and step.status in BEGUN)


def nothing_open(
    state: RunState, what: str, unsettled: bool, among: Iterable[str] | None = None
) -> tuple[str, ...]:
    """What is open although the operator does not wait. Raises `Rejected` if they do."""
    found = open_transactions(state, among)
    if found and not unsettled:
        raise Rejected(
            f"it is not known what became of the transaction of {', '.join(found)} of run "
            f"{state.run_id}: {what} before that is settled"
        )
    return found


def halt(d: Decision, given: Halt) -> None:
    """Sees to it that nothing of these steps is open soon. Nothing if nothing is."""
    found = open_transactions(d.state, given.steps)
    if not found:
        return
    if d.state.closing is None:
        _hold(d, given, found)
    for step_id in found:
        _settle(d, step_id)


def _hold(d: Decision, given: Halt, steps: tuple[str, ...]) -> None:
    """Recorded again only when half of the time is over."""
    halted, limit_s = d.state.halted, d.env.limits.halt_s
    if halted is None or halted - d.env.now < microseconds(limit_s / 2):
        until = d.env.after(limit_s)
        d.record(RunHalted(due_at=until, steps=steps, by=given.by, reason=given.reason))


def _settle(d: Decision, step_id: str) -> None:
    step = d.state.steps[step_id]
    if step_id in d.state.outstanding:
        if not step.recalled and step.settling is None and d.state.closing is None:
            why = "an operator waits for what became of its transaction"
            d.record(TaskRecalled(step=step_id, attempt=step.attempt, code=HALTED, reason=why))
    elif step.settling is None:
        failure = step.failure or Failure(code=HALTED, message="an operator waits for it")
        begin_settling(d, step_id, failure, "failed", "an operator waits for it", renews=True)
    elif step.next_attempt_at is not None and _is_worth_asking(d, step.next_attempt_at):
        d.record(TaskRetryDue(step=step_id))


def _is_worth_asking(d: Decision, due_at: int) -> bool:
    """Whether somebody is to be asked now what would be asked much later, or is due in a pause."""
    left = due_at - d.now
    return left <= 0 or left > microseconds(d.env.limits.halt_s)


def end_halt(d: Decision) -> None:
    """Nobody has asked again."""
    d.record(RunHalted(reason="nobody has asked again"))
