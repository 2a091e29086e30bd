"""A real Postgres of our own: one cluster in one folder, on a loopback port, with a password.

Guarantee: as durable as a server in production (a commit that was answered survives kill -9 and a
power cut, if the folder lasts), and gone when its parent is gone (guard.py).

    no cluster ──initdb into cluster.new──► renamed to cluster ──► server
                 (killed half-way: cluster.new is thrown away at the next start)

There is no Unix socket and no listener but 127.0.0.1; every connection needs the password in
`secret`.
"""

import os
import pwd
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from orchestrator.adapters.embedded.binaries import Binaries, find_postgres
from orchestrator.adapters.embedded.handle import Command
from orchestrator.adapters.embedded.home import Home
from orchestrator.adapters.embedded.ports import HOST
from orchestrator.adapters.embedded.server import EmbeddedServer
from orchestrator.errors import Misconfigured

USER = "dalsegno"
DATABASE = "postgres"
CLUSTER = "cluster"
NEW_CLUSTER = "cluster.new"
PORT_LINE, READY_LINE = 3, 7  # of postmaster.pid, counted from 0

# Sized for a laptop or a small virtual machine; each may be overridden.
DEFAULT_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "shared_buffers": "128MB",
        "max_connections": "100",
        "max_wal_size": "1GB",
        "min_wal_size": "128MB",
        "checkpoint_timeout": "5min",
        "jit": "off",  # our statements are short; compiling them costs more than it saves
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] ",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
)
# Not to be overridden: what the promises stand on, and what this module decides.
FIXED_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        # In the cluster, not in /dev/shm: nothing stays outside our folder after a kill -9.
        "dynamic_shared_memory_type": "mmap",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
)
DECIDED_HERE = frozenset({*FIXED_OPTIONS, "port", "data_directory", "config_file", "hba_file"})

FAST = (signal.SIGINT.value, 20.0)  # ends sessions, writes a checkpoint
IMMEDIATE = (signal.SIGQUIT.value, 6.0)  # drops everything; the next start recovers from the log
INTERRUPT = ((signal.SIGTERM.value, 2.0),)


class EmbeddedPostgres(EmbeddedServer):
    """A Postgres server that lives as long as its owner lets it, and no longer than its owner.

    Args:
        folder: keeps the data; None for a temporary folder that goes with the server.
        port: None for a free one.
        options: server settings beside or instead of `DEFAULT_OPTIONS`.
        binaries: the folder with initdb and postgres; None to find them.

    Raises:
        Misconfigured: an option that is decided here, or no valid name of one.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        recipe = PostgresRecipe({**DEFAULT_OPTIONS, **checked_options(options or {})}, binaries)
        super().__init__(recipe, folder, port)

    @property
    def dsn(self) -> str:
        """The address of the server's first database, with user and password."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The address of a database of this server, with user and password."""
        credentials = f"{USER}:{quote(self._opened_home().secret(), safe='')}"
        address = f"{HOST}:{self.port}/{quote(database, safe='')}"
        return f"postgresql://{credentials}@{address}?sslmode=disable"


class PostgresRecipe:
    """How a Postgres is made, run, and known to be ready."""

    kind = "postgres"
    owned_name = "cluster"

    def __init__(self, options: Mapping[str, str], binaries: Path | None) -> None:
        self._options = options
        self._given_binaries = binaries

    def find_binaries(self) -> Binaries:
        return find_postgres(self._given_binaries)

    def first_command(self, home: Home) -> Command | None:
        if (home.path / CLUSTER).exists():
            if not home.secret_path.exists():
                raise Misconfigured(
                    f"{home.secret_path} is missing, and the cluster beside it cannot be opened "
                    "without its password: put the file back, or give a new data folder"
                )
            return None
        check_user_has_name()
        shutil.rmtree(home.path / NEW_CLUSTER, ignore_errors=True)
        home.make_owned(NEW_CLUSTER)
        home.secret()
        return Command(
            argv=initdb(home),
            log=home.log_path,
            death_signal=signal.SIGTERM.value,
            farewell=INTERRUPT,
            last_farewell=INTERRUPT,
        )

    def first_done(self, home: Home) -> None:
        (home.path / NEW_CLUSTER).rename(home.path / CLUSTER)

    def server_command(self, home: Home, port: int) -> Command:
        settings = {**self._options, **FIXED_OPTIONS, "port": str(port)}
        configuration = home.write("postgresql.conf", "".join(map(rendered, settings.items())))
        return Command(
            argv=(
                home.program("postgres"),
                "-D",
                str(home.path / CLUSTER),
                "-c",
                f"config_file={configuration}",
            ),
            log=home.log_path,
            death_signal=signal.SIGQUIT.value,
            farewell=(FAST, IMMEDIATE),
            # Nobody will start on a temporary folder again, so nothing has to be written back.
            last_farewell=(IMMEDIATE,) if home.is_temporary else (FAST, IMMEDIATE),
            pid_file=pid_file(home),
        )

    def answers(self, home: Home, port: int, pid: int) -> bool:
        """As the server itself says in its pid file, which needs no connection and no password."""
        try:
            lines = pid_file(home).read_text().splitlines()
        except FileNotFoundError:
            return False
        if len(lines) <= READY_LINE or lines[0] != str(pid) or lines[PORT_LINE] != str(port):
            return False
        return lines[READY_LINE].strip() == "ready"


def initdb(home: Home) -> tuple[str, ...]:
    # Text is compared byte by byte: the same order on every machine and after every upgrade.
    # Without the final sync a power cut in the first half minute could take the catalogue away from
    # under data already committed: only a temporary cluster, which nobody can reopen, goes without.
    sync = ("--no-sync",) if home.is_temporary else ()
    return (
        home.program("initdb"),
        f"--pgdata={home.path / NEW_CLUSTER}",
        f"--username={USER}",
        f"--pwfile={home.secret_path}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
        *sync,
    )


def pid_file(home: Home) -> Path:
    return home.path / CLUSTER / "postmaster.pid"


def checked_options(options: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in options.items():
        if not re.fullmatch(r"[a-z][a-z0-9_.]*", name):
            raise Misconfigured(
                f"{name!r} is no name of a Postgres setting: write it in lower case"
            )
        if name in DECIDED_HERE:
            raise Misconfigured(
                f"the Postgres setting {name!r} is fixed for the embedded server (durability and "
                "access depend on it): leave it out, or use a Postgres server of your own"
            )
        if "\n" in value:
            raise Misconfigured(
                f"the Postgres setting {name!r} has a line break: write it in one line"
            )
    return options


def rendered(setting: tuple[str, str]) -> str:
    name, value = setting
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{escaped}'\n"


def check_user_has_name() -> None:
    """initdb asks the system for the name of its user, even when it is told another one."""
    uid = os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError as error:
        raise Misconfigured(
            f"user id {uid} has no name on this machine (no entry in the list of users), and "
            "Postgres makes no data folder for such a user: start as a user with a name, or give "
            "the address of a running Postgres"
        ) from error
