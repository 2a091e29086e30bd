"""Nothing outlives its owner: the guard of the embedded servers under every kind of death."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import psycopg
import pytest

from events.limits import SERVER_LOG_BYTES_MAX
from orchestrator.adapters.embedded import EmbeddedNats, EmbeddedPostgres, EmbeddedServers
from orchestrator.adapters.embedded.guard import open_log
from orchestrator.adapters.embedded.handle import Command, GuardHandle
from orchestrator.errors import Misconfigured, Unavailable

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real

CLONE = Path(__file__).parents[2]
DEADLINE_S = 15.0

# A process that owns both servers, tells about them, and waits to be killed.
OWNER = """
import json, os, sys
from pathlib import Path
from orchestrator.adapters.embedded import EmbeddedServers
folder = Path(sys.argv[1]) if sys.argv[1] else None
with EmbeddedServers(folder) as servers:
    both = (servers.postgres, servers.nats)
    if sys.argv[2] == "forked" and os.fork() == 0:
        sys.stdin.readline()
        os._exit(0)
    print(json.dumps({
        "guards": [server.guard_pid for server in both],
        "servers": [server.pid for server in both],
        "homes": [str(server.home) for server in both],
        "dsn": servers.postgres.dsn,
    }), flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "careless":
        os._exit(0)
"""


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    guards: list[int]
    servers: list[int]
    homes: list[str]
    dsn: str


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    process: subprocess.Popen[bytes]
    guards: list[psutil.Process]
    servers: list[psutil.Process]
    homes: list[Path]
    dsn: str

    def all_processes(self) -> list[psutil.Process]:
        below = [child for guard in self.guards for child in guard.children(recursive=True)]
        return [*self.guards, *below]


@contextmanager
def owner(folder: Path | None = None, habit: str = "") -> Iterator[Owner]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder or ""), habit],
        cwd=CLONE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        owned = msgspec.json.decode(process.stdout.readline(), type=Owned)
        yield Owner(
            process=process,
            guards=[psutil.Process(pid) for pid in owned.guards],
            servers=[psutil.Process(pid) for pid in owned.servers],
            homes=[Path(home) for home in owned.homes],
            dsn=owned.dsn,
        )
        process.stdin.close()


def still_there(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are not gone when the deadline is over.

    One that has ended, and only waits for the init process to take note of it, is gone.
    """
    deadline = time.monotonic() + DEADLINE_S
    alive = processes
    while alive and time.monotonic() < deadline:
        _, alive = psutil.wait_procs(alive, timeout=0.01)
        alive = [process for process in alive if is_alive(process)]
    return alive


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shared_memory_segments() -> set[str]:
    rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {row.split()[1] for row in rows}


def segment_of(cluster: Path) -> str:
    return (cluster / "postmaster.pid").read_text().splitlines()[6].split()[1]


@pytest.mark.parametrize("habit", ["", "forked"])
def test_when_the_owner_is_killed_nothing_is_left(habit: str) -> None:
    with owner(habit=habit) as it:
        processes = it.all_processes()
        assert len(processes) > 6
        it.process.kill()
        assert not still_there(processes)
        assert not [home for home in it.homes if home.exists()]


def test_when_the_owner_forgets_nothing_is_left() -> None:
    with owner(habit="careless") as it:
        processes = it.all_processes()
        assert it.process.stdin is not None
        it.process.stdin.close()
        assert not still_there(processes)
        assert not [home for home in it.homes if home.exists()]


def test_when_the_owner_is_killed_its_data_folder_is_good(data_folder: Path) -> None:
    with owner(data_folder) as it:
        with psycopg.connect(it.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        processes = it.all_processes()
        it.process.kill()
        # At once, while the guards still shut down: the new servers wait for them.
        with EmbeddedServers(data_folder) as again, psycopg.connect(again.postgres.dsn) as reader:
            assert reader.execute("SELECT number FROM kept").fetchone() == (7,)
            assert not [p for p in processes if is_alive(p)]


def test_ctrl_c_is_for_the_owner_not_for_its_servers() -> None:
    with owner() as it:
        groups = {os.getpgid(process.pid) for process in it.all_processes()}
        assert os.getpgid(it.process.pid) not in groups
        it.process.kill()
        assert not still_there(it.guards)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_guard_that_is_asked_to_go_ends_its_server(number: signal.Signals) -> None:
    with EmbeddedNats() as nats:
        home, processes = nats.home, [psutil.Process(p) for p in (nats.pid, nats.guard_pid)]
        os.kill(nats.guard_pid, number)
        assert not still_there(processes[:1])
        assert not still_there(processes[1:])
        assert not home.exists()
        with pytest.raises(Unavailable, match="guard process"):
            nats.kill9()


def test_when_the_guard_is_killed_the_servers_end_and_the_next_one_tidies_up(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a place of its own: elsewhere the next one may be another test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(data_folder))
    with EmbeddedServers() as servers:
        both = (servers.postgres, servers.nats)
        homes = [server.home for server in both]
        guards = [psutil.Process(server.guard_pid) for server in both]
        processes = [child for guard in guards for child in guard.children(recursive=True)]
        for guard in guards:
            guard.kill()
        assert not still_there(processes)
    assert {home.parent for home in homes} == {data_folder}
    assert [home for home in homes if home.exists()] == homes
    with EmbeddedServers():
        assert not [home for home in homes if home.exists()]


def test_the_next_one_leaves_living_folders_alone(nats_server: EmbeddedNats) -> None:
    with EmbeddedNats() as second:
        assert nats_server.home.exists()
        assert second.home.exists()


def test_stop_leaves_nothing() -> None:
    with EmbeddedServers() as servers:
        both = (servers.postgres, servers.nats)
        homes = [server.home for server in both]
        guards = [psutil.Process(server.guard_pid) for server in both]
        processes = [*guards, *(c for guard in guards for c in guard.children(recursive=True))]
    assert not [process for process in processes if process.is_running()]
    assert not [home for home in homes if home.exists()]


def test_a_killed_postgres_leaves_no_shared_memory() -> None:
    with EmbeddedPostgres() as postgres:
        segment = segment_of(postgres.home / "cluster")
        assert segment in shared_memory_segments()
        postgres.kill9()
    assert segment not in shared_memory_segments()


def test_the_shared_memory_of_others_stays(postgres_server: EmbeddedPostgres) -> None:
    with EmbeddedPostgres():
        pass
    assert segment_of(postgres_server.home / "cluster") in shared_memory_segments()


def test_no_server_process_is_root(
    postgres_server: EmbeddedPostgres, nats_server: EmbeddedNats
) -> None:
    for server in (postgres_server, nats_server):
        uids = psutil.Process(server.pid).uids()
        assert 0 not in uids
        assert os.geteuid() in {0, uids.effective}
        assert pwd.getpwuid(uids.real).pw_uid == uids.saved


def test_the_list_of_users_and_the_folders_above_do_not_change() -> None:
    def seen() -> tuple[bytes, list[int]]:
        python = Path(sys.executable).resolve()
        folders = (CLONE, *CLONE.parents, Path(tempfile.gettempdir()), *python.parents)
        return Path("/etc/passwd").read_bytes(), [folder.stat().st_mode for folder in folders]

    before = seen()
    with EmbeddedServers():
        assert seen() == before
    assert seen() == before


def test_a_data_folder_has_one_owner(data_folder: Path) -> None:
    with EmbeddedNats(data_folder):
        other = GuardHandle()
        with pytest.raises(Misconfigured, match=f"{data_folder} .* process {os.getpid()}; stop"):
            other.claim(data_folder, wait_s=0.0)
        other.end(None)


def test_a_folder_is_held_until_the_last_process_of_its_server_is_gone(data_folder: Path) -> None:
    other = GuardHandle()
    with EmbeddedNats(data_folder) as nats:
        guard, server = psutil.Process(nats.guard_pid), psutil.Process(nats.pid)
        server.suspend()  # so that the death signal of its guard does not reach it yet
        try:
            guard.kill()
            assert not still_there([guard])
            with pytest.raises(Misconfigured, match="in use"):
                other.claim(data_folder, wait_s=0.0)
        finally:
            server.resume()
        other.claim(data_folder, wait_s=DEADLINE_S)
        assert not is_alive(server)
    other.end(None)


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next(tmp_path: Path) -> None:
    command = Command(
        argv=(sys.executable, "-c", "import time; time.sleep(60)"),
        log=tmp_path / "log",
        death_signal=signal.SIGTERM,
        farewell=(),
        last_farewell=(),
    )
    guard = GuardHandle()
    guard.run(command, None)
    with pytest.raises(Unavailable, match="did not answer in time"):
        guard._ask({"do": "wait", "timeout_s": 0.3}, timeout_s=0.0)
    guard.kill()
    assert guard.wait(0.0) is not None
    guard.end(command)


@pytest.mark.edge("SERVER_LOG_BYTES_MAX")
def test_a_long_log_is_set_aside(tmp_path: Path) -> None:
    log, aside = tmp_path / "server.log", tmp_path / "server.log.1"
    log.write_bytes(b"x" * SERVER_LOG_BYTES_MAX)
    os.close(open_log(log, SERVER_LOG_BYTES_MAX))
    assert not aside.exists()

    log.write_bytes(b"x" * (SERVER_LOG_BYTES_MAX + 1))
    os.close(open_log(log, SERVER_LOG_BYTES_MAX))
    assert (log.stat().st_size, aside.stat().st_size) == (0, SERVER_LOG_BYTES_MAX + 1)


def test_both_are_stopped_when_one_cannot_start(nats_server: EmbeddedNats) -> None:
    before = psutil.Process().children()
    servers = EmbeddedServers(nats_port=nats_server.port)
    with pytest.raises(Misconfigured, match=f"port {nats_server.port}"):
        servers.start()
    assert psutil.Process().children() == before
