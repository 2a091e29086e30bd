"""Listening on core subjects, for as long as the link is open.

What comes while nobody is connected is lost, and so is what comes while `MESSAGES_WAITING_MAX`
messages wait to be taken: heartbeats and requests are sent again by those who mean them.

The same file lies in the other process's adapter; see `link.py`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import msgspec
from nats.aio.msg import Msg

from events.errors import Unavailable
from events.limits import MESSAGES_WAITING_MAX
from orchestrator.adapters.nats.link import BACKOFF_FIRST_S, Closed, Link
from orchestrator.adapters.nats.session import Session

log = logging.getLogger("dalsegno.bus")


class Topic(msgspec.Struct, frozen=True):
    """A subject; of a queue group's members only one gets each message."""

    subject: str
    queue: str = ""


async def listen(link: Link, topics: Sequence[Topic]) -> AsyncIterator[Msg]:
    """Messages in order of arrival; ends when the link is closed."""
    while not link.closed:
        try:
            session = await link.session()
            ear = _Ear(session)
            async with AsyncExitStack() as stack:
                for topic in topics:
                    await stack.enter_async_context(
                        session.subscription(topic.subject, ear.on_message, topic.queue)
                    )
                async for message in ear.messages():
                    yield message
        except Closed:
            return
        except Unavailable as error:
            log.warning("%s; trying again", error)
            await link.pause(BACKOFF_FIRST_S)


class _Ear:
    """What comes within one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._came: deque[Msg] = deque()
        self._event = asyncio.Event()
        self._missed = 0

    async def on_message(self, message: Msg) -> None:
        if len(self._came) < MESSAGES_WAITING_MAX:
            self._came.append(message)
        else:
            self._missed += 1
        self._event.set()

    async def messages(self) -> AsyncIterator[Msg]:
        while not self._session.lost.is_set():
            await self._session.wait_for(self._event)
            self._event.clear()
            while self._came:
                yield self._came.popleft()
            if self._missed:
                log.warning("%d messages were dropped: they came too fast", self._missed)
                self._missed = 0
