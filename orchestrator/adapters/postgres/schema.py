"""The schema: made and brought up to date by numbered files, and checked before a store is used.

Migrations are plain SQL in `migrations/`, applied in order of number, all that are missing in one
transaction under an advisory lock: two processes that start together do the work once, and one
that fails leaves nothing half done. They are applied beside coordinators that go on appending: a
migration takes the tables in the order of an append, and where it does not get one it gives way
before others queue behind it for long, and tries again. A release only adds (expand) what the
release before it can live with: so a database may be newer than the release that uses it, as long
as that one knows what the log asks for at the least (`schema_min`). What a release must not use it
says itself, with the release that may.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from events.logmap import told
from orchestrator.adapters.postgres.queries import MIGRATION_LOCK, Queries, migrations
from orchestrator.adapters.postgres.settings import parse_dsn, where
from orchestrator.adapters.postgres.translation import refused_connection, translated
from orchestrator.errors import InvariantViolation, Misconfigured, Unavailable

SHARDS = 16
"""Shards of a new log. More than coordinators that will ever share it; never changed afterwards."""

LOG = "main"
SERVER_MIN = 140000
CONNECT_TIMEOUT_S = 10
LOCKED_MS = 500
"""How long a migration waits for a table; appends wait behind it as long. Shorter than the second
after which Postgres looks for deadlocks, so that it is never the append that is ended."""
GIVE_WAY_S = 0.2
PATIENCE_S = 60.0
IN_THE_WAY = (errors.LockNotAvailable, errors.DeadlockDetected)

ANY_MAP = "*"
"""What a reader asks for that is content with the map that is there."""


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What a release has to know of the schema to use the log, and the first one that did."""

    schema: int
    release: str


class LogInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a database says about the log in it."""

    name: str
    shards: int
    """Of the whole cluster."""
    schema: int
    """Number of the last migration applied."""
    map: str = ""
    """Which log has which shards, as `LogMap.text`; empty: this one has all."""


def migrate(dsn: str, *, log: str = LOG, shards: int | None = None, map_: str = "") -> LogInfo:
    """Brings the schema up to date, makes it when there is none, and returns what the log is.

    `shards` counts only for a new log; None is `SHARDS`. `map_`: the cluster's, where it has other
    logs, too. Blocks; call it in a thread from async code. Raises `Misconfigured` (wrong DSN,
    newer schema, other shard count or map, encoding, old server) and `Unavailable`, also when
    others keep a table locked for a minute.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _migrate(dsn, log, shards, map_)
        except Unavailable as error:
            if not isinstance(error.__cause__, IN_THE_WAY):
                raise
            if time.monotonic() > until:
                raise Unavailable(
                    f"the schema cannot be migrated: for {PATIENCE_S:.0f} s others have had its "
                    "tables locked; pg_locks and pg_stat_activity tell who: end that session, and "
                    "migrate again"
                ) from error
        time.sleep(GIVE_WAY_S)


def _migrate(dsn: str, log: str, shards: int | None, map_: str) -> LogInfo:
    try:
        connection = psycopg.connect(
            make_conninfo("", **{"connect_timeout": CONNECT_TIMEOUT_S, **parse_dsn(dsn)}),
            autocommit=True,
        )
    except psycopg.Error as error:
        raise refused_connection(error, where(dsn)) from error
    queries = Queries()
    with translated("migrating the schema"), connection:
        _check_server(connection, queries)
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCKED_MS}ms",))
            connection.execute(queries["migration_begin"].encode())
            _apply_missing(connection, queries)
            connection.execute(
                "INSERT INTO dalsegno.log (name, shards, map) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (log, shards or SHARDS, map_),
            )
            info = _checked(_read_info(connection), shards)
            check_map(info, log if map_ else "", map_)
            return info


def make_database(dsn: str, name: str) -> None:
    """Makes a database in the server of a DSN, unless it is there. Blocks. Raises `Misconfigured`
    and `Unavailable`."""
    try:
        connection = psycopg.connect(dsn, autocommit=True)
    except psycopg.Error as error:
        raise refused_connection(error, where(dsn)) from error
    with translated(f"making database {name}"), connection:
        known = "SELECT FROM pg_database WHERE datname = %s"
        if not connection.execute(known, (name,)).fetchall():
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            connection.execute(statement)


def _check_server(connection: psycopg.Connection[Any], queries: Queries) -> None:
    row = connection.execute(queries["schema_state"].encode()).fetchone()
    if row is None:
        raise InvariantViolation("the server says nothing about itself")
    encoding, server, _ = row
    if encoding != "UTF8":
        raise Misconfigured(
            f"the database has the encoding {encoding}, expected UTF8: create it anew with "
            "ENCODING 'UTF8' TEMPLATE template0"
        )
    if server < SERVER_MIN:
        raise Misconfigured(
            f"Postgres {server // 10000} is too old, expected {SERVER_MIN // 10000} or newer"
        )


def _apply_missing(connection: psycopg.Connection[Any], queries: Queries) -> None:
    last = _last_applied(connection)
    if 0 < last < newest():
        connection.execute(queries["migration_hold"].encode())
    for number, name, text in migrations():
        if number > last:
            connection.execute(text.encode())
            connection.execute(
                "INSERT INTO dalsegno.migration (number, name) VALUES (%s, %s)", (number, name)
            )


def _last_applied(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT coalesce(max(number), 0) FROM dalsegno.migration").fetchone()
    last = int(row[0]) if row else 0
    if last > newest():
        found = connection.execute("SELECT schema_min, release_min FROM dalsegno.log").fetchone()
        schema, release = found or (last, "")
        check_number(last, Floor(schema=schema, release=release))
    return last


def _read_info(connection: psycopg.Connection[Any]) -> LogInfo:
    row = connection.execute(
        "SELECT name, shards, (SELECT max(number) FROM dalsegno.migration), map FROM dalsegno.log"
    ).fetchone()
    if row is None:
        raise InvariantViolation("the schema dalsegno has no log")
    return LogInfo(name=row[0], shards=row[1], schema=row[2], map=row[3])


def _checked(info: LogInfo, shards: int | None) -> LogInfo:
    if shards is not None and shards != info.shards:
        raise Misconfigured(
            f"log {info.name} has {info.shards} shards, {shards} were asked for: the number is "
            "fixed when a log is made, because it says which shard a run belongs to"
        )
    return info


async def log_of(rows: Callable[[str], Awaitable[Sequence[TupleRow]]]) -> LogInfo:
    """What the log is, by statements with these names. Raises `Misconfigured` for a database
    without schema, or with an older or newer one."""
    state = await rows("schema_state")
    if not state[0][2]:
        raise Misconfigured(
            "the database has no schema dalsegno: run `dalsegno migrate` with its DSN first"
        )
    ((number,),) = await rows("schema_number")
    if number < newest():
        raise Misconfigured(
            f"the database has schema {number}, this release needs {newest()}: "
            "run `dalsegno migrate`"
        )
    ((schema_min, release_min),) = await rows("log_floor")
    check_number(number, Floor(schema=schema_min, release=release_min))
    ((name, shards, map_),) = await rows("log_info")
    return LogInfo(schema=number, name=name, shards=shards, map=map_)


def check_map(info: LogInfo, name: str, map_: str) -> None:
    """Raises `Misconfigured`, naming both, unless the database holds the log of this name (empty:
    any) in a cluster with this map."""
    if map_ not in {ANY_MAP, info.map}:
        raise Misconfigured(
            f"the database holds log {info.name} of a cluster with {told(info.map)}; configured "
            f"is {told(map_)}: give the logs that the cluster was made with, as ever"
        )
    if name and info.name != name:
        raise Misconfigured(
            f"the database holds log {info.name}, and is configured as that of log {name}: give "
            "each log the address of its own database"
        )


def newest() -> int:
    """Number of the last migration that this release knows."""
    return migrations()[-1][0]


def check_number(found: int, floor: Floor) -> None:
    """Raises `Misconfigured` when this release knows less of the database than it has to."""
    known = newest()
    if known < floor.schema:
        raise Misconfigured(
            f"the database has schema {found}, this release knows {known}: it has been migrated "
            f"by a newer release, and what is stored there since it cannot read; run release "
            f"{floor.release} or a newer one"
        )
