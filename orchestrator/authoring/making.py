"""Making steps of definitions from what authors write in Python: terms, durations, tasks.

The builder and the algebra make theirs here, so one value gives the same step in both.
"""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from events.definition import CallStep, FailStep, MapStep, SetStep, TaskStep, WaitStep
from events.values import Value
from orchestrator.authoring.quantities import seconds
from orchestrator.authoring.terms import Term, plain, source_of

Duration: TypeAlias = float | str
Condition: TypeAlias = Term | str


class NamedTask(Protocol):
    """What `@task` of a node agent returns, as far as it is needed here."""

    @property
    def name(self) -> str: ...


class NamedWorkflow(Protocol):
    """A workflow that another one calls."""

    @property
    def name(self) -> str: ...


def task_step(id_: str, task: str | NamedTask, inputs: Mapping[str, object]) -> TaskStep:
    return TaskStep(id=id_, task=name_of(task), inputs=values_of(inputs))


def map_step(
    id_: str,
    task: str | NamedTask,
    items: object,
    inputs: Mapping[str, object],
    pace: tuple[int, int | None],
) -> MapStep:
    """`pace` is how many are under way at the same time, and the batch."""
    concurrency, batch = pace
    return MapStep(
        id=id_,
        items=plain(items),
        task=name_of(task),
        inputs=values_of(inputs),
        concurrency=concurrency,
        batch=batch,
    )


def call_step(id_: str, workflow: str | NamedWorkflow, value: object, version: str) -> CallStep:
    return CallStep(id=id_, workflow=name_of(workflow), version=version, input=plain(value))


def set_step(id_: str, variables: Mapping[str, object]) -> SetStep:
    return SetStep(id=id_, variables=values_of(variables))


def fail_step(id_: str, code: str, message: Term | str) -> FailStep:
    return FailStep(id=id_, code=code, message=str(message))


def sleep_step(id_: str, duration: Term | Duration) -> WaitStep:
    if isinstance(duration, Term) or (isinstance(duration, str) and "${" in duration):
        return WaitStep(id=id_, duration=str(duration))
    return WaitStep(id=id_, duration=seconds(duration))


def until_step(id_: str, instant: Term | str) -> WaitStep:
    return WaitStep(id=id_, until=str(instant))


def signal_step(id_: str, signal: str, correlation: object, timeout: Duration | None) -> WaitStep:
    return WaitStep(
        id=id_, signal=signal, correlation=plain(correlation), timeout_s=seconds_of(timeout)
    )


def name_of(named: str | NamedTask | NamedWorkflow) -> str:
    return named if isinstance(named, str) else named.name


def values_of(named: Mapping[str, object]) -> dict[str, Value]:
    return {name: plain(value) for name, value in named.items()}


def condition_of(condition: Condition) -> str:
    return source_of(condition) if isinstance(condition, Term) else condition


def seconds_of(duration: Duration | None) -> float | None:
    return None if duration is None else seconds(duration)
