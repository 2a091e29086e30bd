"""Watching the link: can the server be reached, and does it answer?

A connection that is lost tells so by itself. A server that hangs, or is cut off, keeps its
connections, and the library notices only after several of its own pings; until then nothing
arrives and nobody knows why. So the server is asked every second, which costs one ping.
"""

import asyncio
from collections.abc import AsyncIterator

from orchestrator.adapters.nats.link import Closed, Link

PROBE_INTERVAL_S = 1.0
PROBE_TIMEOUT_S = 1
"""Whole seconds, as the library takes them. Together with the interval: how late we may know."""


async def watch(link: Link) -> AsyncIterator[bool]:
    """First how it is, then every change; ends when the link is closed."""
    told: bool | None = None
    while not link.closed:
        session = link.live()
        answers = session is not None and await session.answers(PROBE_TIMEOUT_S)
        if answers != told:
            told = answers
            yield answers
        try:
            if session is None:
                await link.session()
            else:
                await session.wait_for(asyncio.Event(), PROBE_INTERVAL_S)
        except Closed:
            return
