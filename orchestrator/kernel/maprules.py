"""Rules of a map: how many items may begin, and when it is decided what becomes of it."""

import math
from typing import Literal, NamedTuple

from events.net import Map
from orchestrator.kernel.limits import Limits
from orchestrator.kernel.mapstate import MapState

Verdict = Literal["", "completed", "failed", "too_large"]

ENTRY_BYTES = 8
"""What an entry of the list of results counts beside its value."""


def room(action: Map, state: MapState, open_: int) -> int:
    """How many items may begin when `open_` are under way."""
    left = min(len(state.items) - state.cursor, action.concurrency - open_)
    if action.batch:
        in_batch = action.batch - state.cursor % action.batch
        is_at_bar = in_batch == action.batch and open_ > 0
        left = min(left, 0 if is_at_bar else in_batch)
    return max(left, 0)


def needed(action: Map, count: int) -> int:
    """How many of `count` items must complete."""
    match action.rule:
        case "any":
            return 1
        case "count":
            return int(action.number)
        case "percent":
            return math.ceil(round(count * action.number / 100, 6))
        case "collect":
            return 0
        case _:
            return count


class Tally(NamedTuple):
    """Of so many `items` so many are over; their results have so many bytes."""

    items: int
    completed: int
    failed: int
    output_bytes: int


def verdict(action: Map, tally: Tally, limits: Limits) -> Verdict:
    """What is decided about a map; "": nothing yet."""
    if tally.output_bytes > limits.payload_bytes_max:
        return "too_large"
    is_over = tally.completed + tally.failed == tally.items
    if action.rule == "collect":
        return "completed" if is_over else ""
    least = needed(action, tally.items)
    if tally.completed >= least:
        return "completed"
    if action.rule == "all" and not is_over:
        return ""
    return "failed" if tally.items - tally.failed < least else ""
