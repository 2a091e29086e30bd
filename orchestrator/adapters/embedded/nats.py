"""A real NATS server with JetStream of our own: one store in one folder, on a loopback port.

Every connection needs the password in `secret`. What JetStream holds is transport, not truth: the
store may be wiped at any time, and tests do (`wipe`).
"""

import json
import shutil
import signal
import socket
import zlib
from pathlib import Path

import msgspec

from orchestrator.adapters.embedded.binaries import Binaries, find_nats
from orchestrator.adapters.embedded.handle import Command
from orchestrator.adapters.embedded.home import Home
from orchestrator.adapters.embedded.ports import HOST
from orchestrator.adapters.embedded.server import EmbeddedServer

USER = "dalsegno"
STORE = "store"
CONFIGURATION = "nats.conf"
PROBE_TIMEOUT_S = 1.0
PROBE_BYTES_MAX = 65_536
PROBE_INBOX = "_INBOX.dalsegno.ready"

QUIT = ((signal.SIGTERM.value, 10.0),)


class NatsLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one embedded server takes; over a limit it refuses the client that asks for more."""

    payload_bytes_max: int = 8 * 1024 * 1024
    pending_bytes_max: int = 64 * 1024 * 1024  # a connection's unsent bytes, then it is cut
    connections_max: int = 1_024
    memory_store_bytes_max: int = 256 * 1024 * 1024
    file_store_bytes_max: int = 16 * 1024 * 1024 * 1024


class EmbeddedNats(EmbeddedServer):
    """A NATS server that lives as long as its owner lets it, and no longer than its owner.

    Args:
        folder: keeps the JetStream store; None for a temporary folder that goes with the server.
        port: None for a free one.
        limits: what it takes.
        program: the nats-server to run; None to find it.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        limits: NatsLimits | None = None,
        program: Path | None = None,
    ) -> None:
        super().__init__(NatsRecipe(limits or NatsLimits(), program), folder, port)

    @property
    def url(self) -> str:
        """The address of the server, with user and password."""
        return f"nats://{USER}:{self._opened_home().secret()}@{HOST}:{self.port}"

    def wipe(self) -> None:
        """Delete the JetStream store: between `halt` and `start`, or under a running server."""
        for entry in (self.home / STORE).iterdir():
            shutil.rmtree(entry)


class NatsRecipe:
    """How a NATS server is configured, run, and known to be ready."""

    kind = "nats"
    owned_name = STORE

    def __init__(self, limits: NatsLimits, program: Path | None) -> None:
        self._limits = limits
        self._given_program = program

    def find_binaries(self) -> Binaries:
        return find_nats(self._given_program)

    def first_command(self, home: Home) -> None:
        home.make_owned(STORE)

    def first_done(self, home: Home) -> None:
        return

    def server_command(self, home: Home, port: int) -> Command:
        name = home.binaries.members[0]
        path = home.write(CONFIGURATION, configuration(home, port, self._limits))
        return Command(
            argv=(home.program(name), "--config", str(path)),
            log=home.log_path,
            death_signal=signal.SIGTERM.value,
            farewell=QUIT,
            last_farewell=QUIT,
        )

    def answers(self, home: Home, port: int, pid: int) -> bool:
        """Whether JetStream answers a client with the password, and the server is ours."""
        try:
            with socket.create_connection((HOST, port), PROBE_TIMEOUT_S) as connection:
                return jetstream_answers(connection, server_name(home), home.secret())
        except OSError:
            return False


def configuration(home: Home, port: int, limits: NatsLimits) -> str:
    """The server's file; JSON is valid in it, so strings are quoted as JSON quotes them."""
    return "\n".join(
        (
            f"server_name: {json.dumps(server_name(home))}",
            f"host: {json.dumps(HOST)}",
            f"port: {port}",
            f"max_payload: {limits.payload_bytes_max}",
            f"max_pending: {limits.pending_bytes_max}",
            f"max_connections: {limits.connections_max}",
            "authorization {",
            f"  user: {json.dumps(USER)}",
            f"  password: {json.dumps(home.secret())}",
            "}",
            "jetstream {",
            f"  store_dir: {json.dumps(str(home.path / STORE))}",
            f"  max_memory_store: {limits.memory_store_bytes_max}",
            f"  max_file_store: {limits.file_store_bytes_max}",
            "}",
            "",
        )
    )


def server_name(home: Home) -> str:
    """Tells the server of this home from any other that may have taken the port before it."""
    return f"dalsegno-{zlib.crc32(str(home.path).encode()):08x}"


def jetstream_answers(connection: socket.socket, name: str, password: str) -> bool:
    """Ask JetStream for its state in the bare client protocol; the server greets first."""
    with connection.makefile("rwb") as stream:
        greeting = stream.readline(PROBE_BYTES_MAX)
        if not greeting.startswith(b"INFO ") or json.loads(greeting[5:])["server_name"] != name:
            return False
        options = {"user": USER, "pass": password, "verbose": False, "pedantic": False}
        stream.write(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        stream.write(f"SUB {PROBE_INBOX} 1\r\nPUB $JS.API.INFO {PROBE_INBOX} 0\r\n\r\n".encode())
        stream.flush()
        header = stream.readline(PROBE_BYTES_MAX)
        if not header.startswith(b"MSG "):
            return False
        answer = json.loads(stream.readline(PROBE_BYTES_MAX))
        return "error" not in answer
