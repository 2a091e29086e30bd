"""Being woken by coordinators' announcements while the log is followed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from events.subjects import Subjects
from orchestrator.adapters.nats.announcements import announcements
from orchestrator.adapters.nats.link import Link
from orchestrator.config import Config
from orchestrator.insight.follow import Bell


@asynccontextmanager
async def bell_of(config: Config, log: str) -> AsyncIterator[Bell]:
    """A bell that rings when `log` is said to have grown; silent while NATS is away."""
    bell, link = Bell(), Link(config.nats, "follower")
    async with anyio.create_task_group() as group:
        group.start_soon(_ring, bell, link, Subjects(config.prefix), log)
        try:
            yield bell
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await link.close()


async def _ring(bell: Bell, link: Link, subjects: Subjects, log: str) -> None:
    async for position in announcements(link, subjects, log):
        bell.ring(position)
