"""`dalsegno doctor` against real servers, well and broken: what it finds, and what it answers."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedNats, EmbeddedPostgres
from orchestrator.adapters.embedded.binaries import find_nats
from orchestrator.adapters.embedded.ports import free_port
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.cli.main import run
from tests.e2e.cluster import CALM, cluster
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

NOWHERE = "nats://127.0.0.1:1"
Found = dict[str, tuple[str, str, str]]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but what the test gives."""
    monkeypatch.chdir(tmp_path)


def examined(
    capsys: pytest.CaptureFixture[str], dsn: str, nats: str, code: int, prefix: str = "dalsegno"
) -> Found:
    """Findings by `area: what`, as (level, found, mend)."""
    Path("dalsegno.toml").write_text(f'prefix = "{prefix}"\n')
    capsys.readouterr()
    assert run(["doctor", "--json", "--dsn", dsn, "--nats-url", nats]) == code
    findings = json.loads(capsys.readouterr().out)
    return {
        f"{one['area']}: {one['what']}": (one["level"], one["found"], one["mend"])
        for one in findings
    }


def levels(found: Found, area: str) -> dict[str, str]:
    return {name: one[0] for name, one in found.items() if name.startswith(area)}


def test_a_cluster_that_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(tmp_path, agents=2, settings=CALM) as it:
        for node in ("n1", "n2"):
            told = run(["health", "--node", node, "--timeout-s", "20", "--nats-url", it.nats_url])
            assert told == 0
        found = examined(capsys, it.dsn, it.nats_url, 0)
    assert {one[0] for one in found.values()} == {"ok"}, found
    assert found["coordinator: shards"][1] == "all 4 have an owner"
    assert {"node: n1", "node: n2", "coordinator: c1", "nats: DALSEGNO_COMMANDS storage"} <= set(
        found
    )
    assert found["configuration: sources"][1] == "file dalsegno.toml, flag"


def test_a_cordoned_node_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(tmp_path, agents=2, settings=CALM) as it:
        at = ["--nats-url", it.nats_url]
        assert run(["health", "--node", "n1", "--timeout-s", "20", *at]) == 0
        assert run(["health", "--node", "n2", "--timeout-s", "20", *at]) == 0
        assert run(["nodes", "cordon", "n1", "--reason", "new disk", *at]) == 0
        level, said, mend = examined(capsys, it.dsn, it.nats_url, 0)["node: n1"]
    assert level == "warning"
    assert said.endswith(": new disk")
    assert mend == "`dalsegno nodes uncordon n1` when it may work again"


def until_it_holds(connection: psycopg.Connection[tuple[str]], name: str) -> None:
    deadline = time.monotonic() + 10
    while connection.execute(f"SHOW {name}".encode()).fetchone() != ("off",):
        assert time.monotonic() < deadline, f"{name} is still on"


def test_settings_that_risk_the_log(
    nats_server: EmbeddedNats, capsys: pytest.CaptureFixture[str]
) -> None:
    minimal = {"wal_level": "minimal", "max_wal_senders": "0"}
    with EmbeddedPostgres(options=minimal) as server:
        migrate(server.dsn)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("ALTER SYSTEM SET synchronous_commit = off")
            connection.execute("SELECT pg_reload_conf()")
            until_it_holds(connection, "fsync")
        found = examined(capsys, server.dsn, nats_server.url, 1)
    assert levels(found, "postgres") == {
        "postgres: reachable": "ok",
        "postgres: version": "ok",
        "postgres: schema": "ok",
        "postgres: fsync": "problem",
        "postgres: full_page_writes": "problem",
        "postgres: synchronous_commit": "problem",
        "postgres: wal_level": "warning",
        "postgres: connections": "ok",
        "postgres: clock": "ok",
    }
    assert found["postgres: fsync"][2] == "set fsync = on in postgresql.conf"


def test_no_schema_an_older_and_a_newer_one(
    database: str, nats_server: EmbeddedNats, capsys: pytest.CaptureFixture[str]
) -> None:
    def schema() -> tuple[str, str, str]:
        return examined(capsys, database, nats_server.url, 1)["postgres: schema"]

    assert schema() == ("problem", "there is none", "run `dalsegno migrate`")
    migrate(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO dalsegno.migration (number, name) VALUES (9999, 'later')")
        assert schema()[0] == "ok"
        assert "9999" in schema()[1]
        connection.execute("UPDATE dalsegno.log SET schema_min = 9999")
        assert schema()[0] == "problem"
        connection.execute("DELETE FROM dalsegno.migration")
        connection.execute("INSERT INTO dalsegno.migration (number, name) VALUES (0, 'earlier')")
        assert schema()[2] == "run `dalsegno migrate`"


def test_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    dsn = f"postgresql://me:secret@127.0.0.1:{free_port()}/x"
    found = examined(capsys, dsn, NOWHERE, 1)
    assert found["postgres: reachable"][0] == found["nats: reachable"][0] == "problem"
    assert "secret" not in str(found)


def test_a_wrong_password(
    dsn: str, nats_server: EmbeddedNats, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, host = dsn.removeprefix("postgresql://").partition("@")
    wrong = f"postgresql://{name.partition(':')[0]}:wrong@{host}"
    address = nats_server.url.partition("@")[2]
    found = examined(capsys, wrong, f"nats://someone:wrong@{address}", 1)
    assert found["postgres: reachable"][::2] == ("problem", "mend the setting")
    assert found["nats: reachable"][::2] == ("problem", "mend the setting")


@contextmanager
def without_jetstream(folder: Path) -> Iterator[str]:
    port = free_port()
    program = find_nats().program("nats-server")
    server = subprocess.Popen(
        [program, "-a", "127.0.0.1", "-p", str(port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def test_nats_without_jetstream(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with without_jetstream(tmp_path) as url:
        deadline = time.monotonic() + 10
        while (found := examined(capsys, dsn, url, 1))["nats: reachable"][0] != "ok":
            assert time.monotonic() < deadline
    assert found["nats: jetstream"][:2] == ("problem", "it is not enabled")
    assert found["coordinator: reachable"][:2] == ("problem", "none answers")


def test_no_coordinator_and_no_stream_yet(
    database_factory: DatabaseFactory,
    dsn: str,
    nats_server: EmbeddedNats,
    nats_prefix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = examined(capsys, dsn, nats_server.url, 1, nats_prefix)
    assert found["coordinator: reachable"][0] == "problem"
    assert found[f"nats: {nats_prefix.upper()}_COMMANDS"][0] == "warning"


def test_people_are_shown_a_table(
    dsn: str, nats_server: EmbeddedNats, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--dsn", dsn, "--nats-url", nats_server.url]) == 1
    shown = capsys.readouterr().out
    assert "none answers" in shown
    assert "dalsegno coordinator" in shown
