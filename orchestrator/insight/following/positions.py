"""Positions that are kept outside of the log: as text, as a place that can be confirmed, by time.

A log that was restored from a backup gives its positions to other events. A place names the append
that its position is in, by number and digest; digests are chained, so where it is the same, all
before it is the same.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from events.errors import Misconfigured, Rejected

POSITION_MAX = 2**63 - 1
CLOCKS_APART_US = 3_600_000_000
"""What the clocks of coordinators and of the database may differ by when a time is looked for."""


class Batched(msgspec.Struct, frozen=True):
    """An append: its number and digest, when it was, the last position in it."""

    number: int
    digest: bytes
    recorded_at: int
    last: int


class Batches(Protocol):
    async def batch_at(self, position: int) -> Batched | None:
        """The first append that ends at a position or after it. Raises `Unavailable`."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A position in a log, and the append that it is in; number 0 where that is not known."""

    position: int
    batch: int = 0
    digest: str = ""


async def place_of(log: Batches, position: int) -> Place:
    found = await log.batch_at(position) if position else None
    if found is None:
        return Place(position)
    return Place(position, found.number, found.digest.hex())


async def confirm(log: Batches, name: str, place: Place) -> None:
    """Raises `Rejected` when the log has another history at that place."""
    if not place.batch:
        return
    found = await log.batch_at(place.position)
    if found is None or (found.number, found.digest.hex()) != (place.batch, place.digest):
        ends = "the log ends before it" if found is None else "another append is there"
        raise Rejected(
            f"position {place.position} of log {name} is not what it was when it was kept, {ends}: "
            "was the database restored from a backup? Events behind the backup come again under "
            "other positions; begin anew from one that you are sure of, or from 0"
        )


async def position_before(log: Batches, at: int, last: int) -> int:
    """A position that no event recorded at `at` (microseconds) or later is at or before, as far as
    clocks agree; `last` is that of the last event. O(log n) looks."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        found = await log.batch_at(middle + 1)
        if found is None or found.recorded_at >= at - CLOCKS_APART_US:
            high = middle
        else:
            low = min(max(found.last, middle + 1), last)
    return low


def positions_of(text: str, names: Sequence[str], what: str) -> dict[str, int]:
    """`1200`, or `east:1200,west:80` where there are several logs; those that are not named begin
    at 0. Raises `Misconfigured`."""
    if len(names) == 1 and ":" not in text:
        return {names[0]: _position(text, text, what)}
    found = dict.fromkeys(names, 0)
    for part in text.split(","):
        name, _, number = part.strip().rpartition(":")
        if name not in found:
            known = ", ".join(f"{one}:POSITION" for one in names)
            raise Misconfigured(f"{what} is {text!r}: expected {known}")
        found[name] = _position(number, text, what)
    return found


def _position(number: str, text: str, what: str) -> int:
    if number.isdecimal() and int(number) <= POSITION_MAX:
        return int(number)
    raise Misconfigured(f"{what} is {text!r}: expected a position, 0 to {POSITION_MAX}")


def told(positions: Mapping[str, int]) -> str:
    """As `positions_of` reads them."""
    if len(positions) == 1:
        return str(next(iter(positions.values())))
    return ",".join(f"{name}:{position}" for name, position in positions.items())
