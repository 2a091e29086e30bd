"""Durations and sizes as people write them."""

import math
import re

from orchestrator.kernel.durations import DURATION_FORMS, instant, seconds

__all__ = ["DURATION_FORMS", "SIZE_FORMS", "instant", "seconds", "size_bytes"]

SIZE_PATTERN = r"([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]i?)?B?"
_SIZE = re.compile(SIZE_PATTERN)
_SIZES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_CHARS_MAX = 50

SIZE_FORMS = 'a number of bytes, or text such as "512MB" or "2GiB"'


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
