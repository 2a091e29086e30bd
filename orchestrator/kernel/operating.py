"""What an operator does to a run that is stuck, or goes wrong, and is to go on or to stop.

    skip, complete, fail    a step gets its result from the operator; the flow goes on
    move                    a task's attempt is given up, and placed anew
    terminate               the run ends at once
    restore, rerun          see `restoring`

A result is recorded at once, and a node that has an attempt of the step is told that it is fenced.
It might begin it after that: so the result belongs to a new generation of the step, and no task key
is executed after its completion was recorded. An attempt that is moved keeps its key, since it is
the same work; so it is asked back, and the next one waits until the node has answered, or is lost.
A run that is terminated waits for nobody: what nodes still do of it is recorded nowhere.

What is done to a transactional task waits until it is settled what became of it, see `halting`; but
for a move, since another attempt of the same key finds out by itself.

The id of a request makes it safe to repeat: what is known has been done.
"""

from events.errors import NotFound, Rejected
from events.facts import Failure, Flow
from events.limits import NAMES_SHOWN_MAX
from events.operator_facts import ResultGiven, TaskMoved
from events.run_facts import RunFailed
from orchestrator.kernel.bounds import bounded
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.halting import nothing_open
from orchestrator.kernel.inputs import GiveResult, Move, Terminate
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.mapparts import is_part
from orchestrator.kernel.maps import failing, results_fit
from orchestrator.kernel.mapwalk import MapWalk
from orchestrator.kernel.state import RunState, StepState
from orchestrator.kernel.within import given_up

TERMINATED = "terminated"
"""Code of the failure of a run that an operator has ended at once."""

OPEN = ("ready", "retrying", "dispatched", "running", "waiting", "calling", "deferred")
MOVABLE = ("ready", "retrying", "dispatched", "running")
INSIDE = frozenset({"entered", *OPEN})


def give_result(d: Decision, given: GiveResult) -> None:
    """Raises `Rejected` when the run has ended or is ending, or the step does not wait for a
    result."""
    state, step_id = d.state, given.step
    if given.id in state.actions_seen:
        return
    still_open(state, f"{step_id} cannot be {given.status}")
    _open_step(d, step_id, OPEN, given.status)
    open_ = nothing_open(state, f"it cannot be {given.status}", given.unsettled, (step_id,))
    handled, flow = _follows(d, given)
    d.record(
        ResultGiven(
            id=given.id,
            step=step_id,
            status=given.status,
            output=given.output,
            failure=given.failure,
            handled=handled,
            by=given.by,
            reason=given.reason,
            generation=state.generation + 1 if step_id in state.outstanding else 0,
            flow=flow,
            forgotten=forgotten(d),
            unsettled=open_,
        )
    )
    settle(d)


def _follows(d: Decision, given: GiveResult) -> tuple[bool, Flow]:
    """Whether something takes the failure, if it is one, and what moves."""
    if given.failure is not None:
        bounded(given.failure.details, d.env.limits, f"the details of the failure of {given.step}")
        return failing(d, given.step, given.failure)
    size = bounded(given.output, d.env.limits, f"the output of {given.step}")
    results_fit(d, given.step, size)
    outputs = {given.step: given.output}
    if given.status == "skipped" and given.output is None:
        outputs = {}  # as if the flow had passed it by
    walk = MapWalk(d.net, d.state, d.env, outputs=outputs)
    if d.state.map_of(given.step):
        return False, walk.item_completed(given.step, size).flow()
    return False, walk.leave(given.step).flow()


def move(d: Decision, given: Move) -> None:
    """Raises `Rejected` when the run has ended or is ending, or the step is no open task."""
    state, step_id = d.state, given.step
    if given.id in state.actions_seen:
        return
    still_open(state, f"{step_id} cannot be moved")
    step = _open_step(d, step_id, MOVABLE, "moved")
    off = given.off
    if not (given.to or off):
        if not step.node:
            raise Rejected(
                f"{step_id} of run {state.run_id} has not been on any node yet: say which one it "
                "is to be on, or which one not"
            )
        off = (step.node,)
    d.record(
        TaskMoved(
            id=given.id,
            step=step_id,
            attempt=step.attempt if _is_to_leave(state, step_id, given.to, off) else 0,
            to=given.to,
            off=off,
            by=given.by,
            reason=given.reason,
            backup=state.version,
            forgotten=forgotten(d),
        )
    )
    settle(d)


def _is_to_leave(state: RunState, step_id: str, to: str, off: tuple[str, ...]) -> bool:
    """Whether a node has an attempt that is to be on another one. Of one that is asked back already
    what follows is decided for that reason."""
    step = state.steps[step_id]
    if step_id not in state.outstanding or step.recalled:
        return False
    return step.node in off or bool(to and step.node != to)


def terminate(d: Decision, given: Terminate) -> None:
    """Ends the run as failed, without waiting for anybody. Raises `Rejected` when it has ended
    otherwise."""
    state = d.state
    if was_terminated(state):
        return
    if state.terminal:
        raise Rejected(f"run {state.run_id} is {state.status} already: it cannot be terminated")
    open_ = nothing_open(state, "it cannot be terminated", given.unsettled)
    said = f"{given.by} has terminated the run" + (f": {given.reason}" if given.reason else "")
    failure = Failure(code=TERMINATED, message=said)
    d.record(RunFailed(failure=failure, cancelled=_all_open(state), unsettled=open_))


def was_terminated(state: RunState) -> bool:
    """Whether it was ended at once. A run that fails because one that it called was terminated has
    the same code, but fails at a step."""
    failure = state.failure
    ended_at_once = state.status == "failed" and not state.failed_step
    return ended_at_once and failure is not None and failure.code == TERMINATED


def _all_open(state: RunState) -> tuple[str, ...]:
    """Items of maps before their maps."""
    found = [name for name, step in state.steps.items() if step.status in INSIDE]
    items = [name for name in found if state.map_of(name)]
    return (*items, *(name for name in found if name not in items))


# -- what may be done to --------------------------------------------------------------------------


def still_open(state: RunState, what: str) -> None:
    """Raises `Rejected` for a run that does not exist, has ended or is ending."""
    if not state.version:
        raise NotFound("there is no such run: has it been started?")
    if state.terminal:
        raise Rejected(
            f"run {state.run_id} is {state.status}, and a closed run is never reopened: {what}; "
            "`dalsegno run rerun` and `restore` start another run from it"
        )
    if state.closing is not None:
        raise Rejected(
            f"run {state.run_id} is ending as {state.closing.status}: {what}; wait until it has "
            "ended, or terminate it"
        )


def forgotten(d: Decision) -> tuple[str, ...]:
    """The oldest id, when no more may be remembered."""
    seen = d.state.actions_seen
    return (next(iter(seen)),) if len(seen) >= d.env.limits.action_ids_max else ()


def _open_step(d: Decision, step_id: str, among: tuple[str, ...], verb: str) -> StepState:
    """Raises `Rejected` for a step that is not there, or not `among` these statuses."""
    state = d.state
    step = state.steps.get(step_id)
    if step is None:
        raise Rejected(_missing(d, step_id))
    if step.status not in among:
        raise Rejected(
            f"{step_id} of run {state.run_id} is {step.status}: it cannot be {verb}, only what is "
            f"{_or(among)} can"
        )
    if given_up(d, step_id):
        raise Rejected(f"{step_id} of run {state.run_id} is being given up: it cannot be {verb}")
    if is_part(state, step_id):
        raise Rejected(
            f"{step_id} is a part of a map, which is run {state.calls[step_id]}: it cannot be "
            f"{verb}, but steps of that run can"
        )
    return step


def _missing(d: Decision, step_id: str) -> str:
    state = d.state
    if static_of(step_id) in d.net.steps:
        return (
            f"{step_id} of run {state.run_id} is not under way: it has not been reached, or not so"
        )
    known = [name for name, step in state.steps.items() if step.status in OPEN]
    more = len(known) - NAMES_SHOWN_MAX
    named = ", ".join(known[:NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
    return f"run {state.run_id} has no step {step_id!r}; those under way: {named or 'none'}"


def _or(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
