"""Announcements of new log positions, as coordinators send them after each commit.

They may be lost, repeated, late, or somebody's invention: a reason to look at the log, no more.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from events.connection import Connection
from events.subjects import Subjects
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.nats.listen import Topic, listen
from orchestrator.insight.following.bells import Bell, Bells

DIGITS_MAX = 19


@asynccontextmanager
async def ringing_all(
    connection: Connection, prefix: str, logs: Sequence[str], bells: Bells
) -> AsyncIterator[None]:
    """Rings `bells` for each of these logs, over one connection, for as long as the block lasts."""
    link = Link(connection, "follower")
    async with anyio.create_task_group() as group:
        group.start_soon(_ring_all, bells, link, Subjects(prefix), logs)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await link.close()


async def _ring_all(bells: Bells, link: Link, subjects: Subjects, logs: Sequence[str]) -> None:
    named = {subjects.position(log): log for log in logs}
    async for message in listen(link, [Topic(subject) for subject in named]):
        position = _position(message.data)
        if position is not None and message.subject in named:
            bells.ring(named[message.subject], position)


async def announcements(link: Link, subjects: Subjects, log: str) -> AsyncIterator[int]:
    """Positions that `log` is said to have reached; goes on through reconnects, and ends when the
    link is closed."""
    async for message in listen(link, [Topic(subjects.position(log))]):
        if (position := _position(message.data)) is not None:
            yield position


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


def _position(data: bytes) -> int | None:
    return int(data) if len(data) <= DIGITS_MAX and data.isdigit() else None
