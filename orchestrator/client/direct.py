"""The service over a cluster: NATS to ask coordinators, Postgres to read the log."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import NoReturn, cast

from events.ids import ENTROPY_BYTES, mint
from events.sealing import Keyring, NoKeys
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.crypto.keyring import keyring
from orchestrator.adapters.nats.announcements import ringing_all
from orchestrator.adapters.nats.client import Client as NatsClient
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.lists import PostgresLists
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.api.service.ports import Lists, Log, Ports
from orchestrator.api.service.service import Service
from orchestrator.config import Config, databases, keys_text, log_map
from orchestrator.errors import Misconfigured, Unavailable
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Feed

ANSWER_S = 15.0


@asynccontextmanager
async def direct(
    config: Config, answer_s: float = ANSWER_S, actor: str = "user"
) -> AsyncIterator[Service]:
    """The service, in this process. Without a database it can only ask coordinators. Raises
    `Misconfigured`, `Unavailable`."""
    if not databases(config):
        async with connect(config.nats, config.prefix, answer_s) as coordinators:
            yield Service(_without_log(config, coordinators), actor)
        return
    settings = log_settings(config)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await opened(config))
        logs = await logs_of(store)
        lists = PostgresLists(settings)
        stack.push_async_callback(lists.close)
        coordinators = await stack.enter_async_context(
            connect(config.nats, config.prefix, answer_s)
        )
        bells = Bells()
        await stack.enter_async_context(ringing_all(config.nats, config.prefix, [*logs], bells))

        async def ends() -> Mapping[str, int]:
            return {name: await log.last_position() for name, log in logs.items()}

        yield Service(
            Ports(
                coordinators=coordinators,
                log=store,
                lists=lists,
                feed=Feed(logs, bells, patient=True),
                bells=bells,
                ends=ends,
                place=store.place if isinstance(store, PostgresCluster) else None,
                expressions=CelExpressions(),
                limits=config.limits,
                shards=store.info.shards,
                release=version("dalsegno"),
                now=lambda: time.time_ns() // 1000,
                fresh_id=fresh_id,
            ),
            actor,
        )


class NoLog:
    """In place of whatever reads a log."""

    async def ends(self) -> NoReturn:
        self.__getattr__("ends")

    def __getattr__(self, name: str) -> NoReturn:
        raise Unavailable("this client knows no log: give it the address of the database (dsn)")


def _without_log(config: Config, coordinators: NatsClient) -> Ports:
    log = NoLog()
    return Ports(
        coordinators=coordinators,
        log=cast("Log", log),
        lists=cast("Lists", log),
        feed=cast("Feed", log),
        bells=Bells(),
        ends=log.ends,
        expressions=CelExpressions(),
        limits=config.limits,
        shards=0,
        release=version("dalsegno"),
        now=lambda: time.time_ns() // 1000,
        fresh_id=fresh_id,
        has_log=False,
    )


def fresh_id() -> str:
    """Ids sort by the time they were made."""
    return mint(time.time_ns() // 1000, os.urandom(ENTROPY_BYTES)).lower()


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


async def logs_of(store: PostgresStore) -> dict[str, PostgresStore]:
    """The logs themselves by their names, for what is true of each by itself."""
    if not isinstance(store, PostgresCluster):
        return {store.info.name: store}
    return {name: await store.log(name) for name in store.map.names}


def keys_of(config: Config) -> Keyring:
    """The keyring. Raises `Misconfigured`."""
    text, source = keys_text(config)
    return keyring(text, config.keys.current, source) if text else NoKeys()
