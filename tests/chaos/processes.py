"""Coordinators and agents as processes of ours: started here, ended by their ids, and gone with us.

A process of its own session is out of reach of the terminal's Ctrl-C, and the kernel kills it when
the thread that started it ends: so they are started by the main thread only.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1
END_WAIT_S = 60.0
TERM_WAIT_S = 45.0


class Program(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]


class Processes:
    """Programs by name, of each at most one process."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.programs: dict[str, Program] = {}
        self.ends: list[tuple[str, int]] = []
        """Names and exit codes of those that ended unasked."""

    def declare(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        command = (sys.executable, "-m", *argv)
        self.programs[name] = Program(name=name, argv=command, environment=environment)

    def start(self, name: str) -> None:
        program = self.programs[name]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                program.argv,
                cwd=ROOT,
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509 -- the main thread forks
            )

    def is_running(self, name: str) -> bool:
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def send(self, name: str, number: signal.Signals) -> None:
        if (process := self._running.get(name)) is not None:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def kill(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(END_WAIT_S)

    def ask_to_end(self, name: str) -> Callable[[], int | None]:
        """SIGTERM; returns what waits for the end and gives the exit code, None after a kill."""
        process = self._running.pop(name, None)
        if process is None:
            return lambda: 0
        process.terminate()
        return lambda: _code_of(process)

    def start_again(self) -> list[str]:
        """Starts what ended by itself, as a supervisor does; returns the names."""
        ended = [name for name, process in self._running.items() if process.poll() is not None]
        for name in ended:
            self.ends.append((name, self._running[name].returncode))
            self.start(name)
        return ended

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait(END_WAIT_S)
        self._running.clear()


def _code_of(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(TERM_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_WAIT_S)
        return None


def _dies_with(parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL.value, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec
