"""The eventsourcing library's own classes over our log, for reading it with them.

Writing through them would pass by the epochs and the index, so only the coordinator's append
writes. A subscription wakes on `NOTIFY events`, which a coordinator sends after its appends, a few
times a second at most (`waking`); whoever subscribes has nothing to call.
"""

from eventsourcing.application import LocalNotificationLog
from eventsourcing.persistence import EventStore
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from events.catalogue import Catalogue
from orchestrator.adapters.postgres.mapper import EnvelopeMapper
from orchestrator.adapters.postgres.settings import DEFAULT_PORT, parse_dsn

SCHEMA = "dalsegno"
EVENTS_TABLE = "events"
CONNECTIONS = 3
"""A subscription needs one to listen and one to read."""
SECTION_SIZE = 100


def open_datastore(dsn: str) -> PostgresDatastore:
    """A datastore of the library for our schema; close it. Raises `Misconfigured` for a wrong
    DSN."""
    parts = parse_dsn(dsn)
    datastore = PostgresDatastore(
        dbname=str(parts.pop("dbname", "")),
        host=str(parts.pop("host", "")),
        port=parts.pop("port", None) or DEFAULT_PORT,
        user=str(parts.pop("user", "")),
        password=str(parts.pop("password", "")),
        pool_size=1,
        max_overflow=CONNECTIONS - 1,
        originator_id_type="text",
        schema=SCHEMA,
    )
    if isinstance(datastore.pool.kwargs, dict):
        datastore.pool.kwargs.update(parts)  # TLS and whatever else the library has no name for
    return datastore


def recorder(datastore: PostgresDatastore) -> PostgresApplicationRecorder:
    """The library's recorder over our events table."""
    return PostgresApplicationRecorder(datastore, events_table_name=EVENTS_TABLE)


def event_store(
    datastore: PostgresDatastore, catalogue: Catalogue | None = None
) -> EventStore[str]:
    """The library's event store; `get` gives our events."""
    return EventStore(EnvelopeMapper(catalogue), recorder(datastore))


def notification_log(datastore: PostgresDatastore) -> LocalNotificationLog:
    """The library's notification log, in sections."""
    return LocalNotificationLog(recorder(datastore), section_size=SECTION_SIZE)
