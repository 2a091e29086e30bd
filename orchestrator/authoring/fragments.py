"""Fragments of JSON Schema: what may stand at one place of the authored form.

They are made of the patterns and limits that the check itself uses. A schema knows shapes only: it
never refuses what the check accepts, and what it accepts may still be wrong.
"""

import re
from typing import TypeAlias

from events.limits import Limits
from events.values import Value
from orchestrator.authoring.quantities import SIZE_PATTERN
from orchestrator.kernel import ranges
from orchestrator.kernel.durations import DURATION_PATTERN

Fragment: TypeAlias = dict[str, Value]

LIMITS = Limits()
ANY: Fragment = {}
TEXT: Fragment = {"type": "string"}
SOME_TEXT: Fragment = {"type": "string", "minLength": 1}
OBJECT: Fragment = {"type": "object"}


def ref(name: str) -> Fragment:
    """What the definition of this name describes."""
    return {"$ref": f"#/definitions/{name}"}


def name(shape: re.Pattern[str]) -> Fragment:
    """A name of this shape."""
    found: Fragment = {
        "type": "string",
        "pattern": f"^(?:{shape.pattern})$",
        "maxLength": LIMITS.name_chars_max,
    }
    if shape is ranges.VARIABLE:
        reserved: list[Value] = [*sorted(ranges.RESERVED)]
        found["not"] = {"enum": reserved}
    return found


def object_of(inner: Fragment, names: Fragment | None = None, least: int = 0) -> Fragment:
    """An object with any keys; all its values are `inner`."""
    found: Fragment = {"type": "object", "additionalProperties": inner}
    if names is not None:
        found["propertyNames"] = names
    if least:
        found["minProperties"] = least
    return found


def list_of(inner: Fragment, least: int = 0) -> Fragment:
    found: Fragment = {"type": "array", "items": inner}
    return {**found, "minItems": least} if least else found


def one_of(*choices: str) -> Fragment:
    return {"type": "string", "enum": list(choices)}


def any_of(*choices: Fragment) -> Fragment:
    return {"anyOf": [*choices]}


def text(most: int) -> Fragment:
    """Text of at most so many characters."""
    return {"type": "string", "maxLength": most}


def integer(least: int, most: int) -> Fragment:
    return {"type": "integer", "minimum": least, "maximum": most}


def number(least: float) -> Fragment:
    return {"type": "number", "minimum": least}


PERCENT: Fragment = {"type": "number", "exclusiveMinimum": 0, "maximum": 100}
CONDITION: Fragment = {"type": "string", "pattern": r"^(?!\s*\$\{)", "minLength": 1}
CONDITION_OR_NONE: Fragment = {"type": "string", "pattern": r"^(?!\s*\$\{)"}
EXPRESSION: Fragment = {"type": "string", "pattern": r"\$\{"}
ITEMS: Fragment = {"anyOf": [{"type": "array"}, EXPRESSION]}
ITEMS_OR_COUNT: Fragment = {
    "anyOf": [{"type": "array"}, {"type": "integer", "minimum": 0}, EXPRESSION]
}
_SECONDS: Fragment = {"type": "string", "pattern": f"^(?:{DURATION_PATTERN})$"}
DURATION: Fragment = {
    "anyOf": [{"type": "number", "minimum": 0}, _SECONDS],
}
LIMIT: Fragment = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _SECONDS]}
"""A duration that is no limit when it is left out."""
DURATION_OR_EXPRESSION: Fragment = {
    "anyOf": [{"type": "number", "minimum": 0}, _SECONDS, EXPRESSION]
}
SIZE: Fragment = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": rf"^\s*(?:{SIZE_PATTERN})\s*$"},
    ],
}
CODES: Fragment = list_of(name(ranges.CODE))
STEPS: Fragment = list_of(ref("step"))
VARIABLES: Fragment = object_of(ANY, name(ranges.VARIABLE), least=1)
ATTRIBUTES: Fragment = object_of(
    {"type": ["boolean", "number", "string"], "maxLength": LIMITS.name_chars_max},
    {"minLength": 1, "maxLength": LIMITS.name_chars_max},
)
TAGS: Fragment = object_of(
    text(LIMITS.name_chars_max), {"minLength": 1, "maxLength": LIMITS.name_chars_max}
)
