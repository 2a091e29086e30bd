"""The schema of a WfFormat trace, as far as it is read, and what must hold beyond the schema.

Field names are the format's own. What a trace says beside these (machines, commands, power) is
passed over: it tells how the work was done, not what has to be done.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from events.limits import Limits
from orchestrator.authoring.problems import Problems, suggestion

Id = Annotated[str, Meta(min_length=1)]

TASKS = "workflow.specification.tasks"
FILES = "workflow.specification.files"
EXECUTED = "workflow.execution.tasks"


class TraceTask(msgspec.Struct, frozen=True, rename="camel"):
    name: Id
    id: Id
    parents: tuple[str, ...]
    children: tuple[str, ...]
    input_files: tuple[str, ...] = ()
    output_files: tuple[str, ...] = ()


class TraceFile(msgspec.Struct, frozen=True, rename="camel"):
    id: Id
    size_in_bytes: int


class Specification(msgspec.Struct, frozen=True):
    tasks: tuple[TraceTask, ...]
    files: tuple[TraceFile, ...] = ()


class ExecutedTask(msgspec.Struct, frozen=True, rename="camel"):
    id: Id
    runtime_in_seconds: float


class Execution(msgspec.Struct, frozen=True):
    tasks: tuple[ExecutedTask, ...] = ()


class TraceWorkflow(msgspec.Struct, frozen=True):
    specification: Specification
    execution: Execution = Execution()


class Trace(msgspec.Struct, frozen=True, rename="camel"):
    name: Id
    schema_version: str
    workflow: TraceWorkflow
    description: str = ""

    @property
    def tasks(self) -> tuple[TraceTask, ...]:
        return self.workflow.specification.tasks

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that the trace lists."""
        return {file.id: file.size_in_bytes for file in self.workflow.specification.files}

    def runtimes_s(self) -> dict[str, float]:
        """Recorded seconds by task; what was not recorded is not there."""
        return {task.id: task.runtime_in_seconds for task in self.workflow.execution.tasks}


class Judge:
    """Looks for everything that the schema cannot say; gives up when there is far too much."""

    def __init__(self, trace: Trace, problems: Problems, time_scale: float, limits: Limits) -> None:
        self._trace = trace
        self._problems = problems
        self._time_scale = time_scale
        self._limits = limits
        self._ids = {task.id for task in trace.tasks}

    def judge(self) -> None:
        if not self._trace.tasks:
            self._problems.add("empty", TASKS, "no tasks: a trace needs at least one")
        if len(self._trace.tasks) > (most := self._limits.steps_max):
            self._problems.add("too_large", TASKS, f"over {most} tasks: split the trace")
            return
        self._unique(TASKS, [task.id for task in self._trace.tasks])
        self._unique(FILES, [file.id for file in self._trace.workflow.specification.files])
        self._unique(EXECUTED, [task.id for task in self._trace.workflow.execution.tasks])
        self._relations()
        self._files()
        self._runtimes()

    def _unique(self, where: str, ids: Sequence[str]) -> None:
        first: dict[str, int] = {}
        for index, one in enumerate(ids):
            if (other := first.setdefault(one, index)) != index:
                message = f"id `{one}` twice, first at {where}[{other}]: give each its own"
                self._problems.add("duplicate_id", f"{where}[{index}].id", message)

    def _relations(self) -> None:
        for index, task in enumerate(self._trace.tasks):
            if self._problems.is_overflowing:
                return
            for kind, names in (("parents", task.parents), ("children", task.children)):
                for place, name in self._unknown(names):
                    mend = suggestion(name, self._ids) or ": list it, or take it away here"
                    message = f"there is no task `{name}`{mend}"
                    where = f"{TASKS}[{index}].{kind}[{place}]"
                    self._problems.add("unknown_task", where, message)

    def _unknown(self, names: Sequence[str]) -> Iterator[tuple[int, str]]:
        return ((place, name) for place, name in enumerate(names) if name not in self._ids)

    def _files(self) -> None:
        sizes = self._trace.sizes()
        for index, file in enumerate(self._trace.workflow.specification.files):
            if file.size_in_bytes < 0:
                message = f"`{file.id}` has {file.size_in_bytes} bytes: expected 0 or more"
                self._problems.add("out_of_range", f"{FILES}[{index}].sizeInBytes", message)
        for index, task in enumerate(self._trace.tasks if sizes else ()):
            for kind, names in (
                ("inputFiles", task.input_files),
                ("outputFiles", task.output_files),
            ):
                for place, name in enumerate(names):
                    if name not in sizes:
                        message = f"`{name}` is not in {FILES}, so its size is not known: add it"
                        where = f"{TASKS}[{index}].{kind}[{place}]"
                        self._problems.add("unknown_file", where, message)

    def _runtimes(self) -> None:
        for index, task in enumerate(self._trace.workflow.execution.tasks):
            if self._problems.is_overflowing:
                return
            where, runtime_s = f"{EXECUTED}[{index}]", task.runtime_in_seconds
            if task.id not in self._ids:
                mend = suggestion(task.id, self._ids) or f": list it in {TASKS}"
                self._problems.add("unknown_task", f"{where}.id", f"no task `{task.id}`{mend}")
            if runtime_s < 0:
                message = f"`{task.id}` ran for {runtime_s:g} s: expected 0 or more"
                self._problems.add("out_of_range", f"{where}.runtimeInSeconds", message)
            elif runtime_s * self._time_scale > (most_s := self._limits.duration_s_max):
                message = (
                    f"{runtime_s:g} s times {self._time_scale:g} is over {most_s:.0f} s: "
                    "give a smaller --time-scale"
                )
                self._problems.add("out_of_range", f"{where}.runtimeInSeconds", message)
