"""User values: what workflow inputs, outputs and variables may be, and the door that admits them.

A value is JSON: null, booleans, 64-bit integers, finite floats, text, lists, and objects with text
keys. Everything that comes from a person or from user code passes `admit` once, before a decision
sees it.
"""

import math
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from events.errors import InvalidValue
from events.limits import INTEGER_MAX, VALUE_DEPTH_MAX

if TYPE_CHECKING:
    Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
else:
    Value = Any  # msgspec cannot follow a recursive alias; the door below is the real check

INTEGER_MIN = -(2**63)


def admit(value: object, where: str = "value") -> Value:
    """Returns `value` as plain JSON data, copied; tuples become lists. O(size).

    `where` is the path that an error names, such as `input.items[3]`.
    Raises `InvalidValue` for NaN and infinities, integers over 64 bits, keys that are not text,
    unsupported types, lone surrogates and nesting over `VALUE_DEPTH_MAX`.
    """
    try:
        return _copy(value, VALUE_DEPTH_MAX)
    except _Unusual:
        return _admit(value, where, 0)


class _Unusual(Exception):
    """Not plain data of the built-in types: look again, more slowly, and keep the path."""


def _copy(value: object, levels: int) -> Value:
    if value is None or value is True or value is False:
        return value
    if type(value) is str:
        return value if value.isascii() else _unicode(value)
    if type(value) is int:
        return value if INTEGER_MIN <= value <= INTEGER_MAX else _unusual()
    if type(value) is float:
        return value if math.isfinite(value) else _unusual()
    if type(value) is list or type(value) is tuple:
        return [_copy(item, levels - 1) for item in value] if levels else _unusual()
    if type(value) is dict:
        return _copy_object(value, levels - 1) if levels else _unusual()
    return _unusual()


def _copy_object(value: dict[object, object], levels: int) -> Value:
    copied: dict[str, Value] = {}
    for key, item in value.items():
        if type(key) is not str:
            _unusual()
        copied[key if key.isascii() else _unicode(key)] = _copy(item, levels)
    return copied


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        _unusual()
    return text


def _unusual() -> NoReturn:
    raise _Unusual


def _admit(value: object, where: str, depth: int) -> Value:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return int(value)
        raise InvalidValue(
            f"{where} is an integer of {value.bit_length()} bits, over 64: pass it as text"
        )
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise InvalidValue(f"{where} is {value}, which JSON has no word for: use null or text")
    if depth >= VALUE_DEPTH_MAX:
        raise InvalidValue(f"{where} is nested deeper than {VALUE_DEPTH_MAX} levels: flatten it")
    if isinstance(value, (list, tuple)):
        return [_admit(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _key(key, where): _admit(item, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    raise InvalidValue(
        f"{where} is a {type(value).__name__}: expected null, boolean, number, text, list or object"
    )


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return _text(key, where)
    raise InvalidValue(f"{where} has a key that is a {type(key).__name__}: keys must be text")


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(f"{where} has text that is not Unicode: {error.reason}") from error
    return str(text)
