"""What expressions see: paths over input, step outputs and errors, variables and the run itself."""

from collections.abc import Mapping

import msgspec

from events.facts import Failure
from events.values import Value
from orchestrator.kernel.expressions import PathMissing, descend
from orchestrator.kernel.instances import prefix
from orchestrator.kernel.state import RunState, StepState


class Scope(msgspec.Struct, frozen=True):
    """A run's values with those of the decision under way laid over them, seen from somewhere:
    from inside iteration `index` of `loop` (or item of a map), where instances have `suffix`.
    """

    state: RunState
    outputs: Mapping[str, Value] = {}
    failures: Mapping[str, Failure] = {}
    variables: Mapping[str, Value] = {}
    depths: Mapping[str, int] = {}
    """In how many repetitions a step is."""
    suffix: str = ""
    loop: str = ""
    index: int = 0
    update: tuple[Value, ...] = ()
    """The data of an update, where one is being decided on."""

    def resolve(self, path: str) -> Value:
        """The value at a dotted path; raises `PathMissing` naming the part that is missing.

        The output or error of a step that did not run is null, and so is what lies below it.
        """
        if self.state.part is not None and path in self.state.part.values:
            return self.state.part.values[path]
        return self._resolve(path)

    def _resolve(self, path: str) -> Value:
        match path.split("."):
            case ["input", *_]:
                return descend(self.state.input, path)
            case ["steps", step, "output", *_]:
                return self._output(path, step)
            case ["steps", step, "error", *_]:
                return self._error(path, step)
            case ["vars", name, *_]:
                return descend(self._variable(path, name), path, 2)
            case ["iteration" | "update", *_]:
                return self._around(path)
            case ["run", "id"]:
                return self.state.run_id
            case ["run", "workflow"]:
                return self.state.workflow
            case ["run", "status"]:
                return self.state.status
            case _:
                raise _unknown(path)

    def _around(self, path: str) -> Value:
        """What is there in some places only."""
        match path.split("."):
            case ["iteration", "index"] if self.loop:
                return self.index
            case ["iteration", "item", *_] if self.loop:
                return descend(self._item(path), path, 2)
            case ["update", *_] if self.update:
                return descend(self.update[0], path)
            case _:
                raise _unknown(path)

    def _variable(self, path: str, name: str) -> Value:
        if name in self.variables:
            return self.variables[name]
        if name in self.state.variables:
            return self.state.variables[name]
        raise PathMissing(path, f"`vars.{name}` is not set yet")

    def _item(self, path: str) -> Value:
        holder = self.state.steps[self.loop]
        if holder.map is not None:
            return holder.map.item(self.index)
        through = holder.loop
        if through is None or through.items is None:
            raise PathMissing(path, f"`{path}` is not there: {self.loop} goes through no list")
        return through.items[self.index]

    def _instance(self, step: str) -> str:
        """The instance of a step that is meant here: of the same iterations."""
        return step + prefix(self.suffix, self.depths.get(step, 0)) if self.suffix else step

    def _output(self, path: str, step: str) -> Value:
        step = self._instance(step)
        if step in self.outputs:
            return descend(self.outputs[step], path, 3)
        state = self.state.steps.get(step)
        if state is None or not _has_output(state):
            return None
        return descend(state.output, path, 3)

    def _error(self, path: str, step: str) -> Value:
        step = self._instance(step)
        failure = self.failures.get(step)
        if failure is None:
            state = self.state.steps.get(step)
            if state is None or state.failure is None or state.status != "failed":
                return None
            failure = state.failure
        value: Value = {
            "code": failure.code,
            "message": failure.message,
            "details": failure.details,
        }
        return descend(value, path, 3)


def _has_output(step: StepState) -> bool:
    """What is passed by has none, unless an operator gave it one."""
    return step.status == "completed" or (step.status == "skipped" and step.output is not None)


def _unknown(path: str) -> PathMissing:
    return PathMissing(
        path,
        f"`{path}` is not known: expected input, steps.<id>.output, steps.<id>.error, vars.<name>, "
        "run.id or run.workflow",
    )
