"""Announcements of new log positions, as coordinators send them after each commit.

They may be lost, repeated, late, or somebody's invention: a reason to look at the log, no more.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from events.connection import Connection
from events.subjects import Subjects
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.listen import Topic, listen
from orchestrator.insight.follow import Bell

DIGITS_MAX = 19


async def announcements(link: Link, subjects: Subjects, log: str) -> AsyncIterator[int]:
    """Positions that `log` is said to have reached; goes on through reconnects, and ends when the
    link is closed."""
    async for message in listen(link, [Topic(subjects.position(log))]):
        if len(message.data) <= DIGITS_MAX and message.data.isdigit():
            yield int(message.data)


@asynccontextmanager
async def ringing(connection: Connection, prefix: str, log: str) -> AsyncIterator[Bell]:
    """A bell that rings when `log` is said to have grown; silent while NATS is away."""
    bell, link = Bell(), Link(connection, "follower")
    async with anyio.create_task_group() as group:
        group.start_soon(_ring, bell, link, Subjects(prefix), log)
        try:
            yield bell
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await link.close()


async def _ring(bell: Bell, link: Link, subjects: Subjects, log: str) -> None:
    async for position in announcements(link, subjects, log):
        bell.ring(position)
