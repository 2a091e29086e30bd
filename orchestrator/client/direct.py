"""The service over a cluster: NATS to ask coordinators, Postgres to read the log."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio

from events.sealing import Keyring, NoKeys
from events.subjects import Subjects
from orchestrator.adapters.crypto.keyring import keyring
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.lists import PostgresLists
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.api.service.ports import LogPart, Ports, Tail
from orchestrator.api.service.service import Service
from orchestrator.client.tails import NatsTail
from orchestrator.config import Config, databases, keys_text, log_map
from orchestrator.errors import Misconfigured

ANSWER_S = 15.0


@asynccontextmanager
async def direct(config: Config, answer_s: float = ANSWER_S) -> AsyncIterator[Service]:
    """The service, in this process. Raises `Misconfigured`, `Unavailable`."""
    settings = log_settings(config)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await opened(config))
        lists = PostgresLists(settings)
        stack.push_async_callback(lists.close)
        client = await stack.enter_async_context(connect(config.nats, config.prefix, answer_s))
        tails = await stack.enter_async_context(_tails(config, store))
        map_ = store.map if isinstance(store, PostgresCluster) else None
        yield Service(Ports(coordinators=client, log=store, lists=lists, tails=tails, map=map_))


def log_settings(config: Config) -> tuple[Settings, ...]:
    """How to reach each log. Raises `Misconfigured` when none is configured."""
    found = databases(config)
    if not found:
        raise Misconfigured("postgres.dsn is not set, expected the URL of the log's database")
    return tuple(Settings(dsn=one.dsn, log=one.log, map=one.map) for one in found)


async def opened(config: Config) -> PostgresStore:
    """The log; of several a store that reads all as one. Raises `Misconfigured`, `Unavailable`."""
    first, *others = log_settings(config)
    if not others:
        return await PostgresStore.open(first, keys=keys_of(config))
    return PostgresCluster(log_map(config), (first, *others), keys_of(config))


def keys_of(config: Config) -> Keyring:
    """The keyring. Raises `Misconfigured`."""
    text, source = keys_text(config)
    if not text:
        return NoKeys()
    return keyring(text, config.keys.current, source)


@asynccontextmanager
async def _tails(config: Config, store: PostgresStore) -> AsyncIterator[dict[str, Tail]]:
    subjects = Subjects(config.prefix)
    names = store.map.names if isinstance(store, PostgresCluster) else (store.info.name,)
    found = {name: NatsTail(name, _part(store, name)) for name in names}
    link = Link(config.nats, "follower")
    async with anyio.create_task_group() as group:
        for tail in found.values():
            group.start_soon(tail.run, link, subjects)
        try:
            yield dict(found)
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await link.close()


def _part(store: PostgresStore, name: str) -> Callable[[], Awaitable[LogPart]]:
    if isinstance(store, PostgresCluster):
        return partial(store.log, name)

    async def itself() -> LogPart:
        return store

    return itself
