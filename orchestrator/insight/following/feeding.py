"""A publisher of one log: brings its outlet to where the log is, and keeps it there."""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

import anyio

from events.errors import Conflict, Unavailable
from orchestrator.insight.following.feed import POLL_S, Feed, Page, Waking
from orchestrator.insight.following.publishing import (
    Kept,
    Outlet,
    PublishedLog,
    Withholding,
    message_of,
    resume_after,
)
from orchestrator.insight.following.sieve import Sieve

RETRY_S = 1.0
CHECK_S = 5.0
"""Between two looks whether an outlet that has nothing to take is still what it was."""
MICROSECONDS = 1_000_000

log = logging.getLogger("dalsegno.feed")


class Hold(Protocol):
    """The hold of the subscription under which it is published."""

    @property
    def positions(self) -> Mapping[str, int]: ...

    def began_at(self, log_name: str) -> int: ...

    def done(self, log_name: str, position: int) -> None: ...

    async def tend(self) -> None:
        """Raises `Fenced` when another one publishes now, `Unavailable`."""

    async def require(self, log_name: str) -> None:
        """Returns when the hold is sure. Raises `Fenced`."""


class Publisher:
    """`clock`: microseconds since 1970. `age_max_s`: how long the outlet keeps a message."""

    def __init__(
        self,
        name: str,
        source: PublishedLog,
        outlet: Outlet,
        age_max_s: float,
        clock: Callable[[], int],
    ) -> None:
        self._name = name
        self._source = source
        self._outlet = outlet
        self._age_us = round(age_max_s * MICROSECONDS)
        self._clock = clock

    async def run(self, hold: Hold, sieve: Sieve, waking: Waking) -> None:
        """Runs until it is cancelled. Raises `Fenced`, and `Misconfigured` for an outlet that can
        never be."""
        told = ""
        while True:
            try:
                await self.publish(hold, sieve, waking)
            except (Unavailable, Conflict) as error:
                if str(error) != told:
                    log.warning("log %s is published on soon: %s", self._name, error)
                told = str(error)
                await anyio.sleep(RETRY_S)

    async def publish(self, hold: Hold, sieve: Sieve, waking: Waking) -> None:
        """Finds out where the outlet is and goes on from there; returns when it is not there any
        more. Raises `Unavailable`, `Conflict`, `Fenced`."""
        last = await self._outlet.last()
        kept = Kept(hold.positions[self._name], hold.began_at(self._name))
        after = await resume_after(self._source, last, kept, self._clock() - self._age_us)
        log.info("log %s is published behind position %d", self._name, after)
        feed = Feed({self._name: Withholding(self._source)}, waking, poll_s=POLL_S)
        rounds = feed.rounds({self._name: after}, sieve)
        sequence, looked_at = last.sequence, anyio.current_time()
        with waking.ear() as ear:
            while True:
                for page in await rounds.read():
                    sequence = await self._put(page, sequence, hold)
                await hold.tend()
                if rounds.has_more:
                    continue
                if anyio.current_time() - looked_at >= CHECK_S:
                    if (await self._outlet.last()).sequence != sequence:
                        return
                    looked_at = anyio.current_time()
                await rounds.rest(ear)

    async def _put(self, page: Page, sequence: int, hold: Hold) -> int:
        await hold.require(self._name)
        if page.events:
            bytes_max = await self._outlet.bytes_max()
            messages = [message_of(one, bytes_max) for one in page.events]
            sequence = await self._outlet.publish(messages, sequence)
        hold.done(self._name, page.reached)
        return sequence
