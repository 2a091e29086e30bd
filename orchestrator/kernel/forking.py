"""Forking: a new run begins where another one was, and what was open there begins anew.

The state of the source at that version is the new run's. Attempts, child runs and timers of the
source are none of it: each step that was open gets its own, with the inputs that it had.
"""

from events.errors import Rejected
from events.policies import Origin
from events.run_facts import Renewed, RunForked
from orchestrator.kernel.bounds import bounded
from orchestrator.kernel.calls import is_call, renewed
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.inputs import Fork
from orchestrator.kernel.instances import static_of
from orchestrator.kernel.within import given_up


def fork(d: Decision, given: Fork) -> None:
    """What was open in the source is ready here, with its inputs, and with timeouts that begin
    anew.
    """
    state = d.state
    _forkable(d, given)
    d.awake()
    timeout_s = state.options.timeout_s
    d.record(
        RunForked(
            run_id=given.run_id,
            source_run_id=state.run_id,
            source_version=given.source_version,
            workflow=state.workflow,
            workflow_version=state.workflow_version,
            options=state.options,
            origin=Origin(kind="fork", run_id=state.run_id, version=given.source_version),
            due_at=d.env.due(timeout_s),
            variables=given.variables,
            renewed=all_renewed(d, given.run_id),
            reason=given.reason,
        )
    )
    settle(d)


def _forkable(d: Decision, given: Fork) -> None:
    state = d.state
    if state.terminal or state.closing is not None:
        status = state.status if state.closing is None else f"ending as {state.closing.status}"
        raise Rejected(
            f"run {state.run_id} is {status} at version {given.source_version}: "
            "fork from an earlier version, where it was still open"
        )
    variables = {**state.variables, **given.variables}
    bounded(variables, d.env.limits, "the set of all variables")


def all_renewed(d: Decision, run_id: str, generation: int | None = None) -> tuple[Renewed, ...]:
    """All that was open begins anew in the run `run_id`."""
    return tuple(_renewed(d, step_id, run_id, generation) for step_id in _open_steps(d))


def _open_steps(d: Decision) -> list[str]:
    """Those that somebody is to do, those that wait, and groups whose time runs."""
    open_ = {"ready", "dispatched", "running", "retrying", "waiting", "calling", "deferred"}
    return [
        step_id
        for step_id, step in d.state.steps.items()
        if (step.status in open_ and not given_up(d, step_id)) or _is_timed(d, step_id)
    ]


def _is_timed(d: Decision, step_id: str) -> bool:
    return f"within:{step_id}" in d.state.timers


def _renewed(d: Decision, step_id: str, run_id: str, generation: int | None) -> Renewed:
    if is_call(d, step_id):
        return Renewed(step=step_id, call=renewed(d, step_id, run_id, generation))
    if d.state.steps[step_id].status == "waiting":
        return _waits_on(d, step_id)
    if _is_timed(d, step_id):
        return Renewed(step=step_id, due_at=d.env.after(d.net.limits[static_of(step_id)]))
    limits = timeouts(d.net.task(step_id), d.state)
    return Renewed(
        step=step_id,
        start_due_at=d.env.due(limits.schedule_to_start_s),
        close_due_at=d.env.due(limits.schedule_to_close_s),
    )


def _waits_on(d: Decision, step_id: str) -> Renewed:
    """A wait goes on in a fork for as long as it still had to last in the source; the instant that
    an author named stays."""
    timers = d.state.timers
    absolute = timers.get(f"until:{step_id}")
    if absolute is not None:
        return Renewed(step=step_id, due_at=absolute, absolute=True)
    due_at = timers.get(f"wait:{step_id}")
    if due_at is not None:
        due_at = d.env.now + max(0, due_at - d.state.clock(d.state.updated_at))
    return Renewed(step=step_id, due_at=due_at)
