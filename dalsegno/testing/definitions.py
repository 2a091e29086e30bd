"""From what a test names a workflow by to its definition, and the tasks that come with it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import msgspec

from events.definition import Definition
from events.errors import Misconfigured
from node_agent.importing import load_registry
from node_agent.registry import TaskRegistry, collect
from node_agent.tasks import InterceptorMark, SubprocessTask, TaskType
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Authored, SomeSchemas, TaskSchema, Workflow, check, read

AnyWorkflow = Workflow | Definition | Authored | str | Path
"""A workflow, or the path of a file with one: .py, .yaml, .json or a WfFormat trace."""

Tasks = TaskType[..., object] | SubprocessTask | InterceptorMark | ModuleType | str | Path
"""Tasks and interceptors, modules that declare some, or their dotted names or paths."""


def gather(given: Iterable[Tasks]) -> TaskRegistry:
    """Returns the registry of these, with the tasks that every agent has.

    Raises `Misconfigured` for what declares no task, and for two tasks of one name.
    """
    places: list[str] = []
    namespaces: dict[str, Mapping[str, object]] = {}
    for number, one in enumerate(given):
        if isinstance(one, str | Path):
            places.append(str(one))
        elif isinstance(one, ModuleType):
            namespaces[one.__name__] = vars(one)
        elif isinstance(one, TaskType | SubprocessTask | InterceptorMark):
            namespaces[f"tasks[{number}]"] = {"given": one}
        else:
            raise Misconfigured(
                f"tasks has {one!r}: expected what @task makes of a function, a module with such, "
                "or its name or path"
            )
    found = load_registry(places)
    own = collect(namespaces)
    tasks = [*found.declared(), *own.declared()]
    return TaskRegistry(tasks, (*found.interceptors, *own.interceptors))


def authored(workflow: AnyWorkflow) -> Authored:
    """What is to be registered. A trace does not wait: its tasks take no time."""
    match workflow:
        case Workflow():
            return workflow.authored()
        case Definition():
            return Authored(workflow)
        case Authored():
            return workflow
        case _:
            return read(workflow)


def checked(one: Authored, registry: TaskRegistry) -> Definition:
    """The definition, once it has been checked against the tasks that are declared.

    Raises `InvalidDefinition` with all problems. Tasks that nobody declares may be faked yet.
    """
    described = msgspec.convert(msgspec.to_builtins(registry.describe()), list[TaskSchema])
    schemas = SomeSchemas({schema.name: schema for schema in described})
    check(one.definition, CelExpressions(), schemas, one.places).accepted(one.name)
    return one.definition
