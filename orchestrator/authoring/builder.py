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
`flow.add` does the same with steps that were combined as values (see `algebra`).
"""

from typing import TypeVar

import msgspec

from events.definition import (
    ITERATIONS_MAX,
    MAP_CONCURRENCY,
    ChoiceStep,
    Definition,
    ForEachStep,
    LoopStep,
    ParallelStep,
    UntilStep,
    Update,
    WaitStep,
    WhileStep,
    WithinStep,
)
from events.policies import RunOptions
from events.values import Value
from orchestrator.authoring import making
from orchestrator.authoring.algebra import Steps, expected
from orchestrator.authoring.authored import Authored, Marks
from orchestrator.authoring.handles import (
    CallHandle,
    ChoiceHandle,
    Lists,
    LoopHandle,
    MapHandle,
    OutputHandle,
    ParallelHandle,
    StepHandle,
    TaskHandle,
    WithinHandle,
)
from orchestrator.authoring.making import (
    Condition,
    Duration,
    NamedTask,
    NamedWorkflow,
    condition_of,
)
from orchestrator.authoring.positions import here
from orchestrator.authoring.quantities import seconds
from orchestrator.authoring.terms import Term, plain

H = TypeVar("H", bound=StepHandle)


class Workflow:
    """A workflow that is being written. `input`, `vars` and `run` are terms."""

    def __init__(
        self,
        name: str,
        options: RunOptions | None = None,
        *,
        description: str = "",
        timeout: Duration | None = None,
        personal: bool = False,
    ) -> None:
        """`personal`: what users and handlers say in a run is sealed with a key that can be dropped
        (`dalsegno erase`)."""
        options = options or RunOptions()
        if personal:
            options = msgspec.structs.replace(options, personal=True)
        if timeout is not None:
            options = msgspec.structs.replace(options, timeout_s=seconds(timeout))
        self.name = name
        self.input = Term("input")
        self.vars = Term("vars")
        self.run = Term("run")
        self.item = Term("iteration").item
        """The item of the map, in the inputs that it gives; of a loop see its handle."""
        self.index = Term("iteration").index
        self.update = Term("update")
        """The data of the request, in what `accept_update` is given."""
        self._description = description
        self._options = options
        self._lists = Lists()
        self._output: Value = None
        self._updates: dict[str, Update] = {}
        self._places = {"": here()}

    def add(self, expression: Steps) -> None:
        """Adds steps that were combined as values, `flow.add(fetch.then(parse.par_with(x)))`."""
        self._lists.add(expected(expression, "flow.add"))

    def task(self, id_: str, task: str | NamedTask, /, **inputs: object) -> TaskHandle:
        """Adds a task of this type, a name or the task itself; its parameters may hold terms."""
        return self._added(TaskHandle(making.task_step(id_, task, inputs), self._lists))

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
        step = making.map_step(id_, task, items, inputs, (concurrency, batch))
        return self._added(MapHandle(step, self._lists))

    def call(
        self,
        id_: str,
        workflow: str | NamedWorkflow,
        value: object = None,
        /,
        *,
        version: str = "",
    ) -> CallHandle:
        """Adds a step that runs another workflow, a name or the workflow itself, with `value` as
        its input, in this version or the newest one."""
        step = making.call_step(id_, workflow, value, version)
        return self._added(CallHandle(step, self._lists))

    def set(self, id_: str, /, **variables: object) -> StepHandle:
        """Adds a step that sets variables, `flow.vars.<name>` afterwards."""
        return self._added(StepHandle(making.set_step(id_, variables)))

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
        return self._loop(WhileStep(id=id_, condition=condition_of(condition), iterations_max=most))

    def repeat_until(
        self, id_: str, condition: Condition = "", *, most: int = ITERATIONS_MAX
    ) -> LoopHandle:
        """Adds a loop that ends when the condition holds, looked at after each iteration. One that
        reads what is inside can be said afterwards by `until`."""
        return self._loop(UntilStep(id=id_, condition=condition_of(condition), iterations_max=most))

    def for_each(self, id_: str, items: object, *, most: int = ITERATIONS_MAX) -> LoopHandle:
        """Adds a loop that has an iteration for each item of a list, one after the other."""
        return self._loop(ForEachStep(id=id_, items=plain(items), iterations_max=most))

    def _loop(self, step: LoopStep) -> LoopHandle:
        return self._added(LoopHandle(step, self._lists))

    def within(self, id_: str, limit: Duration) -> WithinHandle:
        """Adds a group of steps that are all to be over so soon; open its `body` with `with`. Else
        what of them is under way is called back and it fails with code `within_timeout`."""
        return self._added(WithinHandle(WithinStep(id=id_, timeout_s=seconds(limit)), self._lists))

    def sleep(self, id_: str, duration: Term | Duration) -> OutputHandle:
        """Adds a step that waits so long: seconds, `"5m"`, or a term that gives one of these."""
        return self._wait(making.sleep_step(id_, duration))

    def wait_until(self, id_: str, instant: Term | str) -> OutputHandle:
        """Adds a step that waits for an instant by RFC 3339, such as `"2026-12-24T18:00:00Z"`."""
        return self._wait(making.until_step(id_, instant))

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
        return self._wait(making.signal_step(id_, signal, correlation, timeout))

    def _wait(self, step: WaitStep) -> OutputHandle:
        return self._added(OutputHandle(step, self._lists))

    def fail(self, id_: str, code: str, message: Term | str = "") -> StepHandle:
        """Adds a step that ends the run as failed."""
        return self._added(StepHandle(making.fail_step(id_, code, message)))

    def accept_update(self, name: str, condition: Condition = "", /, **variables: object) -> None:
        """Lets clients set these variables while a run is open, when the condition holds."""
        accept = condition_of(condition)
        self._places[f"updates.{name}"] = here()
        self._updates[name] = Update(accept=accept, variables=making.values_of(variables))

    def output(self, value: object = None, /, **fields: object) -> None:
        """What the run returns: one value, or an object of `fields`."""
        self._output = plain(fields if fields else value)
        self._places["output"] = here()

    def definition(self) -> Definition:
        """The definition so far. Raises `InvalidDefinition` for a choice without default."""
        return self.authored().definition

    def authored(self) -> Authored:
        """The same with the lines in which its parts were written, for `check`."""
        marks = Marks()
        definition = Definition(
            name=self.name,
            description=self._description,
            options=self._options,
            steps=self._lists.outermost(marks),
            output=self._output,
            updates=self._updates,
        )
        return Authored(definition, {**self._places, **marks.by_path(definition)})

    def _added(self, handle: H) -> H:
        self._lists.add(handle)
        return handle
