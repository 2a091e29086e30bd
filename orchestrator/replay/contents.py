"""Contents: what expressions read of a run where a cursor stands.

    input, vars, steps.<id>.output, steps.<id>.error, run, iteration   as the workflow's author does
    state     the state as JSON: state.status, state.variables.total, state.steps["parse[3]"].node
    event     the event that led here: event.type, event.version, event.at, event.actor,
              event.causation, event.step, and all of its fact below event.data
    change    what it changed: change.paths, a list of paths, and change.before and change.after,
              the values by path

Only the paths that an expression reads are made into JSON, so it may be asked at each of many
events.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from events.codec import plain
from events.envelope import Header
from events.facts import Fact
from events.values import Value
from orchestrator.kernel.expressions import (
    Expressions,
    PathMissing,
    Resolve,
    consult,
    descend,
    describe,
)
from orchestrator.kernel.instances import index_of, outside, static_of, suffix_of
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.scope import Scope
from orchestrator.kernel.state import RunState
from orchestrator.replay.differences import Change
from orchestrator.replay.recording import Recording

if TYPE_CHECKING:
    from orchestrator.replay.cursor import Cursor

Changed = Callable[[], Iterable[Change]]


class Contents:
    """What is so at one version. `changed` is asked only where an expression reads `change`."""

    def __init__(
        self,
        recording: Recording,
        state: RunState,
        event: tuple[Header, Fact] | None,
        changed: Changed,
    ) -> None:
        self._recording = recording
        self._state = state
        self._event = event
        self._changed = changed

    def value(self, source: str, expressions: Expressions, step: str = "") -> Value:
        """The value of an expression, as seen from a `step` instance: inside a loop or a map that
        gives `iteration` and the steps of the same iteration. Raises `ExpressionFailed`."""
        return consult(source, expressions, self.reader(step))[0]

    def reader(self, step: str = "") -> Resolve:
        """From a dotted path, seen from there, to its value."""
        scope = _scope(self._recording, self._state, step)

        def resolve(path: str) -> Value:
            root = path.partition(".")[0]
            found = {"state": self._of_state, "event": self._of_event, "change": self._of_change}
            if root in found:
                return found[root](path)
            try:
                return scope.resolve(path)
            except KeyError as error:  # of a loop that is not there yet, or not any more
                raise PathMissing(
                    path, f"`{path}` is not there: {error} is not under way"
                ) from None

        return resolve

    def _of_state(self, path: str) -> Value:
        return plain(_below(self._state, path))

    def _of_event(self, path: str) -> Value:
        if self._event is None:
            raise PathMissing(path, f"`{path}` is not there before the first event")
        header, fact = self._event
        names = path.split(".")[1:]
        if names[:1] == ["data"]:
            return plain(_below(fact, path, 2))
        value: Value = {
            "id": header.id,
            "type": header.type,
            "version": header.version,
            "at": header.recorded_at,
            "actor": header.actor,
            "causation": header.causation,
            "correlation": header.correlation,
            "step": step_of(fact),
        }
        if not names and isinstance(value, dict):
            value["data"] = plain(fact)
        return descend(value, path)

    def _of_change(self, path: str) -> Value:
        found = tuple(self._changed())
        value: Value = {
            "paths": [one.path for one in found],
            "before": {one.path: one.before for one in found if one.kind != "added"},
            "after": {one.path: one.after for one in found if one.kind != "removed"},
        }
        return descend(value, path)


def evaluate(cursor: "Cursor", source: str, expressions: Expressions, step: str = "") -> Value:
    """The value of a watch expression where a cursor stands; `step` as in `Contents.value`.

    Raises `InvalidExpression` for a text that is none, `ExpressionFailed` when it has no value.
    """
    return cursor.contents.value(source, expressions, step)


def step_of(fact: Fact) -> str:
    """The step instance that a fact is about; empty when it is about the whole run."""
    call = getattr(fact, "call", None)
    return str(getattr(fact, "step", "") if call is None else call.step)


def _scope(recording: Recording, state: RunState, step: str) -> Scope:
    index = recording.net_index
    suffix = suffix_of(step)
    if index is None:
        return Scope(state)
    if not suffix:
        return Scope(state, depths=index.depths)
    loop = _repetition(index, step)
    return Scope(state, depths=index.depths, suffix=suffix, loop=loop, index=index_of(suffix))


def _repetition(index: NetIndex, step: str) -> str:
    """The instance of the loop or map that a step instance is in an iteration of."""
    static, around = static_of(step), outside(suffix_of(step))
    known = index.steps.get(static)
    loop = index.loops.get(known.step.scope, static) if known is not None else static
    return loop + around


def _below(value: object, path: str, skipped: int = 1) -> object:
    """What lies at a dotted path inside structures; its first names led to `value`. Names may have
    dots themselves where keys have."""
    names = path.split(".")
    at = skipped
    while at < len(names):
        for end in range(len(names), at, -1):
            name = ".".join(names[at:end])
            if isinstance(value, msgspec.Struct) and name in value.__struct_fields__:
                value = getattr(value, name)
            elif isinstance(value, dict) and name in value:
                value = value[name]
            else:
                continue
            at = end
            break
        else:
            raise PathMissing(path, _missing(".".join(names[:at]), names[at], value))
    return value


def _missing(at: str, name: str, value: object) -> str:
    if isinstance(value, msgspec.Struct):
        return f"`{at}` has no `{name}`; its fields: {', '.join(value.__struct_fields__)}"
    return f"`{at}` has no `{name}`: it is {describe(plain(value))}"
