"""Looking: the value of an expression at a place of a history.

Expressions are those of replay: CEL over `input`, `vars`, `steps`, `run` and `iteration`, as they
are seen from where a step stands, and over `state`, `event` and `change` (see `replay.contents`).
Beside these there are `step`, the step that one looks from, and `error` where something failed.
"""

from events.codec import plain
from events.facts import Failure
from events.values import Value
from orchestrator.kernel.expressions import Expressions, PathMissing, consult, descend
from orchestrator.replay.cursor import Cursor

WHOLE = frozenset({"vars", "steps", "run", "iteration"})
"""Names that expressions of workflows can only read the inside of; a person may look at all."""
OF_STEPS = ("output", "error")


class Look:
    """From where an instance stands at a version. `failure`: what failed there."""

    def __init__(self, cursor: Cursor, instance: str, failure: Failure | None = None) -> None:
        self._cursor = cursor
        self._instance = instance
        self._failure = failure
        self._read = cursor.contents.reader(instance)

    def evaluate(self, expression: str, expressions: Expressions) -> Value:
        """Raises `ExpressionFailed`."""
        return consult(expression, expressions, self.resolve)[0]

    def resolve(self, path: str) -> Value:
        """The value at a dotted path; raises `PathMissing`."""
        first, _, rest = path.partition(".")
        if path in WHOLE or (first == "steps" and rest and "." not in rest):
            return self._whole(path)
        match first:
            case "step":
                return descend(self._step(), path)
            case "error" if self._failure is not None:
                return descend(plain(self._failure), path)
            case "error":
                raise PathMissing(path, "`error` is only there where something failed")
            case _:
                return self._read(path)

    @property
    def is_inside(self) -> bool:
        """Whether it looks from inside an iteration."""
        try:
            self._read("iteration.index")
        except PathMissing:
            return False
        return True

    def _whole(self, path: str) -> Value:
        """What there is below `vars`, `steps`, one step, `run` or `iteration`."""
        state = self._cursor.state
        if path == "vars":
            return dict(state.variables)
        if path == "steps":
            return {name: one.output for name, one in state.steps.items() if one.output is not None}
        if path == "run":
            names = {"id": state.run_id, "workflow": state.workflow, "status": state.status}
            return {**names, "version": state.version}
        return self._parts(path, *(("index", "item") if path == "iteration" else OF_STEPS))

    def _parts(self, path: str, *names: str) -> Value:
        found: dict[str, Value] = {}
        for name in names:
            try:
                found[name] = self._read(f"{path}.{name}")
            except PathMissing:
                continue
        return found

    def _step(self) -> dict[str, Value]:
        """The step that one looks from, as the state has it."""
        found = self._cursor.state.steps.get(self._instance)
        told: dict[str, Value] = {"name": self._instance}
        of_state = plain(found)
        return {**told, **of_state} if isinstance(of_state, dict) else told
