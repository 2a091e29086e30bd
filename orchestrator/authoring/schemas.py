"""Task schemas: what the loaded task types take, and checking authored inputs against it.

Agents describe their tasks as JSON Schema. Only constant values can be checked before a run; an
input that is an expression may turn out as anything. The part of JSON Schema understood is what
descriptions of typed parameters use; an unknown keyword constrains nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from events.limits import SCHEMA_DEPTH_MAX
from events.values import Value
from orchestrator.authoring.problems import suggestion
from orchestrator.kernel.expressions import describe
from orchestrator.kernel.templates import compile_template

Schema = dict[str, Value]


class TaskSchema(msgspec.Struct, frozen=True, kw_only=True):
    """`parameters` is the JSON Schema of an object: a property for each parameter of the task.

    Other parameters are refused unless it says `additionalProperties`.
    """

    name: str
    parameters: dict[str, Value] = {}
    description: str = ""


class SomeSchemas(Mapping[str, TaskSchema]):
    """Those of some tasks; of every other one it says that it takes anything."""

    def __init__(self, known: Mapping[str, TaskSchema]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> TaskSchema:
        anything: Schema = {"type": "object", "additionalProperties": True}
        return self._known.get(name) or TaskSchema(name=name, parameters=anything)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Mismatch(msgspec.Struct, frozen=True):
    """`at` is the path of the offender below the inputs, empty for the inputs themselves."""

    at: str
    message: str


def mismatches(inputs: dict[str, Value], schema: TaskSchema) -> Iterator[Mismatch]:
    """What is wrong with `inputs` for a task of this schema."""
    parameters = _objects(schema.parameters.get("properties"))
    for name in _texts(schema.parameters.get("required")):
        if name not in inputs:
            yield Mismatch("", f"{schema.name} needs `{name}`, which is missing")
    judge = _Judge(schema.parameters)
    for name, value in inputs.items():
        if name in parameters:
            yield from judge.judge(value, parameters[name], name, 0)
        elif not schema.parameters.get("additionalProperties"):
            takes = ", ".join(f"`{known}`" for known in parameters) or "nothing"
            mend = f"it takes {takes}{suggestion(name, parameters)}"
            yield Mismatch(name, f"{schema.name} has no parameter `{name}`: {mend}")


class _Judge:
    """Checks values; knows the definitions that references lead to."""

    def __init__(self, root: Schema) -> None:
        self._definitions = _objects(root.get("$defs"))

    def judge(self, value: Value, schema: Schema, at: str, depth: int) -> Iterator[Mismatch]:
        schema = self._resolved(schema)
        if depth > SCHEMA_DEPTH_MAX or _is_unknown(value):
            return
        if alternatives := _schemas(schema.get("anyOf") or schema.get("oneOf")):
            yield from self._any(value, alternatives, at, depth)
            return
        message = _type_mismatch(value, schema) or _value_mismatch(value, schema)
        if message:
            yield Mismatch(at, message)
        elif isinstance(value, dict):
            yield from self._object(value, schema, at, depth)
        elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
            for index, item in enumerate(value):
                yield from self.judge(item, items, f"{at}[{index}]", depth + 1)

    def _any(
        self, value: Value, alternatives: list[Schema], at: str, depth: int
    ) -> Iterator[Mismatch]:
        if any(not list(self.judge(value, one, at, depth + 1)) for one in alternatives):
            return
        meant = [one for one in alternatives if not _type_mismatch(value, self._resolved(one))]
        if len(meant) == 1:
            yield from self.judge(value, meant[0], at, depth + 1)
            return
        kinds = " or ".join(dict.fromkeys(self._kind(one) for one in alternatives))
        yield Mismatch(at, f"expected {kinds}, found {_shown(value)}")

    def _object(
        self, value: dict[str, Value], schema: Schema, at: str, depth: int
    ) -> Iterator[Mismatch]:
        properties = _objects(schema.get("properties"))
        for name in _texts(schema.get("required")):
            if name not in value:
                yield Mismatch(at, f"`{name}` is missing")
        others = schema.get("additionalProperties")
        for name, item in value.items():
            inner = properties.get(name, others)
            if isinstance(inner, dict):
                yield from self.judge(item, inner, f"{at}.{name}", depth + 1)
            elif inner is False:
                yield Mismatch(at, f"`{name}` is not expected{suggestion(name, properties)}")

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(SCHEMA_DEPTH_MAX):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = self._definitions.get(reference.removeprefix("#/$defs/"), {})
        return {}

    def _kind(self, schema: Schema) -> str:
        types = _texts(self._resolved(schema).get("type"))
        return " or ".join(types) or "one of the listed values"


def _is_unknown(value: Value) -> bool:
    """Whether an expression decides what this is. One inside a text leaves it a text."""
    if not isinstance(value, str) or "${" not in value:
        return False
    template = compile_template(value)
    return not template.constant and not template.is_text


def _type_mismatch(value: Value, schema: Schema) -> str:
    types = _texts(schema.get("type"))
    if not types or any(_TYPES[name](value) for name in types if name in _TYPES):
        return ""
    return f"expected {' or '.join(types)}, found {_shown(value)}"


def _value_mismatch(value: Value, schema: Schema) -> str:
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        return f"expected one of {', '.join(map(_shown, choices))}, found {_shown(value)}"
    if "const" in schema and value != schema["const"]:
        return f"expected {_shown(schema['const'])}, found {_shown(value)}"
    if isinstance(value, str) and "${" in value:
        return ""
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and isinstance(value, str) and not re.search(pattern, value):
        return f"expected text like {pattern}, found {_shown(value)}"
    size = _number(value) if _number(value) is not None else _length(value)
    for keyword, (holds, words) in _BOUNDS.items():
        bound = _number(schema.get(keyword))
        if bound is not None and size is not None and not holds(size, bound):
            return f"expected {words} {bound:g}, found {_shown(value)}"
    return ""


def _number(value: Value) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and isinstance(value, (int, float)) else None


def _length(value: Value) -> float | None:
    return float(len(value)) if isinstance(value, (str, list, dict)) else None


def _is_integer(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Value], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": lambda value: _number(value) is not None,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "minimum": (lambda size, bound: size >= bound, "at least"),
    "maximum": (lambda size, bound: size <= bound, "at most"),
    "exclusiveMinimum": (lambda size, bound: size > bound, "more than"),
    "exclusiveMaximum": (lambda size, bound: size < bound, "less than"),
    "minLength": (lambda size, bound: size >= bound, "a length of at least"),
    "maxLength": (lambda size, bound: size <= bound, "a length of at most"),
    "minItems": (lambda size, bound: size >= bound, "a length of at least"),
    "maxItems": (lambda size, bound: size <= bound, "a length of at most"),
}


def _shown(value: Value) -> str:
    if isinstance(value, (list, dict)):
        return describe(value)
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}…"


def _objects(value: Value) -> dict[str, Schema]:
    """The entries of an object that are objects."""
    entries = value.items() if isinstance(value, dict) else ()
    return {name: inner if isinstance(inner, dict) else {} for name, inner in entries}


def _schemas(value: Value) -> list[Schema]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Value) -> list[str]:
    """`value` as a list of texts; a single text is a list of one."""
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
