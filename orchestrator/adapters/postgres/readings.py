"""What a doctor reads of Postgres: settings, schema, owners, load. Changes nothing."""

import time
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.schema import CONNECT_TIMEOUT_S, newest
from orchestrator.adapters.postgres.settings import parse_dsn, where
from orchestrator.adapters.postgres.translation import refused_connection, translated
from orchestrator.insight.diagnosis import PostgresReading, skew_s

Connection = psycopg.Connection[Any]


def read_postgres(dsn: str) -> PostgresReading:
    """Blocks. Raises `Misconfigured` and `Unavailable`."""
    address = make_conninfo("", **{"connect_timeout": CONNECT_TIMEOUT_S, **parse_dsn(dsn)})
    try:
        connection = psycopg.connect(address, autocommit=True)
    except psycopg.Error as error:
        raise refused_connection(error, where(dsn)) from error
    with translated("reading the state of the server"), connection:
        return _read(connection, Queries())


def _read(connection: Connection, queries: Queries) -> PostgresReading:
    def rows(name: str) -> list[tuple[Any, ...]]:
        return connection.execute(queries[name].encode()).fetchall()

    before = time.time_ns() // 1000
    (version, at, connections) = rows("doctor_server")[0]
    ahead_s = skew_s(at, before, time.time_ns() // 1000)
    settings = {str(name): str(value) for name, value in rows("doctor_settings")}
    _, server, has_schema = rows("schema_state")[0]
    holders: dict[str, list[int]] = {}
    schema, shards, schema_min = None, 0, 0
    if has_schema:
        ((schema, shards),) = rows("doctor_schema")
        if schema is not None and schema >= newest():
            ((schema_min, _),) = rows("log_floor")
        for holder, shard in rows("doctor_leases"):
            holders.setdefault(holder, []).append(shard)
    return PostgresReading(
        server=server,
        version=version,
        settings=settings,
        schema=schema,
        schema_known=newest(),
        schema_min=schema_min,
        shards=shards or 0,
        holders=holders,
        connections=connections,
        ahead_s=ahead_s,
    )
