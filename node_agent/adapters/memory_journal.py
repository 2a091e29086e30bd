"""The journal's twin in memory, for the simulator and for tests.

append ──► written (page cache) ──sync──► durable (disk)
kill -9 keeps what was written; a loss of power keeps what is durable and some first part of
the rest
"""

from node_agent.journal import Ledger, Live, Record


class MemoryJournal:
    """Survives its agent: give the same one to the next."""

    def __init__(self) -> None:
        self._frames: list[tuple[Record, ...]] = []
        self._durable = 0

    @property
    def written(self) -> int:
        """Frames appended."""
        return len(self._frames)

    @property
    def durable(self) -> int:
        """Frames that would survive a loss of power."""
        return self._durable

    def append(self, records: tuple[Record, ...]) -> None:
        if records:
            self._frames.append(records)

    async def sync(self) -> None:
        self.sync_now()

    def sync_now(self, frames: int | None = None) -> None:
        """Makes the first `frames` frames durable, all by default."""
        reached = len(self._frames) if frames is None else frames
        self._durable = max(self._durable, min(reached, len(self._frames)))

    def lose_power(self, surviving: int = 0) -> None:
        """Forgets what is not durable, but for `surviving` frames of it."""
        del self._frames[self._durable + surviving :]
        self._durable = len(self._frames)

    def open(self) -> tuple[Live, ...]:
        """What an agent that starts on this journal begins with, durable by then."""
        self.sync_now()
        return self.read()

    def read(self) -> tuple[Live, ...]:
        """What is live."""
        return _fold(self._frames)

    def read_durable(self) -> tuple[Live, ...]:
        """What would be live after a loss of power."""
        return _fold(self._frames[: self._durable])

    def close(self) -> None:
        """Nothing to do."""


def _fold(frames: list[tuple[Record, ...]]) -> tuple[Live, ...]:
    ledger = Ledger()
    for records in frames:
        ledger.extend(records)
    return tuple(ledger.live.values())
