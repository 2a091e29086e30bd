"""Instants and stretches of time as they are given on the command line."""

import time

from events.errors import Misconfigured
from orchestrator.kernel.durations import instant, seconds

MICROSECONDS = 1_000_000
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
    for unit, scale in (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        if time_s < 1000 * scale * (0.1 if unit in {"s", "min"} else 1):
            return f"{time_s / scale:.3g} {unit}"
    return f"{time_s / 86_400:.3g} d"
