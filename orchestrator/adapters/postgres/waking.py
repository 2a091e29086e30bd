"""Waking subscriptions of the eventsourcing library, which sleep until they are notified.

Appends do not notify: every commit that does takes one lock of the whole server. A statement of its
own follows them, at most one in each interval, so a subscription is behind by about that time and
costs the same whatever the rate of appends. The first goes out unasked: whoever appended before may
have died without it. One that fails is sent again, so the last append is never left out.
"""

import logging
from collections.abc import Awaitable, Callable

import anyio

from orchestrator.errors import Unavailable

log = logging.getLogger("dalsegno.postgres")


class Waker:
    def __init__(self, wake: Callable[[], Awaitable[None]], interval_s: float) -> None:
        self._wake = wake
        self._interval_s = interval_s
        self._grown = anyio.Event()
        self._grown.set()

    def grown(self) -> None:
        """The log has events that subscriptions have not been told of."""
        self._grown.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await self._grown.wait()
            await self.run_once()
            await anyio.sleep(self._interval_s)

    async def run_once(self) -> None:
        self._grown = anyio.Event()
        try:
            await self._wake()
        except Unavailable as error:
            log.debug("subscriptions not woken yet: %s", error)
            self._grown.set()
