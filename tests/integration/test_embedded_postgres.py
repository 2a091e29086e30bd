"""The embedded Postgres: durable, closed to strangers, restartable after anything."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from orchestrator.adapters.embedded import EmbeddedPostgres, ports
from orchestrator.adapters.embedded.guard import LOCK_NAME
from orchestrator.adapters.embedded.ports import HOST
from orchestrator.errors import InvariantViolation, Misconfigured, Unavailable

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real

PORT_CHOICE = "orchestrator.adapters.embedded.server.free_port"


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def keep(dsn: str, note: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (note text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (note,))


def kept(dsn: str) -> object:
    return value(dsn, "SELECT string_agg(note, ' ' ORDER BY note) FROM kept")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_it_is_as_durable_as_in_production(postgres_server: EmbeddedPostgres) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert value(postgres_server.dsn, f"SHOW {setting}") == "on"


def test_text_has_one_order_everywhere(database: str) -> None:
    assert value(database, "SHOW server_encoding") == "UTF8"
    assert (
        value(database, "SELECT string_agg(t, '' ORDER BY t) FROM unnest('{b,a,B,A}'::text[]) t")
        == "ABab"
    )
    assert value(database, "SHOW timezone") == "UTC"


def test_only_loopback_with_the_password_gets_in(postgres_server: EmbeddedPostgres) -> None:
    assert value(postgres_server.dsn, "SHOW unix_socket_directories") == ""
    assert value(postgres_server.dsn, "SHOW listen_addresses") == HOST
    for password in ("", "not the password"):
        stranger = psycopg.conninfo.make_conninfo(postgres_server.dsn, password=password)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(stranger)


def test_the_password_is_for_the_servers_user_alone(postgres_server: EmbeddedPostgres) -> None:
    secret = postgres_server.home / "secret"
    assert secret.stat().st_mode & 0o077 == 0
    assert len(secret.read_text()) >= 24


def test_restart_keeps_data_and_address(postgres_private: EmbeddedPostgres) -> None:
    dsn, pid = postgres_private.dsn, postgres_private.pid
    keep(dsn, "before")
    postgres_private.restart()
    assert postgres_private.dsn == dsn
    assert postgres_private.pid != pid
    assert kept(dsn) == "before"


def test_kill9_loses_nothing_committed(postgres_private: EmbeddedPostgres) -> None:
    keep(postgres_private.dsn, "committed")
    with psycopg.connect(postgres_private.dsn) as open_session:
        open_session.execute("INSERT INTO kept VALUES ('never committed')")
        processes = psutil.Process(postgres_private.pid).children(recursive=True)
        postgres_private.kill9()
        assert processes
        assert not [p for p in processes if p.is_running()]
        open_session.close()
    postgres_private.start()
    postgres_private.wait_ready()
    assert kept(postgres_private.dsn) == "committed"


def test_it_starts_again_after_it_was_killed_by_somebody(
    postgres_private: EmbeddedPostgres,
) -> None:
    keep(postgres_private.dsn, "committed")
    process = psutil.Process(postgres_private.pid)
    os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)
    postgres_private.start()
    postgres_private.wait_ready()
    assert kept(postgres_private.dsn) == "committed"


def test_a_second_start_is_refused(postgres_server: EmbeddedPostgres) -> None:
    with pytest.raises(InvariantViolation, match="twice"):
        postgres_server.start()


def test_it_is_not_used_before_its_start() -> None:
    with pytest.raises(InvariantViolation, match="before it is started"):
        _ = EmbeddedPostgres().dsn


def test_a_data_folder_outlives_the_server(data_folder: Path) -> None:
    folder = data_folder / "made" / "on the way" / "it's here"
    with EmbeddedPostgres(folder) as first:
        keep(first.dsn, "first")
        secret = (folder / "secret").read_text()
    with EmbeddedPostgres(folder) as second:
        keep(second.dsn, "second")
        assert kept(second.dsn) == "first second"
        assert (folder / "secret").read_text() == secret


def test_a_pid_file_with_somebody_elses_pid_is_no_obstacle(data_folder: Path) -> None:
    """After a crash of the host the number in the file may be that of any process."""
    with EmbeddedPostgres(data_folder) as crashed:
        keep(crashed.dsn, "kept")
        pid_file = data_folder / "cluster" / "postmaster.pid"
        left = pid_file.read_text().splitlines()
    with EmbeddedPostgres() as stranger:
        left[0] = str(stranger.pid)  # it runs as the same user, so Postgres would believe it
        left[6] = "1 2147483647"  # a segment that is no more, as after a restart of the host
        pid_file.write_text("\n".join(left) + "\n")
        with EmbeddedPostgres(data_folder) as again:
            assert kept(again.dsn) == "kept"


def test_a_half_made_cluster_is_made_anew(data_folder: Path) -> None:
    (data_folder / LOCK_NAME).touch()
    (data_folder / "cluster.new").mkdir()
    (data_folder / "cluster.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data_folder) as postgres:
        assert value(postgres.dsn, "SELECT 1") == 1
    assert not (data_folder / "cluster.new").exists()


def test_a_folder_with_other_things_is_refused(data_folder: Path) -> None:
    (data_folder / "thesis.txt").write_text("chapter one")
    with pytest.raises(Misconfigured, match="not empty and is no data folder"):
        EmbeddedPostgres(data_folder).start()
    assert [entry.name for entry in data_folder.iterdir()] == ["thesis.txt"]


def test_a_lost_password_is_named(data_folder: Path) -> None:
    with EmbeddedPostgres(data_folder):
        pass
    (data_folder / "secret").unlink()
    with pytest.raises(Misconfigured, match=r"secret is missing.*put the file back"):
        EmbeddedPostgres(data_folder).start()


def test_a_port_in_use_is_named(taken_port: int) -> None:
    with pytest.raises(
        Misconfigured, match=rf"port {taken_port} on 127\.0\.0\.1 is in use.*another"
    ):
        EmbeddedPostgres(port=taken_port).start()


def test_a_port_out_of_range_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"port 80 .* expected 1024 to 65535"):
        EmbeddedPostgres(port=80).start()


def test_a_port_taken_after_its_choice_is_chosen_again(
    taken_port: int, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = iter([taken_port, ports.free_port()])
    monkeypatch.setattr(PORT_CHOICE, lambda: next(choice))
    with EmbeddedPostgres(data_folder) as postgres:
        assert postgres.port != taken_port
        assert value(postgres.dsn, "SELECT 1") == 1


def test_a_given_port_is_used() -> None:
    port = ports.free_port()
    with EmbeddedPostgres(port=port) as postgres:
        assert postgres.port == port
        assert f":{port}/" in postgres.dsn


def test_options_are_settings_of_the_server() -> None:
    options = {"max_connections": "23", "cluster_name": "it's \\ here"}
    with EmbeddedPostgres(options=options) as postgres:
        assert value(postgres.dsn, "SHOW max_connections") == "23"
        assert value(postgres.dsn, "SHOW cluster_name") == "it's \\ here"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("fsync", "fixed for the embedded server"),
        ("synchronous_commit", "fixed for the embedded server"),
        ("port", "fixed for the embedded server"),
        ("Fsync", "no name of a Postgres setting"),
        ("a = 1\nfsync", "no name of a Postgres setting"),
    ],
)
def test_options_that_break_the_promise_are_refused(option: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        EmbeddedPostgres(options={option: "off"})


def test_a_value_of_two_lines_is_refused() -> None:
    with pytest.raises(Misconfigured, match="line break"):
        EmbeddedPostgres(options={"cluster_name": "a'\nfsync = 'off"})


def test_a_start_that_fails_shows_the_log_and_leaves_nothing() -> None:
    postgres = EmbeddedPostgres(options={"shared_buffers": "a lot"})
    postgres.start()
    home, guard = postgres.home, psutil.Process(postgres.guard_pid)
    with pytest.raises(Unavailable, match='invalid value for parameter "shared_buffers": "a lot"'):
        postgres.wait_ready()
    assert not home.exists()
    assert not guard.is_running()
