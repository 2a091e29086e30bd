"""The scheduler: one heap of actions, one virtual clock, one source of chance.

Everything that happens in a world is an action taken from the heap in order of (instant, rank,
order of planning). Chance comes from one generator seeded by the world's seed, so a seed is a
history. The trace hash covers every action that was taken and everything that was noted.
"""

import hashlib
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

EPOCH_US = 1_750_000_000_000_000
"""The wall clock at virtual instant 0, in microseconds since the epoch."""

SECOND = 1_000_000

Action = Callable[[], None]


def never() -> bool:
    return False


class Scheduler:
    """`now` is in microseconds since the world began, at wall clock `epoch_us`."""

    def __init__(self, seed: int, keep_trace: bool = False, epoch_us: int = EPOCH_US) -> None:
        self.now = 0
        self.rng = Random(f"world {seed}")
        self.actions = 0
        self.lines: list[str] | None = [] if keep_trace else None
        self._epoch_us = epoch_us
        self._heap: list[tuple[int, float, int, str, Action]] = []
        self._planned = 0
        self._trace = hashlib.blake2b(digest_size=16)

    @property
    def wall(self) -> int:
        return self._epoch_us + self.now

    @property
    def trace_hash(self) -> str:
        return self._trace.hexdigest()

    @property
    def next_at(self) -> int | None:
        """The instant of the next action, if there is one."""
        return self._heap[0][0] if self._heap else None

    def after(self, delay_us: int, label: str, action: Action, rank: float = 0.0) -> None:
        """Plans `action` for `delay_us` from now; its label becomes part of the trace. Among the
        actions of an instant those of a lower rank come first."""
        self._planned += 1
        at = self.now + max(0, delay_us)
        heappush(self._heap, (at, rank, self._planned, label, action))

    def run(self, until_us: int, over: Callable[[], bool] = never) -> bool:
        """Takes actions until the instant is reached or the world is over; whether it is over."""
        while self._heap and self._heap[0][0] <= until_us:
            self.now, _, _, label, action = heappop(self._heap)
            self.actions += 1
            if label:
                self.note(label)
            action()
            if over():
                return True
        self.now = max(self.now, until_us)
        return over()

    def skip(self, duration_us: int) -> None:
        """Lets time pass in which nothing happens: everything that is planned comes as much later,
        as if all of the world had been suspended."""
        self.now += duration_us
        self.note(f"nothing happens for {duration_us} us")
        self._heap = [(at + duration_us, *rest) for at, *rest in self._heap]  # type: ignore[misc]

    def note(self, text: str) -> None:
        """Makes something that happened part of the trace."""
        line = f"{self.now} {text}"
        self._trace.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    # -- chance -----------------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        return share > 0 and self.rng.random() < share

    def between(self, low_s: float, high_s: float) -> int:
        """A number of microseconds between so many seconds."""
        return int((low_s + (high_s - low_s) * self.rng.random()) * SECOND)
