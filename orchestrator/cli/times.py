"""Instants and stretches of time as they are given on the command line."""

import time

from events.errors import Misconfigured
from orchestrator.kernel.durations import instant, seconds

MICROSECONDS = 1_000_000
DAY_S = 86_400.0
UNITS = (
    ("µs", 1e-6, 1e-3),
    ("ms", 1e-3, 1.0),
    ("s", 1.0, 100.0),
    ("min", 60.0, 6_000.0),
    ("h", 3_600.0, 100 * 3_600.0),
)
"""Each with its length, and the time from which on the next one is used; after them days."""
FORMS = (
    'a duration back from now such as "15m", "2h" or "7d", or an instant such as 2026-12-24T18:00Z'
)


def now() -> int:
    return time.time_ns() // 1000


def given_instant(text: str, flag: str, at: int) -> int | None:
    """Microseconds UTC; None when nothing was given. Raises `Misconfigured`."""
    if not text:
        return None
    try:
        return at - round(seconds(text) * MICROSECONDS)
    except ValueError:
        pass
    try:
        return instant(text)
    except ValueError:
        raise Misconfigured(f"{flag} is {text!r}: expected {FORMS}") from None


def between(since: str, until: str, at: int) -> tuple[int | None, int | None]:
    """Both, the first before the second. Raises `Misconfigured`."""
    first, last = given_instant(since, "--since", at), given_instant(until, "--until", at)
    if first is not None and last is not None and first >= last:
        raise Misconfigured(f"--since {since} is not before --until {until}")
    return first, last


def length(time_s: float) -> str:
    """How long something took, in three figures and the unit that fits."""
    if not time_s:
        return "0 s"
    for unit, scale_s, below_s in UNITS:
        shown = f"{time_s / scale_s:.3g}"
        if abs(float(shown)) * scale_s < below_s:
            return f"{shown} {unit}"
    return f"{time_s / DAY_S:.3g} d" if abs(time_s) < 999.5 * DAY_S else f"{time_s / DAY_S:.0f} d"
