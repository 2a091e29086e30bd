"""The Python builder: the same definitions as YAML, with completion and a type checker.

    flow = Workflow("greet", timeout="10m")
    page = flow.task("fetch", "demo.fetch", url=flow.input.url)
    route = flow.choice("route")
    with route.case(page.output.size > 1000):
        short = flow.task("shorten", "demo.shorten", text=page.output.text)
        flow.set("use_short", text=short.output)
    with route.default():
        flow.set("use_all", text=page.output.text)
    flow.output(text=flow.vars.text)

A step is added to the list that is open: the workflow's own, or that of the `with` block one is in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, Self, TypeVar

import msgspec

from events.definition import (
    ITERATIONS_MAX,
    MAP_CONCURRENCY,
    CallStep,
    Case,
    ChoiceStep,
    Definition,
    FailStep,
    ForEachStep,
    Handler,
    LoopStep,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    TaskStep,
    UntilStep,
    Update,
    WaitStep,
    WhileStep,
)
from events.policies import Needs, Retry, RunOptions, Timeouts
from events.values import Value
from orchestrator.authoring.problems import InvalidDefinition, Problem
from orchestrator.authoring.quantities import seconds, size_bytes
from orchestrator.authoring.terms import Term, plain, source_of

Duration = float | str
Condition = Term | str
OutputStep = TaskStep | WaitStep | LoopStep | MapStep | CallStep
Rule = Literal["all", "any", "fail_fast", "collect"]


class NamedTask(Protocol):
    """What `@task` of a node agent returns, as far as it is needed here."""

    @property
    def name(self) -> str: ...


H = TypeVar("H", bound="StepHandle")


class Lists:
    """The lists of steps that are open, innermost last."""

    def __init__(self) -> None:
        self._open: list[list[StepHandle]] = [[]]

    def add(self, handle: "StepHandle") -> None:
        self._open[-1].append(handle)

    @contextmanager
    def block(self, steps: "list[StepHandle]") -> Iterator[None]:
        """Steps added inside go to `steps`."""
        self._open.append(steps)
        try:
            yield
        finally:
            self._open.pop()

    def outermost(self) -> tuple[Step, ...]:
        return _built(self._open[0])


class StepHandle:
    """A step that was added. Its methods say more about it and return it."""

    def __init__(self, step: Step) -> None:
        self.id = step.id
        self._step = step

    def after(self, *steps: "StepHandle | str") -> Self:
        """Wait for these steps of the same list instead of the previous one; for none: at once."""
        ids = tuple(step if isinstance(step, str) else step.id for step in steps)
        self._step = msgspec.structs.replace(self._step, depends_on=ids)
        return self

    def when(self, condition: Condition) -> Self:
        """Skip the step unless the condition holds."""
        self._step = msgspec.structs.replace(self._step, when=_condition(condition))
        return self

    def build(self) -> Step:
        """The step with all that is inside it."""
        return self._step


class OutputHandle(StepHandle):
    """A step that has an output and may fail; `output` and `error` are terms for later steps."""

    def __init__(self, step: OutputStep, lists: Lists) -> None:
        super().__init__(step)
        self._lists = lists
        self._handlers: list[tuple[tuple[str, ...], list[StepHandle]]] = []
        self.output = Term("steps")[step.id].output
        self.error = Term("steps")[step.id].error

    @contextmanager
    def on_error(self, *codes: str) -> Iterator[None]:
        """The steps inside run when the step fails for good with one of `codes` (none: any)."""
        steps: list[StepHandle] = []
        self._handlers.append((codes, steps))
        with self._lists.block(steps):
            yield

    def build(self) -> Step:
        handlers = tuple(Handler(codes=c, steps=_built(steps)) for c, steps in self._handlers)
        return msgspec.structs.replace(self._step, on_error=handlers)


class CallHandle(OutputHandle):
    """A step that runs another workflow, or something on a node; it can be tried again."""

    def retry(self, policy: Retry | int) -> Self:
        """A policy, or only the most attempts."""
        retry = Retry(attempts_max=policy) if isinstance(policy, int) else policy
        self._step = msgspec.structs.replace(self._step, retry=retry)
        return self


class TaskHandle(CallHandle):
    """A task that was added."""

    def timeouts(
        self,
        start_to_close: Duration | None = None,
        schedule_to_start: Duration | None = None,
        schedule_to_close: Duration | None = None,
        heartbeat: Duration | None = None,
    ) -> Self:
        """Seconds, or durations such as `"5m"`."""
        limits = Timeouts(
            schedule_to_start_s=_seconds(schedule_to_start),
            start_to_close_s=_seconds(start_to_close),
            schedule_to_close_s=_seconds(schedule_to_close),
            heartbeat_s=_seconds(heartbeat),
        )
        self._step = msgspec.structs.replace(self._step, timeouts=limits)
        return self

    def needs(
        self,
        cpu: float = 0.0,
        memory: int | str = 0,
        disk: int | str = 0,
        gpu: int = 0,
        custom: dict[str, float] | None = None,
    ) -> Self:
        """What the task needs of a node: cores, bytes (`"512MB"`), devices, named units."""
        needs = Needs(
            cpu=cpu,
            memory_bytes=size_bytes(memory),
            disk_bytes=size_bytes(disk),
            gpu=gpu,
            custom=custom or {},
        )
        self._step = msgspec.structs.replace(self._step, needs=needs)
        return self

    def labels(self, **labels: str) -> Self:
        """Labels that the node must carry."""
        self._step = msgspec.structs.replace(self._step, labels=labels)
        return self


class MapHandle(TaskHandle):
    """A task for each item of a list: `retry`, `timeouts`, `needs` and `labels` are those of each;
    `output` is the list of their outputs."""

    def done_when(self, rule: Rule) -> Self:
        """`all` have completed (as it is when nothing is said), `any` has; `fail_fast`: as all, and
        the first failure ends it; `collect`: all are over, failures are among the results."""
        self._step = msgspec.structs.replace(self._step, complete_when=rule, number=0.0)
        return self

    def done_when_count(self, number: int) -> Self:
        """Done when so many have completed."""
        return self._counted("count", number)

    def done_when_percent(self, number: float) -> Self:
        """Done when so many of a hundred have completed."""
        return self._counted("percent", number)

    def _counted(self, rule: str, number: float) -> Self:
        step = msgspec.structs.replace(self._step, complete_when=rule, number=float(number))
        self._step = step
        return self


class LoopHandle(OutputHandle):
    """Steps that are repeated. `index` and `item` are terms for the steps inside; `output` is that
    of the last iteration, or the list of all of them for a loop over a list.
    """

    def __init__(self, step: LoopStep, lists: Lists) -> None:
        super().__init__(step, lists)
        self._body: list[StepHandle] = []
        self.index = Term("iteration").index
        self.item = Term("iteration").item

    @contextmanager
    def body(self) -> Iterator[None]:
        """The steps inside are repeated; opened again, more of them."""
        with self._lists.block(self._body):
            yield

    def until(self, condition: Condition) -> Self:
        """Says when a loop ends whose condition reads what is inside it."""
        self._step = msgspec.structs.replace(self._step, condition=_condition(condition))
        return self

    def build(self) -> Step:
        return msgspec.structs.replace(super().build(), steps=_built(self._body))


class ChoiceHandle(StepHandle):
    """An exclusive split: cases in order, and what happens when none holds."""

    def __init__(self, step: ChoiceStep, lists: Lists) -> None:
        super().__init__(step)
        self._lists = lists
        self._cases: list[tuple[str, list[StepHandle]]] = []
        self._default: list[StepHandle] | None = None

    @contextmanager
    def case(self, condition: Condition) -> Iterator[None]:
        """The steps inside run when this is the first condition that holds."""
        steps: list[StepHandle] = []
        self._cases.append((_condition(condition), steps))
        with self._lists.block(steps):
            yield

    @contextmanager
    def default(self) -> Iterator[None]:
        """The steps inside run when no condition holds; always said, if only by `pass`."""
        self._default = []
        with self._lists.block(self._default):
            yield

    def build(self) -> Step:
        if self._default is None:
            message = f"choice `{self.id}` needs a default: add `with ….default(): pass`"
            raise InvalidDefinition([Problem(code="no_default", where="", message=message)])
        return msgspec.structs.replace(
            self._step,
            cases=tuple(Case(when=when, steps=_built(steps)) for when, steps in self._cases),
            default=_built(self._default),
        )


class ParallelHandle(StepHandle):
    """Branches that run at the same time."""

    def __init__(self, step: ParallelStep, lists: Lists) -> None:
        super().__init__(step)
        self._lists = lists
        self._branches: dict[str, list[StepHandle]] = {}

    @contextmanager
    def branch(self, name: str) -> Iterator[None]:
        """The steps inside are one branch; opened again, more of it."""
        with self._lists.block(self._branches.setdefault(name, [])):
            yield

    def build(self) -> Step:
        branches = {name: _built(steps) for name, steps in self._branches.items()}
        return msgspec.structs.replace(self._step, branches=branches)


class Workflow:
    """A workflow that is being written. `input`, `vars` and `run` are terms."""

    def __init__(
        self,
        name: str,
        options: RunOptions | None = None,
        *,
        description: str = "",
        timeout: Duration | None = None,
    ) -> None:
        options = options or RunOptions()
        if timeout is not None:
            options = msgspec.structs.replace(options, timeout_s=seconds(timeout))
        self.name = name
        self.input = Term("input")
        self.vars = Term("vars")
        self.run = Term("run")
        self.item = Term("iteration").item
        """The item of the map, in the inputs that it gives; of a loop see its handle."""
        self.index = Term("iteration").index
        self._description = description
        self._options = options
        self._lists = Lists()
        self._output: Value = None
        self.update = Term("update")
        """The data of the request, in what `accept_update` is given."""
        self._updates: dict[str, Update] = {}

    def task(self, id_: str, task: str | NamedTask, /, **inputs: object) -> TaskHandle:
        """Adds a task of this type, a name or the task itself; its parameters may hold terms."""
        name = task if isinstance(task, str) else task.name
        step = TaskStep(id=id_, task=name, inputs=_values(inputs))
        return self._added(TaskHandle(step, self._lists))

    def map(
        self,
        id_: str,
        task: str | NamedTask,
        items: object,
        /,
        *,
        concurrency: int = MAP_CONCURRENCY,
        batch: int | None = None,
        **inputs: object,
    ) -> MapHandle:
        """Adds a task for each item of a list, at most `concurrency` at the same time. `inputs` may
        hold `flow.item` and `flow.index`."""
        step = MapStep(
            id=id_,
            items=plain(items),
            task=task if isinstance(task, str) else task.name,
            inputs=_values(inputs),
            concurrency=concurrency,
            batch=batch,
        )
        return self._added(MapHandle(step, self._lists))

    def call(
        self,
        id_: str,
        workflow: str,
        value: object = None,
        /,
        *,
        version: str = "",
    ) -> CallHandle:
        """Adds a step that runs another workflow with `value` as its input, in this version or the
        newest one."""
        step = CallStep(id=id_, workflow=workflow, version=version, input=plain(value))
        return self._added(CallHandle(step, self._lists))

    def set(self, id_: str, /, **variables: object) -> StepHandle:
        """Adds a step that sets variables, `flow.vars.<name>` afterwards."""
        return self._added(StepHandle(SetStep(id=id_, variables=_values(variables))))

    def choice(self, id_: str) -> ChoiceHandle:
        """Adds a choice; open its cases with `with`."""
        return self._added(ChoiceHandle(ChoiceStep(id=id_, cases=(), default=()), self._lists))

    def parallel(self, id_: str) -> ParallelHandle:
        """Adds a parallel; open its branches with `with`."""
        return self._added(ParallelHandle(ParallelStep(id=id_, branches={}), self._lists))

    def repeat_while(
        self, id_: str, condition: Condition, *, most: int = ITERATIONS_MAX
    ) -> LoopHandle:
        """Adds a loop that goes on as long as the condition holds, looked at before each iteration;
        open its `body` with `with`. It fails when it needs more than `most` iterations."""
        return self._loop(WhileStep(id=id_, condition=_condition(condition), iterations_max=most))

    def repeat_until(
        self, id_: str, condition: Condition = "", *, most: int = ITERATIONS_MAX
    ) -> LoopHandle:
        """Adds a loop that ends when the condition holds, looked at after each iteration. One that
        reads what is inside can be said afterwards by `until`."""
        return self._loop(UntilStep(id=id_, condition=_condition(condition), iterations_max=most))

    def for_each(self, id_: str, items: object, *, most: int = ITERATIONS_MAX) -> LoopHandle:
        """Adds a loop that has an iteration for each item of a list, one after the other."""
        return self._loop(ForEachStep(id=id_, items=plain(items), iterations_max=most))

    def _loop(self, step: LoopStep) -> LoopHandle:
        return self._added(LoopHandle(step, self._lists))

    def sleep(self, id_: str, duration: Term | Duration) -> OutputHandle:
        """Adds a step that waits so long: seconds, `"5m"`, or a term that gives one of these."""
        if isinstance(duration, Term) or (isinstance(duration, str) and "${" in duration):
            return self._wait(WaitStep(id=id_, duration=str(duration)))
        return self._wait(WaitStep(id=id_, duration=seconds(duration)))

    def wait_until(self, id_: str, instant: Term | str) -> OutputHandle:
        """Adds a step that waits for an instant by RFC 3339, such as `"2026-12-24T18:00:00Z"`."""
        return self._wait(WaitStep(id=id_, until=str(instant)))

    def wait_for(
        self,
        id_: str,
        signal: str,
        *,
        correlation: object = None,
        timeout: Duration | None = None,
    ) -> OutputHandle:
        """Adds a step that waits for a signal to this run, whose data is its output. With a
        `correlation` only for a signal that has an equal one; after `timeout` it fails with code
        `signal_timeout`."""
        step = WaitStep(
            id=id_, signal=signal, correlation=plain(correlation), timeout_s=_seconds(timeout)
        )
        return self._wait(step)

    def _wait(self, step: WaitStep) -> OutputHandle:
        return self._added(OutputHandle(step, self._lists))

    def fail(self, id_: str, code: str, message: Term | str = "") -> StepHandle:
        """Adds a step that ends the run as failed."""
        return self._added(StepHandle(FailStep(id=id_, code=code, message=str(message))))

    def accept_update(self, name: str, condition: Condition = "", /, **variables: object) -> None:
        """Lets clients set these variables while a run is open, when the condition holds."""
        self._updates[name] = Update(accept=_condition(condition), variables=_values(variables))

    def output(self, value: object = None, /, **fields: object) -> None:
        """What the run returns: one value, or an object of `fields`."""
        self._output = plain(fields if fields else value)

    def definition(self) -> Definition:
        """The definition so far. Raises `InvalidDefinition` for a choice without default."""
        return Definition(
            name=self.name,
            description=self._description,
            options=self._options,
            steps=self._lists.outermost(),
            output=self._output,
            updates=self._updates,
        )

    def _added(self, handle: H) -> H:
        self._lists.add(handle)
        return handle


def _built(handles: list[StepHandle]) -> tuple[Step, ...]:
    return tuple(handle.build() for handle in handles)


def _values(named: dict[str, object]) -> dict[str, Value]:
    return {name: plain(value) for name, value in named.items()}


def _condition(condition: Condition) -> str:
    return source_of(condition) if isinstance(condition, Term) else condition


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else seconds(duration)
