"""Bounds of values that decisions make.

What comes from outside was admitted at the door; a template can combine such values into one that
is larger or deeper, and a chain of templates without end.
"""

from events.codec import encode
from events.limits import FLOW_PAYLOADS_MAX, VALUE_DEPTH_MAX, Limits
from events.values import Value
from orchestrator.kernel.expressions import ExpressionFailed

SCALAR_BYTES = 8
"""What a number counts, about."""


class PayloadTooLarge(ExpressionFailed):
    """A value is over its limit of bytes, or nested too deep."""

    code = "payload_too_large"


def bounded(value: Value, limits: Limits, what: str) -> int:
    """Returns the bytes of `value` as JSON; raises `PayloadTooLarge` naming `what` when there are
    too many of them or it is nested too deep."""
    if value is None or isinstance(value, (int, float)):
        return SCALAR_BYTES
    if isinstance(value, (dict, list)) and _is_deeper(value, VALUE_DEPTH_MAX):
        raise PayloadTooLarge(f"{what} is nested deeper than {VALUE_DEPTH_MAX} levels: flatten it")
    size = len(encode(value))
    if size > limits.payload_bytes_max:
        raise PayloadTooLarge(
            f"{what} has {size} bytes, over the limit of {limits.payload_bytes_max}: "
            "store it elsewhere and pass a reference"
        )
    return size


def _is_deeper(value: "dict[str, Value] | list[Value]", levels: int) -> bool:
    if not levels:
        return True
    items = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, (dict, list)) and _is_deeper(item, levels - 1) for item in items)


class FlowBudget:
    """Counts the bytes of one flow's values."""

    __slots__ = ("_limits", "_used")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used = 0

    @property
    def used(self) -> int:
        """Bytes so far."""
        return self._used

    def take(self, value: Value, what: str) -> None:
        """Raises `PayloadTooLarge` when `value` is too large, by itself or with what was before."""
        size = bounded(value, self._limits, what)
        most = FLOW_PAYLOADS_MAX * self._limits.payload_bytes_max
        if self._used + size > most:
            raise PayloadTooLarge(
                f"{what} and what begins together with it have over {most} bytes: "
                "store large values elsewhere and pass references"
            )
        self._used += size
