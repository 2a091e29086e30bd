"""Rules of a map: how many items may begin, and when it is decided what becomes of it."""

import math
from typing import Literal, NamedTuple

from events.facts import PartOf
from events.limits import Limits
from events.net import Map
from orchestrator.kernel.mapstate import MapState

Verdict = Literal["", "completed", "failed", "too_large"]

ENTRY_BYTES = 8
"""What an entry of the list of results counts beside its value."""


def room(action: Map, state: MapState, open_: int) -> int:
    """How many items, or parts, may begin when `open_` are under way."""
    most = state.cut.lanes if state.cut is not None else state.share or action.concurrency
    left = min(state.begins - state.cursor, most - open_)
    if action.batch and state.cut is None:
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


def verdict(action: Map, tally: Tally, limits: Limits, part: PartOf | None = None) -> Verdict:
    """What is decided about a map, or about what its part does of it; "": nothing yet."""
    if tally.output_bytes > limits.payload_bytes_max:
        return "too_large"
    is_over = tally.completed + tally.failed == tally.items
    if part is not None:
        return "completed" if is_over or _is_enough(action, tally, part.count) else ""
    if action.rule == "collect":
        return "completed" if is_over else ""
    least = needed(action, tally.items)
    if tally.completed >= least:
        return "completed"
    if action.rule == "all" and not is_over:
        return ""
    return "failed" if tally.items - tally.failed < least else ""


def _is_enough(action: Map, tally: Tally, count: int) -> bool:
    """Whether a part by itself decides a map of `count` items."""
    if action.rule == "fail_fast":
        return tally.failed > 0
    return action.rule not in {"all", "collect"} and tally.completed >= needed(action, count)
