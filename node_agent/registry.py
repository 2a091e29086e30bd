"""The tasks that this agent can run, collected from the modules that it was told to import."""

from collections.abc import Iterable, Mapping

import msgspec

from events.errors import Misconfigured
from events.policies import Needs
from node_agent.signatures import Schema, Signature
from node_agent.tasks import AnyTask, Interceptor, InterceptorMark, SubprocessTask, TaskType

ANY_INPUTS: Schema = {"type": "object", "additionalProperties": True}


class Registered(msgspec.Struct, frozen=True):
    """A task with its parameters; `signature` is None for a subprocess, which takes any inputs."""

    declared: AnyTask
    signature: Signature | None


class TaskDescription(msgspec.Struct, frozen=True):
    """What a coordinator or a person may know of a task without importing it."""

    name: str
    kind: str
    parameters: Schema
    description: str = ""
    origin: str = ""
    timeout_s: float | None = None
    needs: Needs = Needs()


class TaskRegistry:
    """Tasks by name, and interceptors from the outside in."""

    def __init__(
        self, tasks: Iterable[AnyTask] = (), interceptors: Iterable[Interceptor] = ()
    ) -> None:
        """Raises `Misconfigured` for two tasks of one name, or parameters that do not work."""
        self._tasks: dict[str, Registered] = {}
        self.interceptors = tuple(interceptors)
        for declared in tasks:
            self._add(declared)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._tasks)

    def timeouts_s(self) -> dict[str, float | None]:
        """Every task's longest execution, None where it declares none."""
        return {name: one.declared.terms.timeout_s for name, one in self._tasks.items()}

    @property
    def transactional(self) -> frozenset[str]:
        """Names of the tasks that are transactions in a database of the user's."""
        return frozenset(
            name
            for name, one in self._tasks.items()
            if isinstance(one.declared, TaskType) and one.declared.terms.transactional is not None
        )

    def inside(self, outermost: Interceptor) -> "TaskRegistry":
        """Returns the same tasks with one more interceptor, around all others."""
        return TaskRegistry(self.declared(), (outermost, *self.interceptors))

    def declared(self) -> list[AnyTask]:
        """Returns every task as it was declared."""
        return [one.declared for one in self._tasks.values()]

    def find(self, name: str) -> Registered | None:
        return self._tasks.get(name)

    def describe(self) -> list[TaskDescription]:
        """Returns every task with its parameters' schema, by name."""
        return [_description(self._tasks[name]) for name in sorted(self._tasks)]

    def _add(self, declared: AnyTask) -> None:
        known = self._tasks.get(declared.name)
        if known is not None and known.declared is not declared:
            raise Misconfigured(
                f"two tasks are called {declared.name!r}: {known.declared.origin} and "
                f"{declared.origin}; give one of them another name"
            )
        signature = None
        if isinstance(declared, TaskType):
            signature = Signature(declared.function, declared.name, declared.origin)
        self._tasks[declared.name] = Registered(declared, signature)


def collect(namespaces: Mapping[str, Mapping[str, object]]) -> TaskRegistry:
    """Returns the registry of what modules (name → namespace) declare.

    Raises `Misconfigured` for a module without any declaration, and like `TaskRegistry`.
    """
    tasks: list[AnyTask] = []
    interceptors: list[Interceptor] = []
    for module, namespace in namespaces.items():
        found = [
            value
            for value in namespace.values()
            if isinstance(value, (TaskType, SubprocessTask, InterceptorMark))
        ]
        if not found:
            raise Misconfigured(
                f"{module} declares no task: decorate its functions with @task() from node_agent"
            )
        for value in found:
            if not isinstance(value, InterceptorMark):
                tasks.append(value)
            elif value.function not in interceptors:
                interceptors.append(value.function)
    return TaskRegistry(tasks, interceptors)


def _description(one: Registered) -> TaskDescription:
    declared = one.declared
    return TaskDescription(
        name=declared.name,
        kind=declared.kind.value,
        parameters=one.signature.schema() if one.signature else ANY_INPUTS,
        description=declared.terms.description,
        origin=declared.origin,
        timeout_s=declared.terms.timeout_s,
        needs=declared.terms.needs,
    )
