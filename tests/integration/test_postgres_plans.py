"""No statement of the running system reads a whole table, whatever its size."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedPostgres
from orchestrator.adapters.postgres import arrays
from orchestrator.adapters.postgres.arrays import Packed, TextArray, byteas, integers, texts
from orchestrator.adapters.postgres.columns import (
    event_columns,
    head_columns,
    index_columns,
    lease_columns,
    wanted_columns,
)
from orchestrator.adapters.postgres.finding import find_runs_text
from orchestrator.adapters.postgres.projection_link import key_columns
from orchestrator.adapters.postgres.projections import change_columns
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.coordinator.ports import Lease
from orchestrator.insight.counting.fold import Gathered
from orchestrator.insight.counting.projections import Change
from orchestrator.insight.finding import LabelCondition, RunQuery
from orchestrator.insight.following.filters import Wanted
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
INSERT INTO dalsegno.archived_run
SELECT 'a' || n, 'w', '1', 'completed', 3, '', 1, n, 'f', now() FROM generate_series(1, 20000) AS n;
INSERT INTO dalsegno.log_batch
SELECT n, 30 * n - 29, 30 * n, 30, '', '', 1 FROM generate_series(1, {RUNS} / 10) AS n;
INSERT INTO dalsegno.kept_snapshots
SELECT 'run:r' || n, 3, kind, '', '', '', '', '', '', '{{}}'
FROM generate_series(1, {RUNS}) AS n, unnest(ARRAY['manual', 'recovery']) AS kind;
INSERT INTO dalsegno.data_key (id, subject, sealed)
SELECT 'k' || n, 's' || n, '' FROM generate_series(1, {RUNS}) AS n;
INSERT INTO dalsegno.personal_run (run_id, key_id)
SELECT 'r' || n, 'k' || n FROM generate_series(1, {RUNS}) AS n;
INSERT INTO dalsegno.projection (fold, state) VALUES (1, 'serving');
INSERT INTO dalsegno.tally (generation, kind, width_s, bucket_at, workflow, task, node, tally)
SELECT g, 'task', (ARRAY[0, 60, 3600])[1 + n % 3], n / 40 * 60, 'w' || n % 20, 't', 'n', '{{}}'
FROM generate_series(1, 2) AS g, generate_series(1, 20000) AS n;
INSERT INTO dalsegno.run_label (generation, kind, name, value, number, started_at, run_id)
SELECT g, k, CASE k WHEN 'tag' THEN 'team' ELSE 'amount' END,
    CASE WHEN k = 'tag' AND n % 2 = 0 THEN 'x' ELSE (n % 500)::text END,
    CASE k WHEN 'tag' THEN NULL ELSE n % 500 END, n, 'r' || n
FROM generate_series(1, 2) AS g, unnest(ARRAY['tag', 'attribute']) AS k,
    generate_series(1, {RUNS}, 5) AS n;
INSERT INTO dalsegno.node_state SELECT g, 'n' || n, '{{}}'
FROM generate_series(1, 2) AS g, generate_series(1, 5000) AS n;
INSERT INTO dalsegno.unread_event SELECT g, n, ''
FROM generate_series(1, 2) AS g, generate_series(1, 5000) AS n;
INSERT INTO dalsegno.subscription (name, position, began_at, filter)
SELECT 's' || n, n, n, '{{}}' FROM generate_series(1, 1000) AS n;
INSERT INTO dalsegno.payloads SELECT 'h' || n, '' FROM generate_series(1, 20000) AS n;
ANALYZE;
"""

Values = dict[str, Packed | str | int | bytes | float]
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
    "kept": 3,
}
WANTED: Values = {**wanted_columns(7, Wanted(("x%",), ("run:%",)))}
SUBSCRIPTION: Values = {"name": "s7", "epoch": 1, "position": 7, "ttl": 9}
PLACE: Values = {"stream": "run:r7", "version": 9, "kind": "manual"}
PAGE: Values = {
    "limit": 100,
    "shards": integers([1, 2]),
    "after": "r5",
    "before": RUNS,
    "after_at": 7,
}
GENERATION: Values = {"generation": 1}
APPLY: Values = {
    name: value if isinstance(value, Packed) else int(value)
    for name, value in change_columns(
        Change(generation=1, after=2, tallies={}, gathered=Gathered())
    ).items()
}

CASES: dict[str, tuple[Values, set[str]]] = {
    "append": (APPEND, {"events_pkey"}),
    "compare_batch": (APPEND, {"events_pkey"}),
    "replace_index_rows": (APPEND, {"events_pkey"}),
    "read_stream": ({"stream": "run:r7", "after": 1, "limit": 100}, {"events_pkey"}),
    "read_tails": (
        {"streams": texts(["run:r7", "run:r8"]), "afters": integers([1, 0]), "limit": 50},
        {"events_pkey"},
    ),
    "read_log": ({"after": 7, "limit": 100}, {"events_notification_id_idx"}),
    "read_wanted": (WANTED, {"events_notification_id_idx"}),
    "begins_of": ({"streams": texts(["run:r7"])}, {"events_pkey"}),
    "batch_at": ({"position": 7}, {"log_batch_last_position"}),
    "subscriptions": ({"name": "s7"}, set()),
    "subscription_create": (
        {"name": "s7", "position": 7, "filter": "{}", "most": 9},
        set(),
    ),
    "subscription_acquire": (SUBSCRIPTION | {"owner": "o"}, {"subscription_pkey"}),
    "subscription_advance": (SUBSCRIPTION, {"subscription_pkey"}),
    "subscription_release": (SUBSCRIPTION, {"subscription_pkey"}),
    "subscription_reset": (SUBSCRIPTION | {"filter": "{}"}, {"subscription_pkey"}),
    "subscription_delete": (SUBSCRIPTION, {"subscription_pkey"}),
    "last_position": ({}, {"events_notification_id_idx"}),
    "stream_names": (
        {"prefix": "run:", "past": "run;", "after": "run:r5", "limit": 100},
        {"events_pkey"},
    ),
    "last_batch": ({}, {"log_batch_pkey"}),
    "kept_digests": ({"positions": integers([7, 8])}, {"log_batch_last_position"}),
    "read_streams": (
        {"prefix": "run:", "past": "run;", "after": "run:r5", "version": 1, "limit": 100},
        {"events_pkey"},
    ),
    "tombstone": ({"run_id": "a7"}, {"archived_run_pkey"}),
    "batches_of": ({"positions": integers([7, 8])}, {"log_batch_last_position"}),
    "mark_gone": ({"numbers": integers([7]), "gones": byteas([b"x"])}, {"log_batch_pkey"}),
    "restored": ({"run_id": "a7"}, {"archived_run_pkey"}),
    "archive_remove": (
        {"streams": texts(["run:r7"]), "run_ids": texts(["r7"])},
        {"events_pkey", "run_index_pkey", "snapshots_pkey"},
    ),
    "archive_tombstones": (
        {
            "name": "f",
            "run_ids": texts(["r7"]),
            "run_versions": integers([3]),
            "run_digests": texts([""]),
        },
        {"run_index_pkey"},
    ),
    "ends_of": (
        {"streams": texts(["run:r7"])},
        {"run_index_pkey", "events_pkey", "log_batch_last_position"},
    ),
    "read_batches": ({"after": 7, "limit": 100}, {"log_batch_pkey"}),
    "dead_letters": ({"before": 9, "limit": 100}, {"events_dead_letters_idx"}),
    "join_data_key": ({"run_id": "r7", "subject": "s7"}, {"data_key_subjects"}),
    "data_key_of_run": ({"run_id": "r7"}, {"personal_run_pkey", "data_key_pkey"}),
    "data_keys": ({"ids": texts(["k7"])}, {"data_key_pkey"}),
    "runs_of_data_key": (
        {"id": "k7"},
        {"personal_run_key", "run_index_pkey", "archived_run_pkey"},
    ),
    "find_data_key": ({"subject": "s7"}, {"data_key_subjects"}),
    "close_data_key": ({"id": "k7", "closing": True}, {"data_key_pkey"}),
    "drop_data_key": (
        {"id": "k7", "lists": texts(["h"])},
        {"data_key_pkey", "personal_run_key", "snapshots_pkey", "kept_snapshots_pkey"},
    ),
    "sealed_data_keys": ({"after": "k7", "current": "k", "limit": 9}, {"data_key_pkey"}),
    "reseal_data_key": ({"id": "k7", "data": b"", "old": b""}, {"data_key_pkey"}),
    "payloads_of_other_keys": ({"after": "", "current": "k", "limit": 9}, {"payloads_pkey"}),
    "reseal_snapshot": (
        PLACE | {"checksum": b"c", "state": b"s", "old": ""},
        {"snapshots_pkey", "kept_snapshots_pkey"},
    ),
    "reseal_payload": ({"hash": "h", "data": b"d", "old": b"o"}, {"payloads_pkey"}),
    "index_row": ({"run_id": "r7"}, {"run_index_pkey"}),
    "index_rows": ({"after": "r7", "limit": 100}, {"run_index_pkey"}),
    "due_runs": (PAGE, {"run_index_due"}),
    "active_runs": (
        PAGE,
        {"run_index_active", "run_index_calling", "run_index_children"},
    ),
    "stray_children": (
        {"shards": integers([0, 1]), "limit": 100},
        {"run_index_children", "run_index_pkey"},
    ),
    "save_snapshot": (SNAPSHOT, {"snapshots_pkey"}),
    "projection_rows": ({"after": 7, "limit": 100, "large": 9}, {"events_notification_id_idx"}),
    "projection_state_of": ({"position": 7}, {"events_notification_id_idx"}),
    "projection_past": (
        {"streams": texts(["run:r7"]), "afters": integers([1]), "until": 9, "large": 9, "limit": 9},
        {"events_pkey"},
    ),
    "projection_lag": (GENERATION, {"events_notification_id_idx"}),
    "projection_nodes": (GENERATION, {"node_state_pkey"}),
    "projection_tallies": (GENERATION | key_columns([]), {"tally_pkey"}),
    "projection_apply": (APPLY, set()),
    "projection_forget_minutes": (GENERATION | {"before": 9, "limit": 9}, {"tally_pkey"}),
    "projection_unread": (GENERATION | {"limit": 9}, {"unread_event_pkey"}),
    **{
        f"projection_remove_{table}": (GENERATION | {"limit": 9}, {f"{table}_pkey"})
        for table in ("tally", "run_label", "node_state", "unread_event")
    },
    "save_kept_snapshot": (
        SNAPSHOT | {"kind": "recovery", "reason": "", "actor": "", "metadata": "{}"},
        {"kept_snapshots_pkey"},
    ),
    "load_snapshot": (
        {"stream": "run:r7", "at_most": 9},
        {"snapshots_pkey", "kept_snapshots_pkey"},
    ),
    "load_snapshots": (
        {"streams": texts(["run:r7", "run:r8"])},
        {"snapshots_pkey", "kept_snapshots_pkey"},
    ),
    "find_snapshot": (PLACE, {"snapshots_pkey", "kept_snapshots_pkey"}),
    "delete_snapshot": (PLACE, {"snapshots_pkey", "kept_snapshots_pkey"}),
    "list_snapshots": (
        {f"after_{name}": value for name, value in PLACE.items()}
        | {"first_stream": "run:r7", "last_stream": "run:r7", "limit": 100, "head_bytes": 64},
        {"snapshots_pkey", "kept_snapshots_pkey"},
    ),
}
ASKED: dict[str, tuple[Values, set[str]]] = {
    "projection_window": (
        GENERATION | {"kind": "task", "width_s": 60, "since": 5, "until": 7, "workflow": "w1"},
        {"tally_pkey"},
    ),
    "projection_open_runs": (
        {"workflow": "w1", "open": texts(["running"])},
        {"run_index_status"},
    ),
    "projection_labels": (
        GENERATION
        | {"kind": "tag", "name": "n", "value": "v", "started_at": 1, "run_id": "r", "limit": 9},
        {"run_label_pkey"},
    ),
    "projection_forks": ({"run_id": "n", "limit": 9}, {"run_label_pkey", "run_index_pkey"}),
}
"""What readers ask, planned for its values."""
SMALL = {"shard_lease", "log", "migration", "projection", "subscription"}


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


def custom_plan(connection: psycopg.Connection[Any], query: str, values: Values) -> list[Node]:
    """The nodes of the plan for these values, as it is made for readers of projections."""
    arrays.register(connection.adapters)
    with connection.transaction():
        connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        explained = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), values)
        ((found,),) = explained.fetchall()
    return list(_walk(found[0]["Plan"]))


def _kind(value: Packed | str | int | bytes | float) -> str:
    if isinstance(value, Packed):
        if isinstance(value, TextArray):
            return "text[]"
        return "bytea[]" if isinstance(value, arrays.ByteaArray) else "bigint[]"
    kinds = {str: "text", int: "bigint", bytes: "bytea", float: "float8", bool: "bool"}
    return kinds[type(value)]


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


@pytest.mark.parametrize("name", ASKED)
def test_questions_use_their_index(connection: psycopg.Connection[Any], name: str) -> None:
    values, expected = ASKED[name]
    nodes = custom_plan(connection, Queries()[name], values)
    assert not whole_reads(nodes), json.dumps(nodes[0], indent=1)
    assert indexes(nodes) >= expected


@pytest.mark.parametrize("name", ["due_runs", "active_runs", "read_log", "read_stream"])
def test_pages_come_in_the_order_of_their_index(
    connection: psycopg.Connection[Any], name: str
) -> None:
    nodes = plan(connection, Queries()[name], CASES[name][0])
    assert not [node for node in nodes if "Sort" in node["Node Type"]]


WORKS, FAILED, LATER = {"workflow": "w1"}, {"status": "failed"}, {"before": "r5"}
SINCE: dict[str, str | int] = {"since": 5, "until": 900}
TAG = LabelCondition(kind="tag", name="team", comparison="=", value="x")
BIG = LabelCondition(kind="attribute", name="amount", comparison=">=", value="495")


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "run_index_started"),
        (FAILED, "run_index_status"),
        (WORKS, "run_index_workflow"),
        (FAILED | WORKS, None),
        (FAILED | WORKS | LATER, None),
        (LATER, "run_index_started"),
        (FAILED | LATER, "run_index_status"),
        (WORKS | LATER, "run_index_workflow"),
        (SINCE, "run_index_started"),
        (FAILED | SINCE | LATER, "run_index_status"),
    ],
)
def test_lists_come_in_the_order_of_an_index(
    connection: psycopg.Connection[Any], filters: dict[str, str | int], index: str | None
) -> None:
    query = msgspec.convert(filters, RunQuery)
    nodes = custom_plan(connection, *find_runs_text(Queries(), query))
    assert not whole_reads(nodes)
    if index:
        assert not [node for node in nodes if "Sort" in node["Node Type"]]
        assert index in indexes(nodes)
    if query.before:
        scans = [
            n
            for n in nodes
            if n.get("Index Name", "").startswith("run_index_")
            and n["Index Name"] != "run_index_pkey"
        ]
        assert all("started_at" in scan.get("Index Cond", "") for scan in scans)


def test_lists_by_a_label_come_in_the_order_of_its_rows(
    connection: psycopg.Connection[Any],
) -> None:
    query = RunQuery(labels=(TAG,))
    nodes = custom_plan(connection, *find_runs_text(Queries(), query))
    assert not [node for node in nodes if "Sort" in node["Node Type"]], json.dumps(nodes[0])
    assert {"run_label_pkey", "run_index_pkey"} <= indexes(nodes)


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(labels=(TAG,), before="r5", status="failed", since=3),
        RunQuery(labels=(TAG, BIG), workflow="w1"),
    ],
)
def test_more_conditions_on_labels_read_no_whole_table(
    connection: psycopg.Connection[Any], query: RunQuery
) -> None:
    assert not whole_reads(custom_plan(connection, *find_runs_text(Queries(), query)))


def test_a_range_of_a_search_attribute_reads_no_other_values(
    connection: psycopg.Connection[Any],
) -> None:
    nodes = custom_plan(connection, *find_runs_text(Queries(), RunQuery(labels=(BIG,))))
    assert not whole_reads(nodes)
    assert "run_label_number" in indexes(nodes)


def test_every_statement_that_reads_pages_is_looked_at() -> None:
    """A new statement has to be looked at here, or be named among those that need not."""
    cheap = {
        "append_waits",
        "listen",
        "make_data_key",
        "import_events",
        "import_data_keys",
        "attend",
        "leave",
        "make_leases",
        "acquire_leases",
        "renew_leases",
        "release_leases",
        "whoami",
        "end_backend",
        "make_durable",
        "take_ordering_lock",
        "wake_subscribers",
        "schema_state",
        "schema_number",
        "log_info",
        "log_floor",
        "migration_begin",
        "migration_hold",
        "first_events",
        "doctor_leases",
        "doctor_schema",
        "doctor_server",
        "doctor_settings",
        "load_payload",
        "put_payloads",
    }
    archives = {
        "archive_begin",
        "archive_candidates",
        "archive_done",
        "archive_known",
        "archived_until",
        "delete_payloads",
        "has_archives",
        "in_index_order",
        "payload_names",
        "raw_payloads",
        "restore_events",
    }
    audits = {"drop_stray_index_rows", "count_type", "erasures_left", "key_uses", "log_totals"}
    lists = {"find_runs", "find_labelled_runs"}
    of_few_rows = {
        "doctor_leases",
        "doctor_schema",
        "doctor_server",
        "doctor_settings",
        "backends_named",
        "projection_begin",
        "projection_generations",
        "projection_hold",
        "projection_put_into_service",
        "projection_remove",
        "projection_retire",
        "projection_take_from_service",
    }
    known = cheap | archives | audits | lists | of_few_rows
    assert set(Queries().names()) == set(CASES) | set(ASKED) | known
