"""Retry arithmetic: whether another attempt follows, and when.

Decorrelated jitter follows M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog,
2015): the next delay is uniform between the initial one and three times the previous one, under the
cap.
"""

from typing import assert_never

from events.facts import Failure
from events.policies import Retry


def refusal(retry: Retry, failure: Failure, counted: int, retryable: bool) -> str:
    """Why no attempt follows after `counted` ones, or "" when one does."""
    if counted >= retry.attempts_max:
        return f"attempt {counted} of {retry.attempts_max} was the last"
    if not retryable:
        return "the task said that it is not worth another attempt"
    if failure.code in retry.permanent_codes:
        return f"{failure.code} is a permanent code"
    if retry.retryable_codes and failure.code not in retry.retryable_codes:
        return f"{failure.code} is not among the retryable codes"
    return ""


def delay_s(retry: Retry, counted: int, previous_s: float, chance: float) -> float:
    """Seconds before the next attempt, after `counted` (>= 1) attempts; `chance` is in [0, 1)."""
    match retry.kind:
        case "fixed":
            delay = retry.initial_s
        case "linear":
            delay = retry.initial_s * counted
        case "exponential":
            delay = _exponential(retry, counted)
        case "decorrelated":
            high = max(retry.initial_s, 3.0 * (previous_s or retry.initial_s))
            delay = retry.initial_s + chance * (high - retry.initial_s)
        case _:
            assert_never(retry.kind)
    return min(delay, retry.cap_s)


def _exponential(retry: Retry, counted: int) -> float:
    try:
        return retry.initial_s * retry.factor ** (counted - 1)
    except OverflowError:
        return retry.cap_s
