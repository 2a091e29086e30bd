"""What an embedded Postgres and an embedded NATS have in common: their life.

    new ──start()──► starting ──wait_ready()──► ready ──halt(), kill9()──► down ──start()──► …
                                                  └────────stop()────────► ended, may begin anew

- `start` returns at once, so that two servers get ready side by side.
- A free port that somebody else takes between its choice and its use is chosen again. Once the
  server has been ready, its port stays until `stop`, so that clients find it again; and with a
  folder that was given it is the first choice of the next time.
- A start that fails, for whatever reason, ends everything before the error is raised.
- `halt` and `kill9` keep folder, port and guard; `stop` keeps only a data folder that was given.
"""

import os
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from orchestrator.adapters.embedded.binaries import Binaries
from orchestrator.adapters.embedded.handle import Command, GuardHandle
from orchestrator.adapters.embedded.home import Home, prepare_home
from orchestrator.adapters.embedded.ports import PORTS, free_port, is_free, require_free
from orchestrator.errors import InvariantViolation, Unavailable

READY_TIMEOUT_S = 60.0
POLL_S = 0.005
PORT_ROUNDS = 5
LOG_LINES_SHOWN = 15
PORT_FILE = "port"
PORT_TAKEN = "address already in use"


class Recipe(Protocol):
    """What one kind of server differs in from another."""

    kind: str
    owned_name: str

    def find_binaries(self) -> Binaries: ...

    def first_command(self, home: Home) -> Command | None:
        """A command that has to succeed before the server can run; None: nothing to do."""

    def first_done(self, home: Home) -> None: ...

    def server_command(self, home: Home, port: int) -> Command:
        """Write the configuration and say how the server is run."""

    def answers(self, home: Home, port: int, pid: int) -> bool:
        """Whether the process that we started serves clients now."""


class EmbeddedServer:
    """One server process with its guard; see the module's text for its states."""

    def __init__(self, recipe: Recipe, folder: Path | None, port: int | None) -> None:
        self._recipe = recipe
        self._folder = folder
        self._wanted_port = port
        self._guard: GuardHandle | None = None
        self._home: Home | None = None
        self._command: Command | None = None
        self._port: int | None = None
        self._pid: int | None = None
        self._is_preparing = False
        self._was_ready = False
        self._log_start = 0

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to start; returns before the server is ready.

        Raises:
            Misconfigured: programs, port or folder are not usable; the message says which and why.
            Unavailable: the guard could not be used.
        """
        if self._pid is not None and self._opened_guard().wait(0.0) is None:
            raise InvariantViolation(f"the embedded {self._recipe.kind} server is started twice")
        try:
            if self._guard is None:
                self._open()
            self._check_port()
            first = self._recipe.first_command(self._opened_home())
            self._is_preparing = first is not None
            if first is None:
                self._launch()
            else:
                self._run(first)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when the server serves clients.

        Raises:
            Unavailable: it ended, or is not ready after `timeout_s` seconds; with the log's end.
        """
        deadline = time.monotonic() + timeout_s
        try:
            if self._is_preparing:
                self._finish_first(deadline)
                self._launch()
            for _ in range(PORT_ROUNDS):
                if self._becomes_ready(deadline):
                    self._was_ready = True
                    self._opened_home().write(PORT_FILE, str(self.port))
                    return
                self._launch()
            raise self._failure("found its port taken again and again")
        except BaseException:
            self.stop()
            raise

    def halt(self) -> None:
        """End the server process in good order; folder, port and guard stay for `start`."""
        self._opened_guard().stop(self._running_command())
        self._pid = None

    def kill9(self) -> None:
        """SIGKILL the server and all its processes at once; returns when they are gone."""
        self._opened_guard().kill()
        self._pid = None

    def restart(self) -> None:
        """Halt and start again, with the same folder and port; returns when it is ready."""
        self.halt()
        self.start()
        self.wait_ready()

    def stop(self) -> None:
        """End everything; removes the folder if it was temporary. Safe to call at any time."""
        guard, command = self._guard, self._command
        self._guard = self._home = self._command = self._port = self._pid = None
        self._was_ready = False
        if guard is not None:
            guard.end(command)

    # ------------------------------------------------------------------ views

    @property
    def port(self) -> int:
        if self._port is None:
            raise self._not_started()
        return self._port

    @property
    def pid(self) -> int:
        """The server's main process."""
        if self._pid is None:
            raise self._not_started()
        return self._pid

    @property
    def guard_pid(self) -> int:
        return self._opened_guard().pid

    @property
    def home(self) -> Path:
        """The folder with secret, configuration, log and data."""
        return self._opened_home().path

    @property
    def log_path(self) -> Path:
        return self._opened_home().log_path

    @property
    def source(self) -> str:
        """Where the programs come from, for people."""
        return self._opened_home().binaries.source

    # ------------------------------------------------------------------ steps

    def _open(self) -> None:
        recipe, binaries = self._recipe, self._recipe.find_binaries()
        self._guard = GuardHandle()
        self._home = prepare_home(
            self._guard, recipe.kind, self._folder, recipe.owned_name, binaries
        )

    def _launch(self) -> None:
        if not self._port_is_fixed():
            self._port = self._port_of_before() or free_port()
        self._run(self._recipe.server_command(self._opened_home(), self.port))

    def _check_port(self) -> None:
        if self._wanted_port is not None:
            self._port = self._wanted_port
        if self._port_is_fixed():
            kind = self._recipe.kind
            require_free(self.port, f"the embedded {kind} server", f"{kind} port")

    def _port_of_before(self) -> int | None:
        """That of the last time, when nobody has it: whoever follows finds the server again."""
        path = self._opened_home().path / PORT_FILE
        text = path.read_text(errors="replace") if path.exists() else ""
        port = int(text) if text.isascii() and text.isdigit() else 0
        return port if port in PORTS and is_free(port) else None

    def _port_is_fixed(self) -> bool:
        return self._was_ready or self._wanted_port is not None

    def _run(self, command: Command) -> None:
        self._log_start = command.log.stat().st_size if command.log.exists() else 0
        self._command = command
        self._pid = self._opened_guard().run(command, self._opened_home().account)

    def _finish_first(self, deadline: float) -> None:
        code = self._opened_guard().wait(max(0.0, deadline - time.monotonic()))
        if code != 0:
            raise self._failure("could not be prepared" if code is not None else "took too long")
        self._recipe.first_done(self._opened_home())
        self._is_preparing = False

    def _becomes_ready(self, deadline: float) -> bool:
        """True when it is ready; false when its port was taken and another one may be tried."""
        guard = self._opened_guard()
        while not self._recipe.answers(self._opened_home(), self.port, self.pid):
            code = guard.wait(POLL_S)
            if code is not None:
                if PORT_TAKEN in self._log_of_this_run().lower() and not self._port_is_fixed():
                    return False
                raise self._failure(f"ended with code {code} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure("is not ready in time")
        return True

    def _failure(self, what: str) -> Unavailable:
        lines = deque(self._log_of_this_run().splitlines(), LOG_LINES_SHOWN)
        return Unavailable(
            f"the embedded {self._recipe.kind} server {what}. The end of its log "
            f"({self.log_path}):\n" + ("\n".join(f"  {line}" for line in lines) or "  (empty)")
        )

    def _log_of_this_run(self) -> str:
        with self.log_path.open("rb") as log:
            # A log set aside when it had grown too long begins again at 0.
            log.seek(self._log_start if self._log_start <= os.fstat(log.fileno()).st_size else 0)
            return log.read().decode(errors="replace")

    def _opened_home(self) -> Home:
        if self._home is None:
            raise self._not_started()
        return self._home

    def _opened_guard(self) -> GuardHandle:
        if self._guard is None:
            raise self._not_started()
        return self._guard

    def _running_command(self) -> Command:
        if self._command is None:
            raise self._not_started()
        return self._command

    def _not_started(self) -> InvariantViolation:
        return InvariantViolation(
            f"the embedded {self._recipe.kind} server is used before it is started"
        )
