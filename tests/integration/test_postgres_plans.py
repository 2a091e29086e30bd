"""No statement of the running system reads a whole table, whatever its size."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.postgres import arrays
from orchestrator.adapters.postgres.arrays import Packed, TextArray, integers
from orchestrator.adapters.postgres.columns import (
    event_columns,
    head_columns,
    index_columns,
    lease_columns,
)
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.store import list_runs_text
from orchestrator.coordinator.ports import Lease
from tests.logs import begin, row
from tests.servers import Databases

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real

RUNS = 50_000
FILL = f"""
INSERT INTO dalsegno.run_index (
    run_id, shard, workflow, workflow_version, status, version, next_due_at, outstanding, ready,
    started_at, updated_at, calls, parent
)
SELECT 'r' || n, n % 16, 'w' || n % 20, '1',
    CASE WHEN n % 100 = 0 THEN 'running' WHEN n % 100 < 5 THEN 'failed' ELSE 'completed' END,
    3, CASE WHEN n % 200 = 0 THEN n END, n / 100 % 2, 0, n, n,
    CASE WHEN n % 300 = 0 THEN 1 ELSE 0 END, CASE WHEN n % 300 = 100 THEN 'r' || n + 200 ELSE '' END
FROM generate_series(1, {RUNS}) AS n;
INSERT INTO dalsegno.events (originator_id, originator_version, topic, state)
SELECT 'run:r' || n, version, 'x.y.v1', 'x'
FROM generate_series(1, {RUNS}) AS n, generate_series(1, 3) AS version;
INSERT INTO dalsegno.shard_lease SELECT n, 1, 'a', now() FROM generate_series(0, 15) AS n;
INSERT INTO dalsegno.snapshots (stream, version, digest, fingerprint, checksum, state)
SELECT 'run:r' || n, 3, '', '', '', '' FROM generate_series(1, {RUNS}) AS n;
ANALYZE dalsegno.run_index, dalsegno.events, dalsegno.shard_lease, dalsegno.snapshots;
"""

Values = dict[str, Packed | str | int | bytes]
Node = dict[str, Any]

EVENTS = begin("run:r1", 4)
APPEND: Values = {
    **event_columns(EVENTS),
    **head_columns(EVENTS),
    **lease_columns([Lease(shard=1, epoch=1)]),
    **index_columns([row("r1", 4)]),
    "ordering_lock": 1,
}
SNAPSHOT: Values = {
    "stream": "run:r7",
    "version": 9,
    "digest": "d",
    "fingerprint": "f",
    "checksum": b"c",
    "state": b"s",
    "kept_beside": 2,
}
PAGE: Values = {
    "limit": 100,
    "shards": integers([1, 2]),
    "after": "r5",
    "before": RUNS,
    "after_at": 7,
}

LIST: Values = {"limit": 100, "status": "failed", "workflow": "w1", "before": "r5"}

CASES: dict[str, tuple[Values, set[str]]] = {
    "append": (APPEND, {"events_pkey"}),
    "compare_batch": (APPEND, {"events_pkey"}),
    "replace_index_rows": (APPEND, {"events_pkey"}),
    "read_stream": ({"stream": "run:r7", "after": 1, "limit": 100}, {"events_pkey"}),
    "read_log": ({"after": 7, "limit": 100}, {"events_notification_id_idx"}),
    "last_position": ({}, {"events_notification_id_idx"}),
    "stream_names": (
        {"prefix": "run:", "past": "run;", "after": "run:r5", "limit": 100},
        {"events_pkey"},
    ),
    "index_row": ({"run_id": "r7"}, {"run_index_pkey"}),
    "index_rows": ({"after": "r7", "limit": 100}, {"run_index_pkey"}),
    "due_runs": (PAGE, {"run_index_due"}),
    "active_runs": (
        PAGE,
        {"run_index_active", "run_index_calling", "run_index_children"},
    ),
    "save_snapshot": (SNAPSHOT, {"snapshots_pkey"}),
    "load_snapshot": ({"stream": "run:r7", "at_most": 9}, {"snapshots_pkey"}),
}
SMALL = {"shard_lease", "log", "migration"}


def prepare(dsn: str) -> None:
    migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(FILL.encode())


@pytest.fixture(scope="module")
def connection(
    postgres_server: EmbeddedPostgres, databases: Databases
) -> Iterator[psycopg.Connection[Any]]:
    """One filled database for all: nothing here writes."""
    name = databases.create(prepare)
    with psycopg.connect(postgres_server.dsn_of(name), autocommit=True) as connection:
        yield connection
    databases.drop(name)


def plan(connection: psycopg.Connection[Any], query: str, values: Values) -> list[Node]:
    """The nodes of the plan that serves all values, as the store's connections use it."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)[sb]", query)))
    for number, name in enumerate(names, 1):
        query = re.sub(rf"%\({name}\)[sb]", f"${number}::{_kind(values[name])}", query)
    explained = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {query}".encode())
    ((found,),) = explained.fetchall()
    return list(_walk(found[0]["Plan"]))


def _kind(value: Packed | str | int | bytes) -> str:
    if isinstance(value, Packed):
        if isinstance(value, TextArray):
            return "text[]"
        return "bytea[]" if isinstance(value, arrays.ByteaArray) else "bigint[]"
    return {str: "text", int: "bigint", bytes: "bytea"}[type(value)]


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)


def indexes(nodes: list[Node]) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def whole_reads(nodes: list[Node]) -> list[str]:
    return [
        node["Relation Name"]
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in SMALL
    ]


@pytest.mark.parametrize("name", CASES)
def test_statements_use_their_index(connection: psycopg.Connection[Any], name: str) -> None:
    values, expected = CASES[name]
    nodes = plan(connection, Queries()[name], values)
    assert not whole_reads(nodes), json.dumps(nodes[0], indent=1)
    assert indexes(nodes) >= expected


@pytest.mark.parametrize("name", ["due_runs", "active_runs", "read_log", "read_stream"])
def test_pages_come_in_the_order_of_their_index(
    connection: psycopg.Connection[Any], name: str
) -> None:
    nodes = plan(connection, Queries()[name], CASES[name][0])
    assert not [node for node in nodes if "Sort" in node["Node Type"]]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ((), "run_index_started"),
        (("status",), "run_index_status"),
        (("workflow",), "run_index_workflow"),
        (("status", "workflow"), None),
        (("status", "workflow", "before"), None),
        (("before",), "run_index_started"),
        (("status", "before"), "run_index_status"),
        (("workflow", "before"), "run_index_workflow"),
    ],
)
def test_lists_come_in_the_order_of_an_index(
    connection: psycopg.Connection[Any], filters: tuple[str, ...], index: str | None
) -> None:
    query = list_runs_text(
        Queries(), *(name in filters for name in ("status", "workflow", "before"))
    )
    nodes = plan(connection, query, LIST)
    assert not whole_reads(nodes)
    assert not [node for node in nodes if "Sort" in node["Node Type"]]
    if index:
        assert index in indexes(nodes)
    if "before" in filters:
        scans = [
            n
            for n in nodes
            if n.get("Index Name", "").startswith("run_index_")
            and n["Index Name"] != "run_index_pkey"
        ]
        assert all("started_at" in scan.get("Index Cond", "") for scan in scans)


def test_every_statement_that_reads_pages_is_looked_at() -> None:
    """A new statement has to be looked at here, or be named among those that need not."""
    cheap = {
        "append_waits",
        "acquire_leases",
        "renew_leases",
        "release_leases",
        "whoami",
        "end_backend",
        "take_ordering_lock",
        "wake_subscribers",
        "schema_state",
        "schema_number",
        "log_info",
        "migration_begin",
    }
    audits = {"drop_stray_index_rows", "count_type", "log_totals"}
    lists = {"list_runs"}
    assert set(Queries().names()) == set(CASES) | cheap | audits | lists
