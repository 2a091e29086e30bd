"""Following the log: everything after a position, in order, each event once, and then what comes.

Guarantee. Nothing is missed and nothing comes twice, whatever becomes of announcements: pages are
read by position, and the store lets positions become visible in order only.

    read ── a full page ──► read
      └──── the end ──────► wait ── a bell, or `poll_s` ──► read

A bell says that the log is longer than what was read. One that is lost costs a poll's wait; one
that is false, or late, costs a read; one that rings during a read is still heard after it.
"""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import anyio

from events.envelope import Stored
from events.errors import Unavailable

PAGE = 500
POLL_S = 1.0
"""Longest time between two looks at the log, when nothing is heard."""
GATHER_S = 0.02
"""Wait after a bell: under load many commits are read with one query."""


class LogReader(Protocol):
    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Events with position > `after`, in order of position; misses none that commits later."""


class Bell:
    """Tells one follower that the log has grown."""

    def __init__(self) -> None:
        self._heard = 0
        self._event = anyio.Event()

    def ring(self, position: int) -> None:
        self._heard = max(self._heard, position)
        self._event.set()

    async def wait(self, position: int, at_most_s: float) -> bool:
        """Waits until something beyond `position` is heard of, and forgets it: whoever rings for
        what is not there causes one look, not a busy loop. Returns whether it rang."""
        with anyio.move_on_after(at_most_s):
            while self._heard <= position:
                self._event = anyio.Event()
                await self._event.wait()
        rang, self._heard = self._heard > position, 0
        return rang


async def pages(reader: LogReader, after: int, page: int = PAGE) -> AsyncIterator[list[Stored]]:
    """What the log holds after a position now, by pages that are not empty."""
    while found := await reader.read_log(after, page):
        after = found[-1].position or after
        yield found
        if len(found) < page:
            return


async def follow(
    reader: LogReader,
    after: int,
    bell: Bell,
    trouble: Callable[[Unavailable], None],
    poll_s: float = POLL_S,
) -> AsyncIterator[list[Stored]]:
    """The same, and then without end what comes. A store that is away is told to `trouble` and
    asked again; raises `Unavailable` only when it was away from the beginning."""
    async for found in pages(reader, after):
        after = found[-1].position or after
        yield found
    while True:
        if await bell.wait(after, poll_s):
            await anyio.sleep(GATHER_S)
        try:
            async for found in pages(reader, after):
                after = found[-1].position or after
                yield found
        except Unavailable as error:
            trouble(error)
