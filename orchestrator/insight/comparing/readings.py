"""Readings: which paths a step, a choice or a variable is made of, and what these meant there.

The paths stand in the definition that the run has kept, or with the decision. What a path meant is
known by instance: inside a loop the output of the same iteration, of a variable the setting before.
"""

from collections.abc import Iterable

import msgspec

from events.codec import encode
from events.errors import Rejected
from events.net import Call, Loop, Map, NetStep, Set, Task, Wait
from events.values import Value
from orchestrator.insight.comparing.told import Kind, Thing, Told
from orchestrator.kernel.expressions import Expressions, descend
from orchestrator.kernel.instances import static_of, suffix_of
from orchestrator.kernel.templates import compile_template

Found = Value | msgspec.UnsetType
Reading = tuple[Thing | None, Found]
"""What was read, and the value at the path; unset where there was none."""


def paths_of(templates: Iterable[Value], expressions: Expressions) -> list[str]:
    """The paths that these read, each once."""
    found: dict[str, None] = {}
    for template in templates:
        try:
            found.update(dict.fromkeys(compile_template(template).paths(expressions)))
        except Rejected:
            continue
    return list(found)


def templates_of(net_step: NetStep) -> list[Value]:
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


def resolve(told: Told, path: str, reader: str, thing: Thing | None) -> Reading:
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
        if before and not differ(_below(one.value, path, 2), reader.values[path]):
            return one
    return None


def _item(told: Told, path: str, reader: str) -> Reading:
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


def _inside_of(thing: Thing | None, path: str, below: int) -> Reading:
    if thing is None:
        return None, msgspec.UNSET
    return thing, _below(thing.value, path, below)


def _below(value: Value, path: str, below: int) -> Found:
    try:
        return descend(value, path, below)
    except Rejected:
        return msgspec.UNSET


def _inside_error(thing: Thing | None, path: str) -> Reading:
    if thing is None or thing.failure is None:
        return thing, msgspec.UNSET
    failure: Value = msgspec.to_builtins(thing.failure)
    return thing, _below(failure, path, 3)


def differ(a: Found, b: Found) -> bool:
    """As JSON; what is not there differs from everything."""
    if a is msgspec.UNSET or b is msgspec.UNSET:
        return a is not b
    return encode(a) != encode(b)
