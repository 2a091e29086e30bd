"""Durations and sizes as people write them."""

import math
import re

_UNITS_S = {
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|min|s|m|h|d)\s*")
_ISO = re.compile(
    r"P(?:(?P<W>\d+)W)?(?:(?P<D>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<H>\d+(?:\.\d+)?)H)?(?:(?P<M>\d+(?:\.\d+)?)M)?(?:(?P<S>\d+(?:\.\d+)?)S)?)?"
)
_ISO_S = {"W": 604_800.0, "D": 86_400.0, "H": 3_600.0, "M": 60.0, "S": 1.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]i?)?B?")
_SIZES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_CHARS_MAX = 50

DURATION_FORMS = 'a number of seconds, or text such as "1.5s", "200ms", "2m", "1h30m" or "PT5M"'
SIZE_FORMS = 'a number of bytes, or text such as "512MB" or "2GiB"'


def seconds(value: object) -> float:
    """A duration in seconds. Raises `ValueError` naming the forms that are understood."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected {DURATION_FORMS}")
    found = _seconds_of_text(value.strip()) if isinstance(value, str) else _number(value)
    if found is None:
        raise ValueError(f"{value!r} is no duration: expected {DURATION_FORMS}")
    return found


def size_bytes(value: object) -> int:
    """A size in bytes; k, M, G, T are powers of 1000, Ki, Mi, Gi, Ti of 1024.

    Raises `ValueError` naming the forms that are understood.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"expected {SIZE_FORMS}")
    if isinstance(value, int):
        return value
    text = value.strip()
    found = _SIZE.fullmatch(text) if len(text) <= _CHARS_MAX else None
    if found is None:
        raise ValueError(f"{value!r} is no size: expected {SIZE_FORMS}")
    unit = (found[2] or "").lower()
    base = 1024.0 if unit.endswith("i") else 1000.0
    return round(float(found[1]) * math.pow(base, _SIZES[unit.removesuffix("i")]))


def _number(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_of_text(text: str) -> float | None:
    if not text or len(text) > _CHARS_MAX:
        return None
    if iso := _ISO.fullmatch(text):
        parts = {unit: amount for unit, amount in iso.groupdict().items() if amount}
        valid = bool(parts) and not text.endswith("T")
        return sum(float(a) * _ISO_S[unit] for unit, a in parts.items()) if valid else None
    at, total = 0, 0.0
    while found := _PART.match(text, at):
        total += float(found[1]) * _UNITS_S[found[2]]
        at = found.end()
    if at == len(text):
        return total
    return _plain_number(text)


def _plain_number(text: str) -> float | None:
    try:
        return _number(float(text))
    except ValueError:
        return None
