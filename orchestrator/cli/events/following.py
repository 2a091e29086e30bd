"""Opening the logs of a cluster for followers, and being woken by coordinators' announcements."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from events.errors import Unavailable
from orchestrator.adapters.nats.announcements import ringing_all
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import keys_of
from orchestrator.cli.stores import log_settings
from orchestrator.config import Config
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Feed


class Logs(msgspec.Struct, frozen=True):
    """The logs of a cluster by their names; `told` whether a position is told with its log."""

    stores: dict[str, PostgresStore]
    told: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.stores)


@asynccontextmanager
async def opened_logs(config: Config) -> AsyncIterator[Logs]:
    """Raises `Misconfigured` and `Unavailable`."""
    async with AsyncExitStack() as stack:
        found: dict[str, PostgresStore] = {}
        several = False
        for one in log_settings(config):
            opening = await PostgresStore.open(one, keys=keys_of(config))
            store = await stack.enter_async_context(opening)
            found[store.info.name] = store
            several = several or bool(one.log)
        yield Logs(found, several)


@asynccontextmanager
async def feed_of(
    config: Config, logs: Logs, trouble: Callable[[str, Unavailable], None]
) -> AsyncIterator[Feed]:
    """A feed of these logs, woken as soon as they grow; it polls while NATS is away."""
    bells = Bells()
    async with ringing_all(config.nats, config.prefix, logs.names, bells):
        yield Feed(logs.stores, bells, trouble)
