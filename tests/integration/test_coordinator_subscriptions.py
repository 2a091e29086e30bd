"""Whoever follows the log with the eventsourcing library alone is woken by a coordinator."""

from itertools import islice

import anyio
import pytest

from events.cluster_facts import LeaseAcquired
from events.connection import Connection
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.postgres.library import open_datastore, recorder
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.bootstrap import run_coordinator
from orchestrator.config import Config, CoordinatorConfig, PostgresConfig
from tests.postgres import until_somebody_listens
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]
SHARDS = 2
DEADLINE_S = 15.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


def prepare(dsn: str) -> None:
    migrate(dsn, shards=SHARDS)


async def test_a_subscription_follows_a_coordinator(
    database_factory: DatabaseFactory, nats_server: EmbeddedNats, nats_prefix: str
) -> None:
    dsn = database_factory(prepare)
    config = Config(
        postgres=PostgresConfig(dsn=dsn),
        nats=Connection(urls=(nats_server.url,)),
        prefix=nats_prefix,
        coordinator=CoordinatorConfig(shards=SHARDS),
    )
    with open_datastore(dsn) as datastore, recorder(datastore).subscribe() as subscription:
        await until_somebody_listens(dsn)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_coordinator, config)
            with anyio.fail_after(DEADLINE_S):
                found = await anyio.to_thread.run_sync(
                    lambda: list(islice(subscription, SHARDS)), abandon_on_cancel=True
                )
            tasks.cancel_scope.cancel()
    assert [one.topic for one in found] == [LeaseAcquired.TYPE] * SHARDS
