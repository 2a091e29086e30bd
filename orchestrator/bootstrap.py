"""Composition root of the coordinator and the projector: configuration in, a running one out."""

import os
import signal
import time
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio
import msgspec

from events.catalogue import Catalogue
from events.errors import Misconfigured
from events.limits import Limits
from events.streams import Topology
from events.subjects import Subjects
from events.telemetry import traces_exporter
from orchestrator.adapters.cel import CelExpressions
from orchestrator.adapters.nats.announcements import ringing
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.adapters.postgres.projections import PostgresProjections
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.authoring.check import accept
from orchestrator.config import Config
from orchestrator.coordinator.core import Coordinator
from orchestrator.coordinator.edge import Edge, Observers
from orchestrator.coordinator.engine import Engine
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.memory import Identity
from orchestrator.coordinator.signals import Now
from orchestrator.insight.projecting import Projecting
from orchestrator.insight.projector import Projector

if TYPE_CHECKING:
    from orchestrator.adapters.otel.runs import RunSpans


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
    dsn = _dsn(config)
    await _migrate(config)
    settings = Settings(
        dsn=dsn,
        snapshots_kept=config.engine.snapshots_kept,
        recovery_snapshots_kept=config.engine.recovery_snapshots_kept,
    )
    async with await PostgresStore.open(settings) as store:
        bus = NatsBus(config.nats, Topology(subjects=Subjects(config.prefix)), _name(config))
        try:
            await bus.start()
            await run_edge(config, store, bus)
        finally:
            await bus.close()


async def run_projections(config: Config) -> None:
    """Runs until SIGTERM or SIGINT, at work or standing by.

    Raises `Misconfigured` for what waiting cannot mend, `Unavailable` when Postgres is not there.
    """
    name = "dalsegno projections"
    settings = Settings(dsn=_dsn(config), application_name=name, connections_max=1)
    await _migrate(config)
    async with (
        PostgresProjections(settings) as projections,
        ringing(config.nats, config.prefix, projections.info.name) as bell,
    ):
        edge = Projecting(
            Projector(projections, config.projections), bell, config.projections, time.monotonic
        )
        async with anyio.create_task_group() as group:
            group.start_soon(edge.run)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    break
            group.cancel_scope.cancel()


def _dsn(config: Config) -> str:
    if not config.postgres.dsn:
        raise Misconfigured("postgres.dsn is not set: give --dsn, DALSEGNO_POSTGRES_DSN or a file")
    return config.postgres.dsn


async def _migrate(config: Config) -> None:
    if config.postgres.migrate:
        shards = config.coordinator.shards
        await anyio.to_thread.run_sync(lambda: migrate(config.postgres.dsn, shards=shards))


async def run_edge(config: Config, store: PostgresStore, bus: NatsBus) -> None:
    name = _name(config)
    spans = _run_spans(name)
    identity = Identity(
        name=name,
        seed=os.urandom(16).hex(),
        shards=store.info.shards,
        record_hashes=bool(config.coordinator.hashes_file),
        traced=spans is not None,
    )
    core = Coordinator(identity, config.engine, make_engine(config.limits))
    loader = Loader(store, Catalogue(), name, store.info.name)
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
            await group.start(_stop_on_signal, edge)
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


async def _stop_on_signal(
    edge: Edge, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            await edge.stop()
            return
