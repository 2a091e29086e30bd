"""A Postgres with one synchronous standby, on two sites; the standby can be promoted.

    primary ── every commit waits for ──► standby
       │ kill -9                             │ promote
       ▼                                     ▼
    (folder thrown away)                  primary ◄── pg_basebackup ── a new standby

A commit is answered only when the standby has it on disk, and the old primary is dead before the
standby is promoted: so nothing that was answered is lost. While there is no standby, commits wait.
"""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import psycopg

from orchestrator.adapters.embedded.binaries import find_postgres, link_or_copy
from orchestrator.adapters.embedded.handle import Command
from orchestrator.adapters.embedded.home import Home
from orchestrator.adapters.embedded.ports import HOST
from orchestrator.adapters.embedded.postgres import (
    DEFAULT_OPTIONS,
    INTERRUPT,
    NEW_CLUSTER,
    PORT_LINE,
    READY_LINE,
    USER,
    PostgresRecipe,
    pid_file,
)
from orchestrator.adapters.embedded.server import EmbeddedServer
from tests.chaos.wires import Wires

STANDBY = "standby"
ANSWER_S = 60.0
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        **DEFAULT_OPTIONS,
        "synchronous_standby_names": f"1 ({STANDBY})",
        # A standby is known by it. Not by an application_name that its copying had, too: then
        # commits would be answered that only the unfinished copy has.
        "cluster_name": STANDBY,
        "checkpoint_completion_target": "0.1",
        "track_commit_timestamp": "on",  # the checkers ask when an event was committed
        "wal_keep_size": "512MB",
        "max_wal_size": "256MB",
        "shared_buffers": "32MB",
        "wal_sender_timeout": "5s",
        "wal_receiver_timeout": "5s",
        "wal_retrieve_retry_interval": "500ms",
        "log_min_messages": "log",
    }
)


class Recipe(PostgresRecipe):
    """A primary, or a copy of one that follows it."""

    def __init__(self, password: str = "", source_port: int | None = None) -> None:
        super().__init__(OPTIONS, None)
        self._password = password
        self._source_port = source_port

    def first_command(self, home: Home) -> Command | None:
        if self._source_port is None:
            return super().first_command(home)
        if (home.path / "cluster").exists():
            return None
        home.write("secret", self._password)
        home.make_owned(NEW_CLUSTER)
        copier = home.binaries.program("pg_basebackup")
        if not copier.exists():  # not among the programs that a server needs
            link_or_copy(str(find_postgres().program("pg_basebackup")), str(copier))
        source = (
            f"host={HOST} port={self._source_port} user={USER} password={self._password} "
            "connect_timeout=10"
        )
        target = str(home.path / NEW_CLUSTER)
        return Command(
            argv=(str(copier), "-D", target, "-d", source, "-R", "-X", "stream", "-c", "fast"),
            log=home.log_path,
            death_signal=signal.SIGTERM.value,
            farewell=INTERRUPT,
            last_farewell=INTERRUPT,
        )

    def answers(self, home: Home, port: int, pid: int) -> bool:
        """Ready as a primary, or as a standby that can be read."""
        try:
            lines = pid_file(home).read_text().splitlines()
        except FileNotFoundError:
            return False
        if len(lines) <= READY_LINE or lines[0] != str(pid) or lines[PORT_LINE] != str(port):
            return False
        return lines[READY_LINE].strip() in {"ready", "standby"}


class Server(EmbeddedServer):
    """One Postgres of the two."""

    def __init__(self, folder: Path, recipe: Recipe, port: int | None = None) -> None:
        super().__init__(recipe, folder, port)

    @property
    def password(self) -> str:
        return self._opened_home().secret()

    def dsn(self, port: int | None = None) -> str:
        address = f"{HOST}:{port or self.port}/postgres"
        return f"postgresql://{USER}:{self.password}@{address}?sslmode=disable"

    def stop_process(self, how: signal.Signals) -> None:
        """SIGSTOP or SIGCONT for the server with all its processes."""
        children = subprocess.run(
            ["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (str(self.pid), *children):
            subprocess.run(["kill", f"-{how.name.removeprefix('SIG')}", pid], check=False)


class Pair:
    """Both servers by site, `a` and `b`. Blocks; one thread at a time."""

    def __init__(self, folder: Path, wires: Wires) -> None:
        self._folder = folder
        self._wires = wires
        self._built = 0
        self.servers: dict[str, Server] = {}
        self.primary = "a"
        self.promotions = 0
        self.password = ""

    @property
    def standby(self) -> str:
        return "b" if self.primary == "a" else "a"

    def start(self) -> None:
        first = self._new("a", Recipe())
        first.start()
        first.wait_ready()
        self.password = first.password
        self._wires.add("standby>primary", first.port)
        self.build_standby()

    def dsn(self) -> str:
        """Of the primary, without a wire."""
        return self.servers[self.primary].dsn()

    def build_standby(self) -> None:
        """A new folder, copied from the primary; returns when every commit waits for it."""
        self._wires.lead("standby>primary", self.servers[self.primary].port)
        port = self._wires.port("standby>primary")
        server = self._new(self.standby, Recipe(self.password, port))
        server.start()
        server.wait_ready(ANSWER_S)

    def promote(self) -> None:
        """The dead primary's standby becomes the primary."""
        dead, self.primary = self.primary, self.standby
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote(true, 30)")
        self.promotions += 1
        self._throw_away(dead)

    def close(self) -> None:
        for server in self.servers.values():
            server.stop()

    def keep_logs(self, folder: Path) -> None:
        for path in self._folder.glob("pg-*/server.log*"):
            shutil.copyfile(path, folder / f"{path.parent.name}-{path.name}")

    def _new(self, site: str, recipe: Recipe) -> Server:
        self._built += 1
        self.servers[site] = made = Server(self._folder / f"pg-{self._built}-{site}", recipe)
        return made

    def _throw_away(self, site: str) -> None:
        home = self.servers[site].home
        self.servers[site].stop()
        shutil.rmtree(home / "cluster", ignore_errors=True)
