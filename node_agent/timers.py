"""Many coarse timers, cheap to set and to leave behind.

Instants are rounded up into buckets, so a timer fires up to `GRAIN_US` late and never early. There
is no removal: whoever is woken looks whether anything is due.
"""

from heapq import heappop, heappush

from events.ids import Attempt

GRAIN_US = 10_000


class Timers:
    __slots__ = ("_buckets", "_order")

    def __init__(self) -> None:
        self._buckets: dict[int, list[Attempt]] = {}
        self._order: list[int] = []

    def add(self, due_us: int, attempt: Attempt) -> int:
        """Wakes `attempt` at `due_us` or a little later; returns the instant of the wake."""
        wake_us = -(-due_us // GRAIN_US) * GRAIN_US
        bucket = self._buckets.get(wake_us)
        if bucket is None:
            self._buckets[wake_us] = [attempt]
            heappush(self._order, wake_us)
        else:
            bucket.append(attempt)
        return wake_us

    def pop(self, now_us: int) -> list[tuple[int, Attempt]]:
        """Removes and returns what is due, with the instants that `add` returned."""
        due: list[tuple[int, Attempt]] = []
        while self._order and self._order[0] <= now_us:
            wake_us = heappop(self._order)
            due.extend((wake_us, attempt) for attempt in self._buckets.pop(wake_us))
        return due

    def next_us(self) -> int | None:
        return self._order[0] if self._order else None

    def clear(self) -> None:
        self._buckets.clear()
        self._order.clear()
