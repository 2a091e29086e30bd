"""Steps as values, to be combined: `from orchestrator.authoring import steps`.

Each function makes one step with the id that comes first; `algebra` says how they are combined.
`input`, `vars`, `run`, `item` and `index` are the terms of a `Workflow` too.
"""

from dataclasses import dataclass, field, replace
from typing import Self, overload

import msgspec

from events.definition import (
    MAP_CONCURRENCY,
    Handler,
    Step,
    TaskStep,
    WaitStep,
)
from events.policies import Timeouts
from orchestrator.authoring import making
from orchestrator.authoring.algebra import (
    Choice,
    OnError,
    Parallel,
    Steps,
    expected,
    handling,
    nothing,
    sequence,
    together,
)
from orchestrator.authoring.authored import Marks
from orchestrator.authoring.handles import part
from orchestrator.authoring.making import (
    Condition,
    Duration,
    NamedTask,
    NamedWorkflow,
    condition_of,
)
from orchestrator.authoring.positions import here
from orchestrator.authoring.problems import Place
from orchestrator.authoring.quantities import seconds
from orchestrator.authoring.said import Change, OfMap, OfTask, Retried, Said
from orchestrator.authoring.terms import Term

__all__ = [
    "Call",
    "Map",
    "Steps",
    "Task",
    "Wait",
    "call",
    "choice",
    "fail",
    "index",
    "input",
    "item",
    "map",
    "nothing",
    "parallel",
    "run",
    "sequence",
    "set",
    "sleep",
    "task",
    "together",
    "vars",
    "wait_for",
    "wait_until",
]

# Names are those of the builder and of expressions, also where Python has one: they are read as
# `steps.input` and `steps.map`.
input = Term("input")  # noqa: A001
vars = Term("vars")  # noqa: A001
run = Term("run")
item = Term("iteration").item
index = Term("iteration").index


@dataclass(frozen=True, kw_only=True)
class One(Steps, Said):
    """One step. What is said of it gives another value."""

    step: Step
    parts: dict[str, Place] = field(default_factory=dict, compare=False, repr=False)
    handlers: tuple[tuple[tuple[str, ...], Steps], ...] = ()

    @property
    def id(self) -> str:
        return self.step.id

    @property
    def first(self) -> str:
        return self.step.id

    @overload
    def when(self, condition: Condition) -> Self: ...
    @overload
    def when(self, condition: Condition, otherwise: Steps | None = None) -> Steps: ...
    def when(self, condition: Condition, otherwise: Steps | None = None) -> Steps:
        if otherwise is not None:
            return super().when(condition, otherwise)
        said = condition_of(condition)
        if self.step.when is not None:
            said = f"({said}) && ({self.step.when})"
        return self._changed("when", lambda step: msgspec.structs.replace(step, when=said))

    def built(self, marks: Marks) -> tuple[Step, ...]:
        step = self.step
        if self.handlers:
            made = tuple(Handler(codes=c, steps=one.built(marks)) for c, one in self.handlers)
            step = msgspec.structs.replace(step, on_error=made)
        places = {f".on_error[{index}]": one.place for index, (_, one) in enumerate(self.handlers)}
        return (marks.put(step, {"": self.place, **places, **self.parts}),)

    def _changed(self, key: str, change: Change) -> Self:
        parts = {**self.parts, part(self.step, key): here()}
        return replace(self, step=change(self.step), parts=parts)


@dataclass(frozen=True, kw_only=True)
class WithOutput(One):
    """A step that has an output and may fail; `output` and `error` are terms for other steps."""

    @property
    def output(self) -> Term:
        return Term("steps")[self.id].output

    @property
    def error(self) -> Term:
        return Term("steps")[self.id].error

    def on_error(self, handler: OnError, *codes: str) -> Self:
        """The handler runs when the step fails for good with one of `codes` (none: any). Several
        are looked at in the order in which they are written."""
        made = (codes, handling(handler, self.error))
        return replace(self, handlers=(*self.handlers, made))


@dataclass(frozen=True, kw_only=True)
class Task(WithOutput, OfTask):
    """A task of a node."""

    def with_timeout(self, duration: Duration) -> Self:
        """At most so long from when it could start to its end, all attempts included; then it fails
        with code `timeout`. Of several the shortest counts. See `timeouts` for others."""
        limit_s = seconds(duration)

        def shorter(step: Step) -> Step:
            said = (step.timeouts if isinstance(step, TaskStep) else None) or Timeouts()
            least = min(limit_s, said.schedule_to_close_s or limit_s)
            limits = msgspec.structs.replace(said, schedule_to_close_s=least)
            return msgspec.structs.replace(step, timeouts=limits)

        return self._changed("timeouts", shorter)


@dataclass(frozen=True, kw_only=True)
class Map(WithOutput, OfMap):
    """A task for each item of a list: `retry`, `timeouts`, `needs` and `labels` are those of each;
    `output` is the list of their outputs."""


@dataclass(frozen=True, kw_only=True)
class Call(WithOutput, Retried):
    """A run of another workflow."""


@dataclass(frozen=True, kw_only=True)
class Wait(WithOutput):
    """A wait for time."""


@dataclass(frozen=True, kw_only=True)
class SignalWait(Wait):
    """A wait for a signal."""

    def with_timeout(self, duration: Duration) -> Self:
        """At most so long; then it fails with code `signal_timeout`. Of several the shortest
        counts."""
        limit_s = seconds(duration)

        def shorter(step: Step) -> Step:
            said_s = step.timeout_s if isinstance(step, WaitStep) else None
            return msgspec.structs.replace(step, timeout_s=min(limit_s, said_s or limit_s))

        return self._changed("wait.timeout", shorter)


def task(id_: str, task: str | NamedTask, /, **inputs: object) -> Task:
    """A task of this type, a name or the task itself; its parameters may hold terms."""
    return Task(step=making.task_step(id_, task, inputs))


def map(  # noqa: A001
    id_: str,
    task: str | NamedTask,
    items: object,
    /,
    *,
    concurrency: int = MAP_CONCURRENCY,
    batch: int | None = None,
    **inputs: object,
) -> Map:
    """A task for each item of a list, at most `concurrency` at the same time. `inputs` may hold
    `item` and `index`."""
    return Map(step=making.map_step(id_, task, items, inputs, (concurrency, batch)))


def call(
    id_: str, workflow: str | NamedWorkflow, value: object = None, /, *, version: str = ""
) -> Call:
    """A run of another workflow, a name or the workflow itself, with `value` as its input, in this
    version or the newest one."""
    return Call(step=making.call_step(id_, workflow, value, version))


def set(id_: str, /, **variables: object) -> One:  # noqa: A001
    """Sets variables, `vars.<name>` afterwards."""
    return One(step=making.set_step(id_, variables))


def fail(id_: str, code: str, message: Term | str = "") -> One:
    """Ends the run as failed; no handler takes that."""
    return One(step=making.fail_step(id_, code, message))


def sleep(id_: str, duration: Term | Duration) -> Wait:
    """Waits so long: seconds, `"5m"`, or a term that gives one of these."""
    return Wait(step=making.sleep_step(id_, duration))


def wait_until(id_: str, instant: Term | str) -> Wait:
    """Waits for an instant by RFC 3339, such as `"2026-12-24T18:00:00Z"`."""
    return Wait(step=making.until_step(id_, instant))


def wait_for(
    id_: str, signal: str, *, correlation: object = None, timeout: Duration | None = None
) -> SignalWait:
    """Waits for a signal to this run, whose data is its output. With a `correlation` only for a
    signal that has an equal one; after `timeout` it fails with code `signal_timeout`."""
    return SignalWait(step=making.signal_step(id_, signal, correlation, timeout))


def parallel(id_: str, /, **branches: Steps) -> Parallel:
    """Named branches at the same time, as one step."""
    named = tuple((name, expected(one, "parallel")) for name, one in branches.items())
    return Parallel(id=id_, branches=named)


def choice(id_: str, /, *cases: tuple[Condition, Steps], default: Steps) -> Choice:
    """The first case whose condition holds, `(steps.input.n > 3, large)`, else `default`, which may
    be `nothing`; as one step."""
    made = tuple((condition_of(when), expected(one, "choice")) for when, one in cases)
    return Choice(id=id_, cases=made, default=expected(default, "choice"))
