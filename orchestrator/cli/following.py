"""Being woken by coordinators' announcements while the log is followed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.adapters.nats.announcements import ringing
from orchestrator.config import Config
from orchestrator.insight.follow import Bell


@asynccontextmanager
async def bell_of(config: Config, log: str) -> AsyncIterator[Bell]:
    """A bell that rings when `log` is said to have grown; silent while NATS is away."""
    async with ringing(config.nats, config.prefix, log) as bell:
        yield bell
