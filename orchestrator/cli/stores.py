"""Opening the log of a cluster, or all of its logs as one."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import Common, configured, go, keys_of, log_databases
from orchestrator.config import Config, log_map

T = TypeVar("T")


def log_settings(config: Config) -> tuple[Settings, ...]:
    """How to reach each log. Raises `Misconfigured` when none is configured."""
    found = log_databases(config)
    return tuple(Settings(dsn=one.dsn, log=one.log, map=one.map) for one in found)


async def open_logs(config: Config) -> PostgresStore:
    """The log; of several a store that reads all as one. Raises `Misconfigured`, `Unavailable`."""
    first, *others = log_settings(config)
    if not others:
        return await PostgresStore.open(first, keys=keys_of(config))
    return PostgresCluster(log_map(config), (first, *others), keys_of(config))


def with_store(common: Common, read: Callable[[PostgresStore], Awaitable[T]]) -> T:
    """What `read` returns of the log, or of all logs as one."""
    config = configured(common)

    async def opened() -> T:
        async with await open_logs(config) as store:
            return await read(store)

    return go(opened)


async def log_of(store: PostgresStore, run_id: str) -> PostgresStore:
    """The log itself that has a run, with its own positions and copies."""
    return await store.log(store.map.of(run_id)) if isinstance(store, PostgresCluster) else store


async def logs_of(store: PostgresStore) -> list[PostgresStore]:
    """The logs themselves, for what is true of each by itself."""
    if not isinstance(store, PostgresCluster):
        return [store]
    return [await store.log(name) for name in store.map.names]


def each_log(common: Common, read: Callable[[PostgresStore], Awaitable[T]]) -> list[T]:
    """What `read` returns of each log."""

    async def each(store: PostgresStore) -> list[T]:
        return [await read(log) for log in await logs_of(store)]

    return with_store(common, each)
