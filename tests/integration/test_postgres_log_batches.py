"""The chain of appends with several writers, with an older release beside, and in an older log."""

import anyio
import psycopg
import pytest

from orchestrator.adapters.postgres.queries import migrations
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Lease
from orchestrator.replay.audit.log_batches import LogBatch, chained, event_digests
from tests.logs import batch, begin
from tests.postgres import Observer

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

TTL_S = 30.0
WRITERS = 3
APPENDS = 20
OLD_RELEASE = """
INSERT INTO dalsegno.events (originator_id, originator_version, topic, state)
SELECT 'run:old-' || n, 1, 'x.y.v1', 'x' FROM generate_series(1, %s) AS n
"""


def assert_sound(rows: list[LogBatch]) -> None:
    before = b""
    for number, row in enumerate(rows, 1):
        assert (row.number, row.digest) == (number, chained(before, row))
        before = row.digest


async def test_writers_that_wait_for_each_other_chain_their_batches(
    dsn: str, store: PostgresStore
) -> None:
    leases = await store.acquire(range(WRITERS), "a", TTL_S)

    async def write(lease: Lease) -> None:
        async with await PostgresStore.open(dsn) as own:
            for number in range(APPENDS):
                events = begin(f"run:{lease.shard}-{number}", 2)
                assert isinstance(await own.append(batch([lease], events)), Appended)

    async with anyio.create_task_group() as group:
        for lease in leases:
            group.start_soon(write, lease)
    rows = await store.read_batches()
    assert_sound(rows)
    assert len(rows) == WRITERS * APPENDS
    log = await store.read_log()
    assert b"".join(row.digests for row in rows) == event_digests([e.state for e in log])


async def test_what_an_older_release_appends_is_named_by_the_next_row(
    store: PostgresStore, eyes: Observer
) -> None:
    (lease,) = await store.acquire([0], "a", TTL_S)
    await store.append(batch([lease], begin("run:1")))
    await eyes.do(OLD_RELEASE, 3)
    await store.append(batch([lease], begin("run:2", 2)))
    rows = await store.read_batches()
    assert_sound(rows)
    assert [(r.first, r.last, r.events) for r in rows] == [(1, 1, 1), (2, 4, 0), (5, 6, 2)]


async def test_positions_that_nobody_took_need_no_row(store: PostgresStore, eyes: Observer) -> None:
    (lease,) = await store.acquire([0], "a", TTL_S)
    await store.append(batch([lease], begin("run:1")))
    await eyes.all("SELECT nextval('dalsegno.events_notification_id_seq')")
    await store.append(batch([lease], begin("run:2")))
    rows = await store.read_batches()
    assert_sound(rows)
    assert [(r.first, r.last) for r in rows] == [(1, 1), (3, 3)]


async def test_the_batches_of_a_log_that_was_there_before_begin_behind_it(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for number, name, text in migrations():
            if name == "0006_log_batches":
                break
            if number == 1:
                connection.execute("CREATE SCHEMA dalsegno")
                connection.execute(
                    "CREATE TABLE dalsegno.migration (number bigint PRIMARY KEY, name text, "
                    "applied_at timestamptz DEFAULT now())"
                )
            connection.execute(text.encode())
            connection.execute("INSERT INTO dalsegno.migration VALUES (%s, %s)", (number, name))
        connection.execute(OLD_RELEASE.encode(), (5,))
    migrate(database)
    async with await PostgresStore.open(database) as store:
        (lease,) = await store.acquire([0], "a", TTL_S)
        await store.append(batch([lease], begin("run:2", 2)))
        rows = await store.read_batches()
    assert_sound(rows)
    assert [(r.first, r.last, r.events) for r in rows] == [(1, 5, 0), (6, 7, 2)]
