"""A local cluster: coordinator and agents as child processes of this one, over given servers.

No child outlives this process, even when it is killed -9: each gets the kernel's parent-death
signal, which is sent when the *thread* that started it ends. So children are started from the main
thread only.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from events.errors import Unavailable

STOP_S = 10.0
LOG_END_CHARS = 2000


class Child(msgspec.Struct):
    """A child process: what it was started with, so that it can be started again."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes]


class Local:
    """Starts, kills and stops child processes by name; logs go to one file each in `folder`."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, stop_s: float = STOP_S
    ) -> None:
        """`stop_s`: time for each to end in good order; 0 kills them, when nothing is kept."""
        self._folder = folder
        self._environment = dict(environment)
        self._stop_s = stop_s
        self._children: dict[str, Child] = {}

    def start(self, name: str, module: Sequence[str]) -> int:
        """Starts `python -m <module…>` as `name`; returns its process id."""
        return self._launch(name, (sys.executable, "-m", *module))

    def start_again(self, name: str) -> int:
        return self._launch(name, self._children[name].command)

    def _launch(self, name: str, command: tuple[str, ...]) -> int:
        with self.log_path(name).open("ab") as log:
            process = self._spawn(command, log)
        self._children[name] = Child(name, command, process)
        return process.pid

    def _spawn(self, command: tuple[str, ...], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", STARTER, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environment,
            start_new_session=True,
        )

    def log_path(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def log_end(self, name: str) -> str:
        """The last of what a child said."""
        text = self.log_path(name).read_text(errors="replace").strip()
        return text[-LOG_END_CHARS:]

    def pid(self, name: str) -> int:
        return self._children[name].process.pid

    def names(self) -> list[str]:
        return list(self._children)

    def kill(self, name: str) -> None:
        """SIGKILL, and waits until it is gone."""
        process = self._children[name].process
        process.kill()
        process.wait(STOP_S)

    def ended(self) -> list[tuple[str, int]]:
        """Children that are not running any more, with their exit codes."""
        codes = ((child.name, child.process.poll()) for child in self._children.values())
        return [(name, code) for name, code in codes if code is not None]

    def check(self) -> None:
        """Raises `Unavailable` with the end of its log when a child has ended."""
        for name, code in self.ended():
            raise Unavailable(f"{name} ended with exit code {code}: {self.log_end(name)}")

    def stop(self) -> None:
        """SIGTERM, the first started last; SIGKILL to what does not end in time."""
        children = list(self._children.values())
        stop_all(children[1:], self._stop_s)
        stop_all(children[:1], self._stop_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def stop_all(children: Sequence[Child], grace_s: float) -> None:
    processes = [child.process for child in children if child.process.poll() is None]
    for process in processes:
        process.send_signal(signal.SIGTERM if grace_s else signal.SIGKILL)
    for process in processes:
        try:
            process.wait(grace_s or STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


STARTER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks for the death signal in the child itself: code between fork and exec would not be safe."""
