"""Composition root of the coordinator and the projector: configuration in, a running one out."""

import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio
import msgspec

from events.catalogue import Catalogue
from events.errors import DalsegnoError, Fenced, Misconfigured, Unavailable
from events.limits import Limits
from events.streams import StreamLimits, Topology
from events.subjects import Subjects
from events.telemetry import traces_exporter
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.crypto.keyring import keyring
from orchestrator.adapters.nats.announcements import ringing, ringing_all
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.adapters.nats.feed import NatsFeed
from orchestrator.adapters.nats.link import Link
from orchestrator.adapters.postgres.holding import Holding
from orchestrator.adapters.postgres.projections import PostgresProjections
from orchestrator.adapters.postgres.schema import LOG, migrate
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.authoring.check import accept
from orchestrator.config import Config, Database, databases, keys_text, log_map
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.edge import Edge, Observers
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.signals import Now
from orchestrator.insight.counting.projecting import Projecting
from orchestrator.insight.counting.projector import Projector
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feeding import Publisher
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.sieve import compiled
from orchestrator.insight.following.subscriptions import TTL_S
from orchestrator.replay.routing import ReadableLog, Routed

if TYPE_CHECKING:
    from orchestrator.adapters.otel.runs import RunSpans


log = logging.getLogger("dalsegno.coordinator")

FEED_SAVE_S, FEED_STANDBY_S = 1.0, 1.0
OPEN_AGAIN_S = 1.0
"""Between two tries to open one of several logs."""


class SystemClock:
    def now(self) -> Now:
        return Now(time.monotonic_ns() // 1000, time.time_ns() // 1000)


class HashFile:
    """Test mode: one JSON line for each committed version's state hash."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("ab", buffering=0)

    def record(self, hashes: tuple[tuple[str, int, str], ...]) -> None:
        self._file.write(b"".join(msgspec.json.encode(found) + b"\n" for found in hashes))


def make_engine(limits: Limits) -> Engine:
    """The engines of this process; the definitions' compiler among them."""
    expressions = CelExpressions()
    return Engine(
        expressions=expressions,
        limits=limits,
        compile=lambda definition: accept(definition, expressions, limits),
        release=version("dalsegno"),
    )


async def run_coordinator(config: Config) -> None:
    """Runs until SIGTERM or SIGINT; then flushes, releases its leases and returns.

    Raises `Misconfigured` for what waiting cannot mend, `Unavailable` when Postgres is not there.
    """
    first, *others = _databases(config)
    if others:
        await _Logs(config).run()
        return
    await _migrate(config, first)
    async with await _open(config, first) as store:
        await _on_bus(config, lambda bus: run_edge(config, store, bus))


class _Logs:
    """A coordinator of several logs: a core, a store and a bus for each. None waits for another:
    one that is not there is tried again."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._map = log_map(config)
        self._stores: dict[str, PostgresStore] = {}
        self._cluster = Routed(self._map, self._store)

    async def run(self) -> None:
        async with until_signal() as stopping, anyio.create_task_group() as group:
            for database in _databases(self._config):
                group.start_soon(self._serve, database, stopping)

    async def _store(self, log_name: str) -> PostgresStore:
        if log_name not in self._stores:
            raise Unavailable(f"log {log_name} has not been reached yet")
        return self._stores[log_name]

    async def _serve(self, database: Database, stopping: anyio.Event) -> None:
        store = await self._opened(database, stopping)
        if store is None:
            return
        self._stores[database.log] = store
        part = Part(
            own=frozenset(self._map.own(database.log)),
            logs=len(self._map.names),
            cluster=self._cluster,
        )
        async with store:
            await _on_bus(self._config, lambda bus: serve(self._config, store, bus, stopping, part))

    async def _opened(self, database: Database, stopping: anyio.Event) -> PostgresStore | None:
        """None when we are to stop before it is there. Raises `Misconfigured`."""
        while not stopping.is_set():
            try:
                await _migrate(self._config, database)
                return await _open(self._config, database)
            except Unavailable as error:
                log.warning("log %s is not there, trying again: %s", database.log, error)
            with anyio.move_on_after(OPEN_AGAIN_S):
                await stopping.wait()
        return None


async def _on_bus(config: Config, work: Callable[[NatsBus], Awaitable[None]]) -> None:
    topology = Topology(subjects=Subjects(config.prefix), replicas=config.nats.replicas)
    bus = NatsBus(config.nats, topology, _name(config))
    try:
        await bus.start()
        await work(bus)
    finally:
        await bus.close()


async def run_projections(config: Config) -> None:
    """Runs until SIGTERM or SIGINT, at work or standing by.

    Raises `Misconfigured` for what waiting cannot mend, `Unavailable` when Postgres is not there.
    """
    found = _databases(config)
    async with until_signal() as stopping, anyio.create_task_group() as group:
        for database in found:
            group.start_soon(_project, config, database, len(found) > 1)
        await stopping.wait()
        group.cancel_scope.cancel()


async def _project(config: Config, database: Database, is_patient: bool) -> None:
    """Folds one log. `is_patient`: when it is not there, others are, and it is tried again."""
    settings = msgspec.structs.replace(
        _settings(config, database), application_name="dalsegno projections", connections_max=1
    )
    while True:
        try:
            await _migrate(config, database)
            await _project_log(config, settings)
        except Unavailable as error:
            if not is_patient:
                raise
            log.warning("log %s is not there, trying again: %s", database.log, error)
            await anyio.sleep(OPEN_AGAIN_S)


async def _project_log(config: Config, settings: Settings) -> None:
    async with (
        PostgresProjections(settings) as projections,
        ringing(config.nats, config.prefix, projections.info.name) as bell,
    ):
        edge = Projecting(
            Projector(projections, config.projections), bell, config.projections, time.monotonic
        )
        await edge.run()


class Feeding(msgspec.Struct, frozen=True):
    """What is put onto streams: which events, and where the first time begins."""

    filter: Filter
    begin: Callable[[PostgresStore], Awaitable[int]]


async def run_feed(config: Config, feeding: Feeding) -> None:
    """Publishes every log until SIGTERM or SIGINT, at work or standing by.

    Raises `Misconfigured` for what waiting cannot mend, `Rejected` for other events than those that
    are published under this prefix already, `Unavailable` when Postgres is not there.
    """
    async with until_signal() as stopping, anyio.create_task_group() as group:
        for database in _databases(config):
            group.start_soon(_feed_log, config, database, feeding)
        await stopping.wait()
        group.cancel_scope.cancel()


async def _feed_log(config: Config, database: Database, feeding: Feeding) -> None:
    """Without keys: what is personal is not published."""
    settings = msgspec.structs.replace(
        _settings(config, database), application_name="dalsegno feed"
    )
    topology = Topology(subjects=Subjects(config.prefix), replicas=config.nats.replicas)
    limits = StreamLimits(age_max_s=config.feed.age_max_s, bytes_max=config.feed.bytes_max)
    link, bells = Link(config.nats, "feed"), Bells()
    async with await PostgresStore.open(settings) as store:
        name = store.info.name
        outlet = NatsFeed(link, topology.feed(name, limits), topology.subjects.feed(name))
        publisher = Publisher(name, store, outlet, config.feed.age_max_s, _now_us)
        begin = await feeding.begin(store)
        try:
            async with ringing_all(config.nats, config.prefix, [name], bells):
                while True:
                    holding = Holding(f"nats:{config.prefix}", {name: store}, TTL_S, FEED_SAVE_S)
                    await holding.make(feeding.filter, lambda _: begin)
                    await _publish(publisher, holding, bells)
        finally:
            await link.close()


async def _publish(publisher: Publisher, holding: Holding, bells: Bells) -> None:
    """Stands by until nobody else publishes; returns when somebody else does."""
    try:
        await holding.wait(FEED_STANDBY_S)
        sieve = compiled(holding.filter, CelExpressions())
        await publisher.run(holding, sieve, bells)
    except Fenced as error:
        log.warning("%s", error)
    except Unavailable as error:
        log.warning("the feed waits: %s", error)
        await anyio.sleep(OPEN_AGAIN_S)
    finally:
        with suppress(DalsegnoError), anyio.move_on_after(5, shield=True):
            await holding.release()


def _now_us() -> int:
    return time.time_ns() // 1000


def _dsn(config: Config) -> str:
    if not config.postgres.dsn:
        raise Misconfigured("postgres.dsn is not set: give --dsn, DALSEGNO_POSTGRES_DSN or a file")
    return config.postgres.dsn


def _databases(config: Config) -> tuple[Database, ...]:
    return databases(config) or (Database(dsn=_dsn(config)),)


async def _open(config: Config, database: Database) -> PostgresStore:
    text, source = keys_text(config)
    keys = keyring(text, config.keys.current, source)
    return await PostgresStore.open(_settings(config, database), keys=keys)


def _settings(config: Config, database: Database) -> Settings:
    return Settings(
        dsn=database.dsn,
        log=database.log,
        map=database.map,
        snapshots_kept=config.engine.snapshots_kept,
        recovery_snapshots_kept=config.engine.recovery_snapshots_kept,
    )


async def _migrate(config: Config, database: Database) -> None:
    if config.postgres.migrate:
        shards = config.coordinator.shards
        await anyio.to_thread.run_sync(
            lambda: migrate(database.dsn, log=database.log or LOG, shards=shards, map_=database.map)
        )


class Part(msgspec.Struct, frozen=True):
    """What the coordinator of one log knows of the others: which shards are its own (empty: all),
    how many logs there are, and how to read them."""

    own: frozenset[int] = frozenset()
    logs: int = 1
    cluster: ReadableLog | None = None


async def run_edge(config: Config, store: PostgresStore, bus: NatsBus) -> None:
    """Serves one log until SIGTERM or SIGINT."""
    async with until_signal() as stopping:
        await serve(config, store, bus, stopping)


async def serve(
    config: Config,
    store: PostgresStore,
    bus: NatsBus,
    stopping: anyio.Event,
    part: Part = Part(),
) -> None:
    """Serves one log until it is time to stop; then in good order."""
    name = _name(config)
    spans = _run_spans(name)
    identity = Identity(
        name=name,
        seed=os.urandom(16).hex(),
        shards=store.info.shards,
        own=part.own,
        logs=part.logs,
        record_hashes=bool(config.coordinator.hashes_file),
        traced=spans is not None,
    )
    core = Coordinator(identity, config.engine, make_engine(config.limits))
    loader = Loader(store, Catalogue(), name, store.info.name, part.cluster)
    path = config.coordinator.hashes_file
    edge = Edge(
        core,
        store,
        bus,
        loader,
        SystemClock(),
        observers=Observers(HashFile(Path(path)) if path else None, spans),
    )
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_in_time, edge, stopping)
            group.start_soon(store.keep_subscribers_awake)
            await edge.run()
            group.cancel_scope.cancel()
    finally:
        if spans is not None:
            spans.close()


def _run_spans(name: str) -> "RunSpans | None":
    """Telemetry of runs, only when an `OTEL_*` variable asks for it."""
    exporter = traces_exporter(os.environ)
    if exporter is None:
        return None
    from orchestrator.adapters.otel.runs import RunSpans, make_exporter  # noqa: PLC0415

    return RunSpans(make_exporter(exporter), name)


def _name(config: Config) -> str:
    return config.coordinator.name


async def _stop_in_time(edge: Edge, stopping: anyio.Event) -> None:
    await stopping.wait()
    await edge.stop()


@asynccontextmanager
async def until_signal() -> AsyncIterator[anyio.Event]:
    """An event that SIGTERM or SIGINT sets."""
    stopping = anyio.Event()
    async with anyio.create_task_group() as group:
        await group.start(_wait_for_signal, stopping)
        yield stopping
        group.cancel_scope.cancel()


async def _wait_for_signal(
    stopping: anyio.Event, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stopping.set()
            return
