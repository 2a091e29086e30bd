"""The parent's side of the guard (see `guard.py`): one request, one answer, with a time limit."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from events.limits import SERVER_LOG_BYTES_MAX
from orchestrator.adapters.embedded.account import Account
from orchestrator.errors import InvariantViolation, Misconfigured, Unavailable

Present = TypeVar("Present")

GUARD_SCRIPT = Path(__file__).with_name("guard.py")
ANSWER_TIMEOUT_S = 15.0
CLAIM_WAIT_S = 10.0  # a former owner of the folder may still be shutting down

# What the servers see of the environment: nothing of ours, messages in English, times in UTC.
SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A server process, and how it is told to go: signals, each with its grace in seconds.

    `farewell` is for a server that will start again, `last_farewell` for the end of everything. The
    pid file is Postgres' own (see `clear_shared_memory` of the guard).
    """

    argv: tuple[str, ...]
    log: Path
    death_signal: int
    farewell: tuple[tuple[int, float], ...]
    last_farewell: tuple[tuple[int, float], ...]
    pid_file: Path | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    error: str | None = None
    path: str | None = None
    pid: int | None = None
    code: int | None = None


class GuardHandle:
    """Starts a guard and talks to it. Not for use by several threads at once."""

    def __init__(self) -> None:
        self._asked = 0
        self._received = b""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(GUARD_SCRIPT), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            # Out of reach of the terminal's Ctrl-C: the parent decides in which order things end.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def make_temporary(self, root: Path, prefix: str, mode: int) -> Path:
        """Make a folder that the guard removes at its end."""
        answer = self._ask({"do": "temporary", "root": str(root), "prefix": prefix, "mode": mode})
        return Path(required(answer.path))

    def claim(self, folder: Path, wait_s: float = CLAIM_WAIT_S) -> None:
        """Hold a data folder for as long as the guard or a server process of it lives.

        Raises:
            Misconfigured: another process holds it.
        """
        request = {"do": "claim", "folder": str(folder), "wait_s": wait_s}
        try:
            self._ask(request, ANSWER_TIMEOUT_S + wait_s)
        except Unavailable as error:
            raise Misconfigured(
                f"the data folder {folder} cannot be taken: {error}; "
                "stop what uses it, or give another data folder"
            ) from error

    def run(self, command: Command, account: Account | None) -> int:
        """Start a process; returns its pid."""
        answer = self._ask(
            {
                "do": "run",
                "argv": command.argv,
                "environment": SERVER_ENVIRONMENT,
                "account": None if account is None else (account.uid, account.gid),
                "log": str(command.log),
                "log_bytes_max": SERVER_LOG_BYTES_MAX,
                "death_signal": command.death_signal,
                "farewell": command.last_farewell,
                "pid_file": None if command.pid_file is None else str(command.pid_file),
            }
        )
        return required(answer.pid)

    def wait(self, timeout_s: float) -> int | None:
        """The exit code of the process, None if it still runs after `timeout_s` seconds."""
        return self._ask({"do": "wait", "timeout_s": timeout_s}, ANSWER_TIMEOUT_S + timeout_s).code

    def stop(self, command: Command) -> None:
        """End the process as its farewell says, then by force; returns when all of it is gone."""
        request: dict[str, object] = {"do": "stop", "farewell": command.farewell}
        self._ask(request, ANSWER_TIMEOUT_S + total_s(command.farewell))

    def kill(self) -> None:
        """kill -9 of the process and of all that it started; returns when they are gone."""
        self._ask({"do": "kill"})

    def end(self, command: Command | None) -> None:
        """End the process, the temporary folder and the guard itself."""
        farewell_s = 0.0 if command is None else total_s(command.last_farewell)
        pipe_in, pipe_out = self._pipes()
        pipe_in.close()
        try:
            self._process.wait(ANSWER_TIMEOUT_S + farewell_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        pipe_out.close()

    def _ask(self, request: dict[str, object], timeout_s: float = ANSWER_TIMEOUT_S) -> Answer:
        pipe_in, pipe_out = self._pipes()
        self._asked += 1
        try:
            pipe_in.write(msgspec.json.encode({"id": self._asked, **request}) + b"\n")
        except BrokenPipeError as error:
            raise self._gone() from error
        deadline = time.monotonic() + timeout_s
        answer = self._read_answer(pipe_out.fileno(), deadline)
        while answer.id != self._asked:  # to a request whose wait was interrupted
            answer = self._read_answer(pipe_out.fileno(), deadline)
        if answer.error is not None:
            raise Unavailable(answer.error)
        return answer

    def _read_answer(self, descriptor: int, deadline: float) -> Answer:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._received:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise Unavailable(
                    f"the guard process {self.pid} did not answer in time; start again"
                )
            chunk = os.read(descriptor, 4096)
            if not chunk:
                raise self._gone()
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return msgspec.json.decode(line, type=Answer)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        return required(self._process.stdin), required(self._process.stdout)

    def _gone(self) -> Unavailable:
        return Unavailable(f"the guard process {self.pid} was ended by somebody; start again")


def total_s(farewell: tuple[tuple[int, float], ...]) -> float:
    return sum(grace_s for _, grace_s in farewell)


def required(value: Present | None) -> Present:
    if value is None:
        raise InvariantViolation("the guard's answer lacks the field that its request asks for")
    return value
