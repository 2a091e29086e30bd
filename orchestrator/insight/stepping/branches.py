"""A moment of a run as a tree of names and values, as a person wants to read it."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

import msgspec

from events.values import Value
from orchestrator.kernel.state import RunState
from orchestrator.replay.attempts import AttemptAt
from orchestrator.replay.moments import Moment, StepAt, TaskAt, VariableAt

SHOWN_MAX = 200
"""Branches of one; of more steps those that are open or failed come first."""
KINDS = {"split": "parallel", "within": "group"}
"""As authors call them."""
SETTLED = frozenset({"completed", "skipped", "cancelled"})
MORE = "…"
S = TypeVar("S", bound=StepAt)


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """`value`: unset for a branch that only holds others. `at`: an instant in its place. `status`
    gives a colour. `version`: of the event that says it."""

    name: str
    value: Value | msgspec.UnsetType = msgspec.UNSET
    at: int | None = None
    status: str = ""
    note: str = ""
    version: int = 0
    branches: tuple["Branch", ...] = ()


def first_steps(state: RunState, touched: Iterable[str]) -> list[str]:
    """Names of the steps to be shown when there are very many: those `touched`, then those that are
    open or failed, then the newest ones; in this order."""
    known = (name for name in touched if name in state.steps)
    wanted = dict.fromkeys(islice(known, SHOWN_MAX))
    open_ones = (name for name, one in state.steps.items() if one.status not in SETTLED)
    for name in chain(open_ones, reversed(state.steps)):
        if len(wanted) >= SHOWN_MAX:
            break
        wanted[name] = None
    return list(wanted)


def branches_of(moment: Moment, left_out: int = 0) -> tuple[Branch, ...]:
    """Parts with nothing in them are left out. `left_out`: steps that the moment does not have."""
    parts = (
        _run(moment),
        _part(
            "variables",
            (_variable(*one) for one in moment.variables.items()),
            len(moment.variables),
        ),
        _part("tasks", map(_task, _first(moment.tasks)), len(moment.tasks)),
        _part("steps", map(_step, _first(moment.steps)), len(moment.steps)),
        *_left_out(left_out),
        _part("tokens", _tokens(moment), len(moment.marking)),
        _part("waits for", _waits(moment), len(moment.waits)),
        _part("timers", _timers(moment), len(moment.timers)),
        _part("signals", _signals(moment), len(moment.signals)),
        _part("with nodes", _leases(moment), len(moment.leases)),
        _part("operators", _actions(moment), len(moment.actions)),
        Branch(name="input", value=moment.input),
    )
    return tuple(
        one
        for one in parts
        if one.branches or one.status or one.name == MORE or one.value is not msgspec.UNSET
    )


def _part(name: str, branches: Iterable[Branch], count: int) -> Branch:
    """With the first of `count` branches."""
    shown = tuple(islice(branches, SHOWN_MAX))
    if count > len(shown):
        shown = (*shown, Branch(name=MORE, note=f"{count - len(shown)} more"))
    return Branch(name=name, note=str(count), branches=shown)


def _left_out(steps: int) -> Iterator[Branch]:
    if steps > 0:
        yield Branch(name=MORE, note=f"{steps} steps more that are over")


def _run(moment: Moment) -> Branch:
    inner = [Branch(name="workflow", note=moment.workflow)] if moment.workflow else []
    if moment.started_at:
        inner.append(Branch(name="began", at=moment.started_at))
    if moment.ended_at:
        inner.append(Branch(name="ended", at=moment.ended_at))
    if moment.origin.run_id:
        origin = moment.origin
        version = f" at version {origin.version}" if origin.version else ""
        inner.append(Branch(name=origin.kind, note=f"{origin.run_id}{version}"))
    if moment.paused is not None:
        inner.append(Branch(name="paused", at=moment.paused.at, note=moment.paused.reason))
    if moment.closing is not None:
        closing = moment.closing
        inner.append(Branch(name="ends as", status=closing.status, note=closing.reason))
    if moment.failure is not None:
        failure = moment.failure
        told = f"{failure.code}: {failure.message}" if failure.message else failure.code
        where = f" in {moment.failed_step}" if moment.failed_step else ""
        inner.append(Branch(name=f"failure{where}", note=told, status="failed"))
    if moment.output is not None:
        inner.append(Branch(name="output", value=moment.output))
    return Branch(name="run", status=moment.status, branches=tuple(inner))


def _variable(name: str, one: VariableAt) -> Branch:
    note = f"of {one.run_id}" if one.run_id else ""
    return Branch(name=name, value=one.value, version=one.version, note=note)


def _first(steps: Iterable[S]) -> list[S]:
    """Those that are open, or failed, before the others when there are very many."""
    found = list(steps)
    if len(found) <= SHOWN_MAX:
        return found
    return sorted(found, key=lambda one: one.status in SETTLED)[:SHOWN_MAX]


def _step(step: StepAt) -> Branch:
    notes = [KINDS.get(step.kind, step.kind)]
    if step.iteration is not None:
        notes.append(f"iteration {step.iteration}")
    if step.map is not None:
        over = step.map.completed + step.map.failed
        notes.append(f"{over} of {step.map.count} over, {step.map.open} under way")
    if step.run_id:
        notes.append(f"run {step.run_id}")
    note = ", ".join(filter(None, notes))
    return Branch(name=step.name, status=step.status, note=note, branches=tuple(_came(step)))


def _task(task: TaskAt) -> Branch:
    last = task.attempts[-1] if task.attempts else None
    notes = [f"attempt {last.number} on {last.node}" if last is not None else "", task.obstacle]
    inner = [Branch(name="task", note=task.task)] if task.task else []
    if task.inputs:
        inner.append(Branch(name="inputs", value=task.inputs))
    inner.extend(_came(task))
    if task.next_attempt_at:
        inner.append(Branch(name="next attempt", at=task.next_attempt_at))
    if len(task.attempts) > 1 or (last is not None and last.failure is not None):
        inner.extend(map(_attempt, task.attempts))
    note = ", ".join(filter(None, notes))
    return Branch(name=task.name, status=task.status, note=note, branches=tuple(inner))


def _came(step: StepAt) -> Iterator[Branch]:
    """What came of it."""
    if step.output is not None:
        yield Branch(name="output", value=step.output)
    if step.failure is not None:
        failure = step.failure
        told = f"{failure.code}: {failure.message}" if failure.message else failure.code
        handled = ", handled" if step.handled else ""
        yield Branch(name="failure", note=f"{told}{handled}", status="failed")


def _attempt(attempt: AttemptAt) -> Branch:
    failure = f", {attempt.failure.code}" if attempt.failure is not None else ""
    why = f": {attempt.why}" if attempt.why else ""
    return Branch(
        name=f"attempt {attempt.number}",
        status=attempt.outcome or "running",
        note=f"on {attempt.node}{failure}{why}",
        version=attempt.version,
    )


def _tokens(moment: Moment) -> Iterator[Branch]:
    for one in moment.marking:
        where = f"{one.source} → {one.target}" if one.source else one.arc
        yield Branch(name=where, value=one.count)


def _waits(moment: Moment) -> Iterator[Branch]:
    for one in moment.waits:
        note = ", ".join(filter(None, (one.kind, one.name)))
        yield Branch(name=one.step or "the run", at=one.due_at, note=note)


def _timers(moment: Moment) -> Iterator[Branch]:
    for one in moment.timers:
        yield Branch(name=f"{one.what} {one.step}".rstrip(), at=one.due_at)


def _signals(moment: Moment) -> Iterator[Branch]:
    for one in moment.signals:
        yield Branch(name=one.name, value=one.data, note=f"id {one.id}")


def _leases(moment: Moment) -> Iterator[Branch]:
    """What a node has, and what it is to do with it."""
    told = {one.step: one for one in moment.commands}
    for one in moment.leases:
        command = told.get(one.step)
        code = f" ({command.code})" if command is not None and command.code else ""
        what = "" if command is None else f"to {command.kind}{code}"
        note = ", ".join(filter(None, (f"attempt {one.attempt} on {one.node}", what)))
        yield Branch(name=one.step, note=note, at=one.since)


def _actions(moment: Moment) -> Iterator[Branch]:
    for one in moment.actions:
        note = ": ".join(filter(None, (f"{one.by} {one.step}".strip(), one.reason)))
        yield Branch(name=one.what, note=note, at=one.at, version=one.version)


def inside(name: str, value: Value) -> tuple[Branch, ...]:
    """What is inside a value, for a tree that opens it."""
    if isinstance(value, dict):
        return tuple(Branch(name=key, value=inner) for key, inner in value.items())
    if isinstance(value, list):
        items = enumerate(value[:SHOWN_MAX])
        return tuple(Branch(name=f"{name}[{number}]", value=inner) for number, inner in items)
    return ()
