"""Blaming: from a difference of two runs back to where it comes from.

Everything that a step, a choice or a variable is made of was read somewhere: the paths stand in the
definition, or with the decision. Of these the ones count whose values differ, each with its own
origin, until there is one that reads nothing which differs.
"""

from collections.abc import Iterable, Iterator

import msgspec

from events.codec import encode
from events.errors import Rejected
from events.limits import CAUSES_MAX
from events.net import Call, Loop, Map, NetStep, Set, Task, Wait
from events.values import Value
from orchestrator.insight.told import Key, Kind, Thing, Told, name_of
from orchestrator.kernel.expressions import Expressions, descend
from orchestrator.kernel.instances import static_of, suffix_of
from orchestrator.kernel.templates import compile_template

Readers = tuple[Thing | None, Thing | None]
SAME_INPUTS = "from the same inputs"
OTHER_INPUTS = "from other inputs"
GIVEN = "given when the run was started"


class Cause(msgspec.Struct, kw_only=True):
    """Something that differs, and what it comes from. `what` is a path as expressions know it, or
    a step. `a`, `b`: values, or words in place of them; unset on the side that does not have it.
    `note`: what is to be said of an origin. `seen`: its own causes were told already."""

    what: str
    kind: Kind
    a: Value | msgspec.UnsetType = msgspec.UNSET
    b: Value | msgspec.UnsetType = msgspec.UNSET
    version_a: int = 0
    version_b: int = 0
    run_a: str = ""
    run_b: str = ""
    note: str = ""
    seen: bool = False
    causes: "list[Cause]" = []


class Blame:
    def __init__(self, a: Told, b: Told, expressions: Expressions) -> None:
        self._a, self._b = a, b
        self._expressions = expressions
        self._seen: set[str] = set()
        self._room = CAUSES_MAX

    def changed_steps(self) -> Iterator[str]:
        """Steps of the net that are in one definition only, or not the same in both."""
        for step_id in dict.fromkeys([*self._a.steps, *self._b.steps]):
            old, new = self._a.steps.get(step_id), self._b.steps.get(step_id)
            if old != new and any(one is not None and one.name for one in (old, new)):
                yield step_id

    def of(self, key: Key) -> Cause:
        """A difference and all that it comes from, at most `CAUSES_MAX` together."""
        a, b = self._a.things.get(key), self._b.things.get(key)
        return self._cause(name_of(key), key, a, b, _value(a), _value(b))

    def _cause(  # noqa: PLR0917 -- two of everything
        self,
        what: str,
        key: Key,
        a: Thing | None,
        b: Thing | None,
        value_a: Value | msgspec.UnsetType,
        value_b: Value | msgspec.UnsetType,
    ) -> Cause:
        cause = Cause(what=what, kind=key.kind, a=value_a, b=value_b, causes=[])
        if a is not None:
            cause.version_a, cause.run_a = a.version, a.run_id
        if b is not None:
            cause.version_b, cause.run_b = b.version, b.run_id
        name = f"{key.kind} {key.name} {key.number}"
        if name in self._seen:
            cause.seen = True
            return cause
        self._seen.add(name)
        self._room -= 1
        if self._room > 0:
            cause.causes = list(self._origins(key, a, b))
        cause.note = self._note(key, a, b, cause)
        return cause

    # -- what a thing was made of -----------------------------------------------------------------

    def _origins(self, key: Key, a: Thing | None, b: Thing | None) -> Iterator[Cause]:
        if a is None or b is None:
            yield from self._absence(key, a, b)
            return
        match key.kind:
            case "outcome" | "output" | "inputs":
                yield from self._of_step(key.name)
            case "choice" | "iteration":
                paths = dict.fromkeys([*a.values, *b.values])
                yield from self._read(paths, key.name, (a, b))
            case "variable":
                yield from self._of_variable(key.name, a, b)
            case "end":
                yield from self._of_end(a, b)
            case "result":
                yield from self._of_result()
            case _:
                pass

    def _of_step(self, step: str) -> Iterator[Cause]:
        """What it was given; of a map and a loop also what became of what is inside."""
        either = [told.steps.get(static_of(step)) for told in (self._a, self._b)]
        templates = [one for found in either if found is not None for one in _templates(found)]
        given = self._a.of("inputs", step), self._b.of("inputs", step)
        yield from self._read(self._paths(templates), step, given)
        yield from self._inside(step, either[0])

    def _inside(self, step: str, net_step: NetStep | None) -> Iterator[Cause]:
        if net_step is None or not isinstance(net_step.action, Map | Loop):
            return
        for key, thing in self._a.things.items():
            other = self._b.things.get(key)
            if key.kind != "output" or other is None or not self._is_inside(key.name, step):
                continue
            if encode(thing.value) != encode(other.value) and self._room > 0:
                yield self._cause(name_of(key), key, thing, other, thing.value, other.value)

    def _is_inside(self, instance: str, holder: str) -> bool:
        if instance.startswith(f"{holder}["):
            return True
        net_step = self._a.steps.get(static_of(instance))
        suffix = suffix_of(holder)
        return (
            net_step is not None
            and net_step.scope == static_of(holder)
            and suffix_of(instance).startswith(f"{suffix}[")
        )

    def _of_variable(self, name: str, a: Thing, b: Thing) -> Iterator[Cause]:
        sides = ((a, self._a), (b, self._b))
        setters = [told.steps.get(static_of(thing.by)) for thing, told in sides if thing.by]
        templates = [
            found.action.variables.get(name)
            for found in setters
            if found is not None and isinstance(found.action, Set)
        ]
        yield from self._read(self._paths(templates), a.by or b.by, (a, b))

    def _of_end(self, a: Thing, b: Thing) -> Iterator[Cause]:
        for step in dict.fromkeys(filter(None, (a.by, b.by))):
            yield from self._thing(Key("outcome", step))

    def _of_result(self) -> Iterator[Cause]:
        net = self._a.recording.net or self._b.recording.net
        if net is not None:
            outputs = [f"steps.{sink}.output" for sink in net.sinks if net.output is None]
            yield from self._read([*self._paths([net.output]), *outputs], "", (None, None))

    def _absence(self, key: Key, a: Thing | None, b: Thing | None) -> Iterator[Cause]:
        """Why only one of the two has come to it."""
        lacking = self._b if b is None else self._a
        skipped = lacking.of("skipped", key.name)
        if skipped is not None and skipped.by:
            yield from self._thing(Key("choice", skipped.by))
            return
        end = lacking.of("end")
        if end is not None and end.by and end.by != key.name:
            yield from self._thing(Key("outcome", end.by))

    def _thing(self, key: Key) -> Iterator[Cause]:
        a, b = self._a.things.get(key), self._b.things.get(key)
        if (a or b) is not None and _differ(_value(a), _value(b)):
            yield self._cause(name_of(key), key, a, b, _value(a), _value(b))

    # -- paths ------------------------------------------------------------------------------------

    def _paths(self, templates: Iterable[Value]) -> list[str]:
        found: dict[str, None] = {}
        for template in templates:
            try:
                compiled = compile_template(template)
                found.update(dict.fromkeys(compiled.paths(self._expressions)))
            except Rejected:
                continue
        return list(found)

    def _read(self, paths: Iterable[str], reader: str, readers: Readers) -> Iterator[Cause]:
        """Of the paths that were read, those whose values differ. `readers`: the things of both
        runs that were made of them."""
        for path in paths:
            if self._room <= 0:
                return
            a = _resolve(self._a, path, reader, readers[0])
            b = _resolve(self._b, path, reader, readers[1])
            known = a[0] or b[0]
            if known is not None and _differ(a[1], b[1]):
                yield self._cause(path, known.key, a[0], b[0], a[1], b[1])

    # -- words ------------------------------------------------------------------------------------

    def _note(self, key: Key, a: Thing | None, b: Thing | None, cause: Cause) -> str:
        came = (self._b.of("outcome", key.name), self._a.of("outcome", key.name))
        sides = (b, a, *(came if key.kind == "output" else ()))
        said = next((one.note for one in sides if one is not None and one.note), "")
        if key.kind == "input":
            return GIVEN
        if cause.causes:
            return said
        step = static_of((a or b or Thing(key=key)).by if key.kind == "variable" else key.name)
        old, new = self._a.steps.get(step), self._b.steps.get(step)
        if old is not None and new is not None and old != new:
            return f"the definition of {step} differs"
        if (old is None) != (new is None):
            return f"{step} is in the definition of only one of them"
        if key.kind in {"outcome", "output"} and a is not None and b is not None and not said:
            given = Key("inputs", key.name)
            differs = _differ(_value(self._a.things.get(given)), _value(self._b.things.get(given)))
            return OTHER_INPUTS if differs else SAME_INPUTS
        return said


def _templates(net_step: NetStep) -> list[Value]:
    """What a step reads before it acts."""
    match net_step.action:
        case Task(inputs=inputs):
            return list(inputs.values())
        case Map(items=items, body=body):
            return [items, *body.inputs.values()]
        case Loop(items=items):
            return [items]
        case Call(input=given):
            return [given]
        case Wait(duration=duration, until=until, correlation=correlation):
            return [duration, until, correlation]
        case Set(variables=variables):
            return list(variables.values())
        case _:
            return []


def _resolve(
    told: Told, path: str, reader: str, thing: Thing | None
) -> tuple[Thing | None, Value | msgspec.UnsetType]:
    """What a path meant where `reader` read it, to make `thing` of it."""
    match path.split("."):
        case ["input", *_]:
            return _inside_of(told.of("input"), path, 1)
        case ["steps", step, "output", *_]:
            return _inside_of(_instance(told, "output", step, reader), path, 3)
        case ["steps", step, "error", *_]:
            return _inside_error(_instance(told, "outcome", step, reader), path)
        case ["vars", _, *_]:
            return _inside_of(_setting(told, path, thing), path, 2)
        case ["iteration", "item", *_]:
            return _item(told, path, reader)
        case _:
            return None, msgspec.UNSET


def _instance(told: Told, kind: Kind, step: str, reader: str) -> Thing | None:
    """The instance of a step that is meant: of the same iterations as far as it is inside them."""
    suffix = suffix_of(reader)
    while True:
        found = told.of(kind, step + suffix)
        if found is not None or not suffix:
            return found
        suffix = suffix[: suffix.rfind("[")]


def _setting(told: Told, path: str, reader: Thing | None) -> Thing | None:
    """The setting of a variable that was read: the last one before. Of a condition it is known what
    it read, and a variable that was set by the same event may have been set before or after."""
    known = told.settings.get(path.split(".")[1], [])
    if reader is None:
        return known[-1] if known else None
    if path not in reader.values:
        return next((one for one in reversed(known) if one.ordinal < reader.ordinal), None)
    here = reader.run_id, reader.version
    for one in reversed(known):
        before = one.ordinal < reader.ordinal or (one.run_id, one.version) == here
        if before and not _differ(_below(one.value, path, 2), reader.values[path]):
            return one
    return None


def _item(told: Told, path: str, reader: str) -> tuple[Thing | None, Value | msgspec.UnsetType]:
    """What an iteration, or an item of a map, is about."""
    net_step = told.steps.get(static_of(reader))
    suffix = suffix_of(reader)
    if net_step is None or not suffix:
        return None, msgspec.UNSET
    holder = net_step.id if isinstance(net_step.action, Map) else net_step.scope
    given = told.of("inputs", f"{holder}{suffix[: suffix.rfind('[')]}")
    items = None if given is None else given.value
    number = int(suffix[suffix.rfind("[") + 1 : -1])
    if given is None or not isinstance(items, list) or number >= len(items):
        return None, msgspec.UNSET
    return given, _below(items[number], path, 2)


def _inside_of(
    thing: Thing | None, path: str, below: int
) -> tuple[Thing | None, Value | msgspec.UnsetType]:
    if thing is None:
        return None, msgspec.UNSET
    return thing, _below(thing.value, path, below)


def _below(value: Value, path: str, below: int) -> Value | msgspec.UnsetType:
    try:
        return descend(value, path, below)
    except Rejected:
        return msgspec.UNSET


def _inside_error(thing: Thing | None, path: str) -> tuple[Thing | None, Value | msgspec.UnsetType]:
    if thing is None or thing.failure is None:
        return thing, msgspec.UNSET
    failure: Value = msgspec.to_builtins(thing.failure)
    return thing, _below(failure, path, 3)


def _differ(a: Value | msgspec.UnsetType, b: Value | msgspec.UnsetType) -> bool:
    if a is msgspec.UNSET or b is msgspec.UNSET:
        return a is not b
    return encode(a) != encode(b)


def _value(thing: Thing | None) -> Value | msgspec.UnsetType:
    return msgspec.UNSET if thing is None else thing.value
