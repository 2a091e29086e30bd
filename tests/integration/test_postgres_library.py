"""A stock eventsourcing recorder reads our log, and its classes give our events."""

from collections.abc import Iterator
from itertools import islice

import anyio
import psycopg
import pytest
from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from events.catalogue import Catalogue
from events.envelope import Stored, unseal
from events.run_facts import RunCompleted
from orchestrator.adapters.postgres.library import (
    event_store,
    notification_log,
    open_datastore,
    recorder,
)
from orchestrator.adapters.postgres.mapper import EnvelopeMapper, LibraryEvent
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.errors import Corrupt, InvalidValue
from tests.logs import batch, begin
from tests.postgres import until_somebody_listens

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.fixture
async def events(store: PostgresStore) -> list[Stored]:
    leases = await store.acquire([0], "a", 30.0)
    await store.append(batch(leases, begin("run:1", 3), begin("node:1", 2)))
    return await store.read_log()


@pytest.fixture
def stock(dsn: str) -> Iterator[PostgresApplicationRecorder]:
    """Made as the library's manual says, with nothing of ours."""
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    with PostgresDatastore(
        parts["dbname"],
        parts["host"],
        parts["port"],
        parts["user"],
        parts["password"],
        pool_size=2,
        originator_id_type="text",
        schema="dalsegno",
    ) as datastore:
        yield PostgresApplicationRecorder(datastore, events_table_name="events")


@pytest.fixture
def library(dsn: str) -> Iterator[PostgresDatastore]:
    with open_datastore(dsn) as datastore:
        yield datastore


def as_library(events: list[Stored]) -> list[StoredEvent]:
    return [StoredEvent(e.stream, e.version, e.type, e.state) for e in events]


def as_notifications(events: list[Stored]) -> list[Notification]:
    return [Notification(e.stream, e.version, e.type, e.state, e.position or 0) for e in events]


class TestStockRecorder:
    async def test_selects_events_of_a_stream(
        self, stock: PostgresApplicationRecorder, events: list[Stored]
    ) -> None:
        assert list(stock.select_events("run:1")) == as_library(events[:3])
        assert list(stock.select_events("run:1", gt=1, lte=2)) == as_library(events[1:2])
        assert list(stock.select_events("run:1", desc=True, limit=1)) == as_library(events[2:3])

    async def test_selects_notifications_of_the_log(
        self, stock: PostgresApplicationRecorder, events: list[Stored]
    ) -> None:
        assert list(stock.select_notifications(1, 10)) == as_notifications(events)
        second = events[1].position
        after = stock.select_notifications(second, 2, inclusive_of_start=False)
        assert list(after) == as_notifications(events[2:4])
        by_topic = stock.select_notifications(1, 10, topics=[RunCompleted.TYPE])
        assert len(by_topic) == len(events)
        assert stock.max_notification_id() == events[-1].position

    async def test_a_subscription_gives_what_is_there_and_what_comes(
        self,
        stock: PostgresApplicationRecorder,
        store: PostgresStore,
        events: list[Stored],
        dsn: str,
    ) -> None:
        """Nobody who subscribes has to know that appends do not notify."""
        with stock.subscribe(gt=events[0].position) as subscription:
            there = await anyio.to_thread.run_sync(lambda: list(islice(subscription, 4)))
            assert there == as_notifications(events[1:])
            leases = await store.acquire([0], "a", 30.0)
            await until_somebody_listens(dsn)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.keep_subscribers_awake)
                for stream in ("run:2", "run:3"):
                    await store.append(batch(leases, begin(stream)))
                    new = await anyio.to_thread.run_sync(lambda: next(subscription))
                    assert new.originator_id == stream
                tasks.cancel_scope.cancel()

    def test_its_own_tables_would_be_the_same(self, stock: PostgresApplicationRecorder) -> None:
        stock.datastore.schema = "stock"
        stock.__init__(stock.datastore, events_table_name="events")  # type: ignore[misc]
        with stock.datastore.get_connection() as connection:
            connection.execute("CREATE SCHEMA stock")
        stock.create_table()
        with stock.datastore.get_connection() as connection:
            ours, theirs = (_shape(connection, schema) for schema in ("dalsegno", "stock"))
        assert ours == theirs


def _shape(connection: psycopg.Connection[dict[str, object]], schema: str) -> list[object]:
    """Columns, indexes, options and composite type of an events table, without the schema's
    name. Indexes of some events only are ours."""
    queries = [
        """
        SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_schema = {0} AND table_name IN ('events', 'stored_event_text') ORDER BY 1
        """,
        """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = {0} AND tablename = 'events' AND indexdef NOT LIKE '% WHERE %'
        ORDER BY 1
        """,
        "SELECT reloptions FROM pg_class WHERE oid = ({0} || '.events')::regclass",
        """
        SELECT attname, format_type(atttypid, atttypmod) AS kind FROM pg_attribute
        WHERE attrelid = ({0} || '.stored_event_text')::regclass ORDER BY attnum
        """,
    ]
    rows = [
        row
        for query in queries
        for row in connection.execute(sql.SQL(query).format(sql.Literal(schema)))
    ]
    assert len(rows) == 5 + 2 + 1 + 4
    return [
        {name: str(value).replace(f"{schema}.", "") for name, value in row.items()} for row in rows
    ]


class TestLibraryClasses:
    async def test_the_event_store_gives_our_events(
        self, library: PostgresDatastore, events: list[Stored]
    ) -> None:
        found = list(event_store(library).get("run:1", gt=1))
        ours = [unseal(stored, Catalogue()) for stored in events[1:3]]
        assert found == [LibraryEvent(e.header, e.fact, e.digest) for e in ours]

    async def test_the_notification_log_has_sections(
        self, library: PostgresDatastore, events: list[Stored]
    ) -> None:
        log = notification_log(library)
        assert list(log["1,3"].items) == as_notifications(events[:3])
        assert list(log.select(None, 10)) == as_notifications(events)

    def test_unknown_parts_of_the_address_reach_the_driver(self, dsn: str) -> None:
        with (
            open_datastore(make_conninfo(dsn, application_name="reader")) as datastore,
            datastore.get_connection() as connection,
        ):
            assert connection.info.get_parameters()["application_name"] == "reader"
            assert recorder(datastore).max_notification_id() is None


class TestMapper:
    def test_stores_what_it_has_read(self) -> None:
        mapper = EnvelopeMapper()
        for stored in as_library(begin("run:1", 3)):
            assert mapper.to_stored_event(mapper.to_domain_event(stored)) == stored

    def test_names_the_place_of_what_it_cannot_read(self) -> None:
        (stored,) = begin("run:1")
        other = StoredEvent("run:2", 1, stored.type, stored.state)
        with pytest.raises(Corrupt, match="event 1 of run:2"):
            EnvelopeMapper().to_domain_event(other)

    def test_refuses_an_event_that_was_changed(self) -> None:
        mapper = EnvelopeMapper()
        (stored,) = as_library(begin("run:1"))
        read = mapper.to_domain_event(stored)
        changed = LibraryEvent(read.header, RunCompleted(output="other"), read.digest)
        with pytest.raises(InvalidValue, match="event 1 of run:1"):
            mapper.to_stored_event(changed)

    def test_refuses_what_is_no_event_of_ours(self) -> None:
        with pytest.raises(InvalidValue, match="Foreign"):
            EnvelopeMapper().to_stored_event(Foreign())


class Foreign:
    originator_id = "run:1"
    originator_version = 1
