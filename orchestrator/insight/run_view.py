"""A run's view from its state and net: named steps in order of completion, tasks, error."""

import msgspec

from events.api import ActionView, ErrorView, RunView, SourceView, StepView, TaskView
from events.net import Choice, Loop, Net, NetStep, Split, Task
from orchestrator.kernel.durations import as_text
from orchestrator.kernel.instances import static_of, suffix_of
from orchestrator.kernel.mapstate import MapState
from orchestrator.kernel.state import Action, RunState, StepState

KINDS = {Choice: "choice", Split: "parallel"}


def run_view(state: RunState, net: Net) -> RunView:
    """The state as it is shown; open steps come after the ended ones, in order of entry."""
    named = {step.name: step for step in net.steps if step.name}
    steps = state.steps | _never_run(state, named)
    ordered = ((name, named.get(static_of(name))) for name in _ordered(state, steps))
    shown = [(name, step) for name, step in ordered if step is not None]
    return RunView(
        run_id=state.run_id,
        workflow=state.workflow,
        workflow_version=state.workflow_version,
        version=state.version,
        status=state.status,
        output=state.output,
        error=_error(state),
        steps=tuple(_step(name, step, steps[name], _pending(state, name)) for name, step in shown),
        tasks=tuple(
            _task(name, step.action, steps[name])
            for name, step in shown
            if isinstance(step.action, Task)
        ),
        started_at=state.started_at or None,
        ended_at=state.ended_at,
        pending=_paused(state) or msgspec.UNSET,
        build=state.build or msgspec.UNSET,
        actions=tuple(_action(one) for one in state.actions) or msgspec.UNSET,
        forked_from=_source(state),
    )


def _source(state: RunState) -> SourceView | msgspec.UnsetType:
    origin = state.origin
    if origin.kind != "fork":
        return msgspec.UNSET
    return SourceView(run_id=origin.run_id, version=origin.version)


def _action(did: Action) -> ActionView:
    return ActionView(
        what=did.what,
        at=did.at,
        version=did.version,
        by=did.by,
        reason=did.reason,
        step=did.step,
        to=did.to,
        backup=did.backup or msgspec.UNSET,
    )


def _paused(state: RunState) -> str:
    if state.halted is not None:
        return f"what became of the transaction of {', '.join(state.settling) or 'a task'}"
    if state.paused is None:
        return ""
    return ": ".join(filter(None, ("paused", state.paused.reason)))


def _never_run(state: RunState, named: dict[str, NetStep]) -> dict[str, StepState]:
    """Of a run that came to its end: steps that it passed by without a decision that names them,
    such as the handlers of an error that did not happen."""
    if state.status != "completed" or state.part is not None:
        return {}
    return {
        name: StepState("skipped")
        for name, step in named.items()
        if name not in state.steps and not step.scope
    }


def _ordered(state: RunState, steps: dict[str, StepState]) -> list[str]:
    """Items of maps are counted by their map, not shown."""
    ended = dict.fromkeys(state.order)
    others = (name for name in steps if name not in ended)
    return [*ended, *(name for name in others if not state.map_of(name))]


def _error(state: RunState) -> ErrorView | None:
    failure = state.failure
    if failure is None or state.status not in {"failed", "timed_out"}:
        return None
    step = static_of(state.failed_step).split("/", 1)[0] + suffix_of(state.failed_step)
    return ErrorView(code=failure.code, message=failure.message, step=step, details=failure.details)


def _pending(state: RunState, name: str) -> str:
    """What a step waits for that is no task."""
    step = state.steps.get(name, NEVER)
    if step.loop is not None and step.loop.index is not None:
        return f"iteration {step.loop.index}"
    if name in state.calls:
        return f"run {state.calls[name]}"
    if step.map is not None:
        return _items(state, name, step.map)
    if step.status == "entered":
        return _group(state, name)
    if step.status != "waiting":
        return ""
    due_at = state.timers.get(f"wait:{name}", state.timers.get(f"until:{name}"))
    until = "" if due_at is None else f" until {as_text(due_at)}"
    signal = state.awaiting.get(name)
    return f"signal {signal}{until}" if signal else f"timer{until}"


def _group(state: RunState, name: str) -> str:
    """By when a group of steps is to be over."""
    if name in state.given_up:
        return "late: what is under way is called back"
    due_at = state.timers.get(f"within:{name}")
    return "" if due_at is None else f"until {as_text(due_at)}"


def _items(state: RunState, map_id: str, found: MapState) -> str:
    """How many items are over and under way, and what one of those that wait waits for."""
    parts = [f"{found.completed + found.failed} of {found.count} items over"]
    if found.failed:
        parts.append(f"{found.failed} failed")
    if found.open:
        under_way = f"{found.open} under way"
        parts.append(under_way if found.cut is None else f"{under_way} in runs of their own")
    for step_id in state.ready:
        if (why := state.steps[step_id].obstacle) and state.map_of(step_id) == map_id:
            parts.append(f"{why}: {state.steps[step_id].obstacle_detail}".removesuffix(": "))
            break
    return ", ".join(parts)


NEVER = StepState("skipped")


def _step(name: str, step: NetStep, state: StepState, pending: str) -> StepView:
    kind = KINDS.get(type(step.action), type(step.action).__name__.lower())
    if isinstance(step.action, Loop):
        kind = step.action.kind
    return StepView(
        name=name,
        kind=kind,
        status=state.status,
        started_at=state.started_at or state.ready_at,
        ended_at=state.ended_at,
        pending=pending or msgspec.UNSET,
    )


WAITS_FOR = {"retrying": "timer", "deferred": "its completion by token"}


def _settles(state: StepState) -> str:
    """That a task is given up, and what keeps that from being settled."""
    if state.settling is None:
        return ""
    told = "what became of its transaction is asked for"
    if state.obstacle:
        return f"{told}: {state.obstacle}: {state.obstacle_detail}"
    if not state.settling.tries or state.failure is None:
        return told
    return f"{told}, in vain so far: {state.failure.code}: {state.failure.message}"


def _task(name: str, action: Task, state: StepState) -> TaskView:
    pending = ": ".join(filter(None, (state.obstacle, state.obstacle_detail)))
    return TaskView(
        name=name,
        status=state.status,
        attempts=state.attempt,
        node=state.node,
        started_at=state.started_at,
        ended_at=state.ended_at,
        pending=_settles(state) or WAITS_FOR.get(state.status, pending),
        task=action.task,
    )
