"""Bells: what tells followers that a log has grown.

A bell says that the log is longer than what was read. One that is lost costs a poll's wait; one
that is false, or late, costs a read; one that rings during a read is still heard after it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import anyio


class Bell:
    """Tells one follower of one log that it has grown."""

    def __init__(self) -> None:
        self._ear = Ear()

    def ring(self, position: int) -> None:
        self._ear.hear("", position)

    async def wait(self, position: int, at_most_s: float) -> bool:
        """Waits until something beyond `position` is heard of, and forgets it: whoever rings for
        what is not there causes one look, not a busy loop. Returns whether it rang."""
        return await self._ear.wait({"": position}, at_most_s)


class Bells:
    """Tells any number of followers of several logs."""

    def __init__(self) -> None:
        self._ears: set[Ear] = set()

    def ring(self, log: str, position: int) -> None:
        for ear in self._ears:
            ear.hear(log, position)

    @contextmanager
    def ear(self) -> Iterator["Ear"]:
        """One follower's, for as long as it listens."""
        ear = Ear()
        self._ears.add(ear)
        try:
            yield ear
        finally:
            self._ears.discard(ear)


class Ear:
    """What one follower has heard since it looked."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}
        self._event = anyio.Event()

    def hear(self, log: str, position: int) -> None:
        self._heard[log] = max(self._heard.get(log, 0), position)
        self._event.set()

    async def wait(self, reached: Mapping[str, int], at_most_s: float) -> bool:
        """Waits until one of these logs is said to be longer; forgets all that it has heard."""
        with anyio.move_on_after(at_most_s):
            while not self._rings(reached):
                self._event = anyio.Event()
                await self._event.wait()
        rang = self._rings(reached)
        self._heard.clear()
        return rang

    def _rings(self, reached: Mapping[str, int]) -> bool:
        return any(self._heard.get(log, 0) > position for log, position in reached.items())
