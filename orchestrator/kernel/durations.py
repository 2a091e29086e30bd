"""Durations and instants as people write them; definitions hold them, and so may values."""

import math
import re
from datetime import datetime, timedelta

from orchestrator.kernel.env import MICROSECONDS

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
_DAY_S = 86_400.0
_SHOWN_IN = (
    ("µs", 1e-6, 1e-3),
    ("ms", 1e-3, 1.0),
    ("s", 1.0, 100.0),
    ("min", 60.0, 6_000.0),
    ("h", 3_600.0, 100 * 3_600.0),
)
"""Each with its length, and the time from which on the next one is used; after them days."""
_CHARS_MAX = 50

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
DURATION_PATTERN = (
    rf"\s*(?:(?:{_NUMBER}\s*(?:{'|'.join(_UNITS_S)})\s*)+"
    rf"|P(?:{_NUMBER}[WD])*(?:T(?:{_NUMBER}[HMS])*)?|[+]?[0-9_.]+(?:[eE][+-]?[0-9]+)?)\s*"
)
"""The shape of every text that is a duration, for those who only look; `seconds` decides."""
DURATION_FORMS = 'a number of seconds, or text such as "1.5s", "200ms", "2m", "1h30m" or "PT5M"'
INSTANT_FORMS = 'date, time and zone, such as "2026-12-24T18:00:00Z"'


def seconds(value: object) -> float:
    """A duration in seconds. Raises `ValueError` naming the forms that are understood."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected {DURATION_FORMS}")
    found = _seconds_of_text(value.strip()) if isinstance(value, str) else _number(value)
    if found is None:
        raise ValueError(f"{value!r} is no duration: expected {DURATION_FORMS}")
    return found


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


def duration_text(time_s: float) -> str:
    """The duration as people write it, `2d` or `1h30m`; `seconds` reads the same from it."""
    left, text = round(time_s * MICROSECONDS), ""
    for unit in ("d", "h", "m"):
        count, left = divmod(left, round(_UNITS_S[unit] * MICROSECONDS))
        text += f"{count}{unit}" if count else ""
    if left or not text:
        unit = "us" if 0 < left < 1_000 else "ms" if 0 < left < MICROSECONDS else "s"
        amount = f"{left / (_UNITS_S[unit] * MICROSECONDS):.6f}".rstrip("0").rstrip(".")
        text += f"{amount}{unit}"
    return text if seconds(text) == time_s else repr(time_s)


def length(time_s: float) -> str:
    """How long something took, in three figures and the unit that fits."""
    if not time_s:
        return "0 s"
    for unit, scale_s, below_s in _SHOWN_IN:
        shown = f"{time_s / scale_s:.3g}"
        if abs(float(shown)) * scale_s < below_s:
            return f"{shown} {unit}"
    return (
        f"{time_s / _DAY_S:.3g} d" if abs(time_s) < 999.5 * _DAY_S else f"{time_s / _DAY_S:.0f} d"
    )


def instant(value: object) -> int:
    """An instant by RFC 3339 in microseconds since the epoch. Raises `ValueError` naming the form
    that is understood.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected {INSTANT_FORMS}")
    try:
        found = datetime.fromisoformat(value.strip().upper()) if len(value) <= _CHARS_MAX else None
        if found is None or found.tzinfo is None:
            raise ValueError(value)
        since = found - _EPOCH
    except (ValueError, OverflowError):
        shown = value[:_CHARS_MAX]
        raise ValueError(f"{shown!r} is no instant: expected {INSTANT_FORMS}") from None
    return (since.days * 86_400 + since.seconds) * MICROSECONDS + since.microseconds


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def as_text(at: int) -> str:
    """An instant in UTC, to the second."""
    return f"{(_EPOCH + timedelta(microseconds=at)):%Y-%m-%dT%H:%M:%SZ}"
