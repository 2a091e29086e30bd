"""Clients that wait for the end of a run, each until an instant of its own."""

from collections.abc import Sequence

import msgspec


class Waiter(msgspec.Struct):
    """A client that waits for the end of a run until a monotonic instant."""

    reply_to: str
    until: int


class Waiters:
    def __init__(self) -> None:
        self._runs: dict[str, list[Waiter]] = {}
        self._count = 0
        self._earliest: int | None = None
        """Nobody's instant is before it, so that they are not all looked at all the time."""

    def __len__(self) -> int:
        return self._count

    def add(self, run_id: str, waiter: Waiter) -> None:
        self._runs.setdefault(run_id, []).append(waiter)
        self._count += 1
        if self._earliest is None or waiter.until < self._earliest:
            self._earliest = waiter.until

    def take(self, run_id: str) -> Sequence[Waiter]:
        """Those that wait for this run; they wait no more."""
        taken = self._runs.pop(run_id, [])
        self._count -= len(taken)
        return taken

    def take_late(self, now: int) -> list[tuple[str, Waiter]]:
        """Those whose instant has come, with their run; they wait no more."""
        late: list[tuple[str, Waiter]] = []
        if self._earliest is None or now < self._earliest:
            return late
        for run_id in list(self._runs):
            if any(waiter.until <= now for waiter in self._runs[run_id]):
                for waiter in self.take(run_id):
                    if waiter.until <= now:
                        late.append((run_id, waiter))
                    else:
                        self.add(run_id, waiter)
        untils = (waiter.until for waiters in self._runs.values() for waiter in waiters)
        self._earliest = min(untils, default=None)
        return late
