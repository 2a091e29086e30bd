"""User values: what workflow inputs, outputs and variables may be, and the door that admits them.

A value is JSON: null, booleans, 64-bit integers, finite floats, text, lists, and objects with text
keys. Everything that comes from a person or from user code passes `admit` once, before a decision
sees it.
"""

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from events.errors import InvalidValue

if TYPE_CHECKING:
    Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
else:
    Value = Any  # msgspec cannot follow a recursive alias; the door below is the real check

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
DEPTH_MAX = 64
"""Nesting levels; deeper values are refused because recursive readers would fail on them."""


def admit(value: object, where: str = "value", depth: int = 0) -> Value:
    """Returns `value` as plain JSON data, copied; tuples become lists.

    `where` is the path that an error names, such as `input.items[3]`.
    Raises `InvalidValue` for NaN and infinities, integers over 64 bits, keys that are not text,
    unsupported types, lone surrogates and nesting over `DEPTH_MAX`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return int(value)
        raise InvalidValue(f"{where} is {value}, over 64 bits: pass such numbers as text")
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise InvalidValue(f"{where} is {value}, which JSON has no word for: use null or text")
    if depth >= DEPTH_MAX:
        raise InvalidValue(f"{where} is nested deeper than {DEPTH_MAX} levels: flatten it")
    if isinstance(value, (list, tuple)):
        return [admit(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _key(key, where): admit(item, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    raise InvalidValue(
        f"{where} is a {type(value).__name__}: expected null, boolean, number, text, list or object"
    )


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return _text(key, where)
    raise InvalidValue(f"{where} has the key {key!r}: object keys must be text")


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(f"{where} has text that is not Unicode: {error.reason}") from error
    return str(text)
