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
