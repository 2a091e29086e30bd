"""Forking: a new run begins where another one was, and what was open there begins anew.

The state of the source at that version is the new run's. Attempts, child runs and timers of the
source are none of it: each step that was open gets its own, with the inputs that it had.

A fork may differ from its source from there on, by variables that are set, by steps that had failed
and begin anew, and by another version of the definition, which has to take the state (`fitting`).
A task that is open is then given what it would be given now, if it reads a variable that was set or
its inputs are written otherwise. What is over stays as it is.
"""

from collections.abc import Mapping

import msgspec

from events.errors import Rejected
from events.facts import Called
from events.limits import NAMES_SHOWN_MAX
from events.net import Call, Task
from events.policies import Origin, RunOptions
from events.run_facts import Renewed, RunForked
from events.values import Value
from orchestrator.kernel.bounds import bounded
from orchestrator.kernel.calls import is_call, renewed
from orchestrator.kernel.decision import Decision
from orchestrator.kernel.ending import settle
from orchestrator.kernel.expressions import ExpressionFailed
from orchestrator.kernel.fitting import OPEN, Misfit, misfits
from orchestrator.kernel.flow import timeouts
from orchestrator.kernel.inputs import Fork
from orchestrator.kernel.instances import index_of, outside, static_of, suffix_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.state import RunState
from orchestrator.kernel.within import given_up

Given = Mapping[str, Value]
"""Step → what it is given instead of what it had."""
NOTHING: Given = {}


def fork(d: Decision, given: Fork) -> None:
    """What was open in the source is ready here, with its inputs, and with timeouts that begin
    anew. Raises `Rejected` when the source cannot be forked so.
    """
    state = d.state
    _forkable(d, given)
    inputs = _given_anew(d, given)
    d.awake()
    options, version = state.options, state.workflow_version
    if given.definition is not None:
        options = state.options = given.definition.options
        version = given.definition.workflow_version
    d.record(
        RunForked(
            run_id=given.run_id,
            source_run_id=state.run_id,
            source_version=given.source_version,
            workflow=state.workflow,
            workflow_version=version,
            options=options,
            origin=Origin(kind="fork", run_id=state.run_id, version=given.source_version),
            due_at=d.env.due(options.timeout_s),
            variables=given.variables,
            renewed=all_renewed(d, given.run_id, steps=given.steps, inputs=inputs),
            reason=given.reason,
            retried=given.steps,
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
    if given.definition is not None:
        _takes_it(state, given.source_version, misfits(state, given.definition.before, d.net))
    for step_id in given.steps:
        if not may_be_retried(state, d.net, step_id):
            step = state.steps.get(step_id)
            raise Rejected(
                f"{step_id} of run {state.run_id} is {step.status if step else 'not reached'} at "
                f"version {given.source_version}: only a task or call that has failed, and whose "
                "failure nothing has handled, can begin anew there; fork from a version before it "
                "was over"
            )


def _takes_it(state: RunState, version: int, found: list[Misfit]) -> None:
    if found:
        told = "; ".join(f"{one.step}: {one.why}" for one in found[:NAMES_SHOWN_MAX])
        more = len(found) - NAMES_SHOWN_MAX
        raise Rejected(
            f"the definition cannot take run {state.run_id} at version {version}: {told}"
            f"{f'; and {more} more' if more > 0 else ''}. Leave these steps as they were, or fork "
            "from an earlier version, before they began"
        )


def may_be_retried(state: RunState, net: NetIndex, step_id: str) -> bool:
    """Whether a failed step can begin anew where it is: nothing has followed from its failure."""
    step = state.steps.get(step_id)
    if step is None or step.status != "failed" or step.handled or state.map_of(step_id):
        return False
    found = net.steps.get(static_of(step_id))
    return found is not None and isinstance(found.step.action, Task | Call)


def options_of(own: RunOptions, before: RunOptions, after: RunOptions) -> RunOptions:
    """A run's options with what its new definition says otherwise than the one before."""
    changed = {
        name: value
        for name in RunOptions.__struct_fields__
        if (value := getattr(after, name)) != getattr(before, name)
    }
    return msgspec.structs.replace(own, **changed)


# -- what tasks are given now ---------------------------------------------------------------------


def _given_anew(d: Decision, given: Fork) -> Given:
    """Of open tasks and calls, what those are given that are given something else. Raises
    `Rejected` for one that cannot be given anything."""
    if not given.variables and given.definition is None:
        return {}
    before = d.net if given.definition is None else given.definition.before
    state = msgspec.structs.replace(d.state, run_id=given.run_id)
    found: dict[str, Value] = {}
    for step_id in (*_open_steps(d), *given.steps):
        if not _reads_anew(d, before, step_id, given.variables):
            continue
        try:
            found[step_id] = _rendered(d, state, step_id, given.variables)
        except ExpressionFailed as error:
            raise Rejected(
                f"{step_id} of run {given.run_id} cannot be given its inputs: {error}. Set what it "
                "reads, or fork from an earlier version"
            ) from error
    return found


def _reads_anew(
    d: Decision, before: NetIndex, step_id: str, variables: Mapping[str, Value]
) -> bool:
    """Whether what the step is given is written otherwise, or reads one of the variables. Items of
    maps keep what they were given."""
    now = d.net.step(step_id)
    if now.template is None or d.state.map_of(step_id):
        return False
    match before.step(step_id).step.action, now.step.action:
        case Task(inputs=old), Task(inputs=new):
            is_new = old != new
        case Call(input=old), Call(input=new):
            is_new = old != new
        case _:
            return False
    read = {path.split(".")[1] for path in _variables(d, step_id)} if variables else set()
    return is_new or not read.isdisjoint(variables)


def _variables(d: Decision, step_id: str) -> list[str]:
    template = d.net.step(step_id).template
    paths = () if template is None else template.paths(d.env.expressions)
    return [path for path in paths if path.startswith("vars.")]


def _rendered(d: Decision, state: RunState, step_id: str, variables: Mapping[str, Value]) -> Value:
    """What a step is given where it is now."""
    step, suffix = d.net.step(step_id), suffix_of(step_id)
    loop = d.net.loops[step.step.scope] + outside(suffix) if suffix else ""
    scope = Scope(
        state,
        variables=variables,
        depths=d.net.depths,
        suffix=suffix,
        loop=loop,
        index=index_of(suffix) if suffix else 0,
    )
    value = (
        None if step.template is None else step.template.render(scope.resolve, d.env.expressions)
    )
    bounded(value, d.env.limits, f"what {step_id} is given")
    return value


# -- what begins anew -----------------------------------------------------------------------------


def all_renewed(
    d: Decision,
    run_id: str,
    generation: int | None = None,
    steps: tuple[str, ...] = (),
    inputs: Given = NOTHING,
) -> tuple[Renewed, ...]:
    """All that was open begins anew in the run `run_id`, and so do `steps`."""
    return tuple(
        _with(_renewed(d, step_id, run_id, generation), inputs)
        for step_id in (*_open_steps(d), *steps)
    )


def _with(one: Renewed, inputs: Given) -> Renewed:
    given = inputs.get(one.step)
    if given is None:
        return one
    if one.call is not None:
        value = given.get("input") if isinstance(given, dict) else None
        call: Called = msgspec.structs.replace(one.call, input=value)
        return msgspec.structs.replace(one, call=call)
    return msgspec.structs.replace(one, inputs=given if isinstance(given, dict) else {})


def _open_steps(d: Decision) -> list[str]:
    """Those that somebody is to do, those that wait, and groups whose time runs."""
    return [
        step_id
        for step_id, step in d.state.steps.items()
        if (step.status in OPEN and not given_up(d, step_id)) or _is_timed(d, step_id)
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
