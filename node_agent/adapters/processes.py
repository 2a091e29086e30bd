"""Programs as process groups of the host, and their warden.

Guarantee: no process of a task outlives its execution, nor the agent, even when that is killed -9.

    agent ── Popen(own session) ──► program ── fork ──► its children
      │ stdin (its end means the agent is gone)
      └──────────────────────────► warden

- The program ends, or is cancelled: what is left of its group is killed before it is reaped, so the
  number cannot have passed to somebody else.
- The agent is gone: the warden kills every process that carries the agent's mark in its
  environment, also those that left the group.
- The warden is killed: the next program gets a new one.

The kernel's own death signal would need code between fork and exec, which is not safe in a process
with threads, and would not reach grandchildren.
"""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from resource import RUSAGE_SELF, getrusage, struct_rusage

from events.limits import STDERR_LINE_BYTES_MAX
from node_agent.executors.processes import Finished, Job

MARK = "DALSEGNO_AGENT_MARK"
LOOK_S = 0.05
PIPES_CLOSE_S = 0.5
CHUNK_BYTES = 65_536
WARDEN = Path(__file__).with_name("warden.py")


class HostProcesses:
    """Implements `ProcessRunner`. `mark` must be unique to this agent process."""

    def __init__(self, mark: str, environment: Mapping[str, str], stop_grace_s: float) -> None:
        self._mark = f"{MARK}={mark}"
        self._environment = dict(environment)
        self._stop_grace_s = stop_grace_s
        self._warden: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self, job: Job) -> Finished:
        self._ensure_warden()
        name, _, mark = self._mark.partition("=")
        environment = self._environment | dict(job.environment) | {name: mark}
        process = subprocess.Popen(
            job.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        watch = _Watch(process, job, self._stop_grace_s)
        try:
            return watch.finish()
        finally:
            watch.close()

    def close(self) -> None:
        """Ends the warden; nothing of a task is left by then."""
        with self._lock:
            warden, self._warden = self._warden, None
        if warden is not None and warden.stdin is not None:
            warden.stdin.close()
            warden.wait()

    def _ensure_warden(self) -> None:
        with self._lock:
            if self._warden is not None and self._warden.poll() is None:
                return
            if self._warden is not None and self._warden.stdin is not None:
                self._warden.stdin.close()
            self._warden = subprocess.Popen(
                [sys.executable, "-I", "-S", str(WARDEN), self._mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )


class _Watch:
    """One program, from its start to its end: feeds its stdin, reads its output, kills its
    group.
    """

    def __init__(self, process: subprocess.Popen[bytes], job: Job, stop_grace_s: float) -> None:
        self._process = process
        self._job = job
        self._stop_grace_s = stop_grace_s
        self._selector = selectors.DefaultSelector()
        self._unsent = memoryview(job.stdin)
        self._output = bytearray()
        self._is_too_large = False
        self._line = bytearray()
        self._kill_at: float | None = None
        self._memory_peak_bytes = 0
        self._own_peak_bytes = getrusage(RUSAGE_SELF).ru_maxrss * 1024
        pipes = (
            (process.stdin, selectors.EVENT_WRITE, self._write),
            (process.stdout, selectors.EVENT_READ, self._read_output),
            (process.stderr, selectors.EVENT_READ, self._read_lines),
        )
        for pipe, kind, act in pipes:
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe.fileno(), kind, act)
        self._exit_fd = _exit_fd(process.pid)
        if self._exit_fd is not None:
            self._selector.register(self._exit_fd, selectors.EVENT_READ, self._selector.unregister)

    def finish(self) -> Finished:
        while not self._has_exited():
            self._look()
        self._kill(signal.SIGKILL)  # what is left of the group, while its number is still ours
        self._drain()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Finished(
            exit_code=self._process.returncode,
            output=bytes(self._output),
            is_too_large=self._is_too_large,
            cpu_s=usage.ru_utime + usage.ru_stime,
            memory_peak_bytes=self._peak(usage),
        )

    def close(self) -> None:
        if self._process.returncode is None:
            self._kill(signal.SIGKILL)
            self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

        if self._exit_fd is not None:
            os.close(self._exit_fd)

    @property
    def _is_open(self) -> bool:
        return bool(self._selector.get_map())

    def _look(self) -> None:
        """Moves bytes, measures, and ends the group when it has to."""
        if self._is_open:
            for key, _ in self._selector.select(LOOK_S):
                key.data(key.fd)
        else:
            time.sleep(LOOK_S)
        self._measure()
        if self._kill_at is None and self._job.is_cancelled():
            self._kill_at = time.monotonic() + self._stop_grace_s
            self._kill(signal.SIGTERM)
        elif self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill(signal.SIGKILL)

    def _has_exited(self) -> bool:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, options) is not None

    def _drain(self) -> None:
        """Reads what the program has left in its pipes."""
        until = time.monotonic() + PIPES_CLOSE_S
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._selector.unregister(self._process.stdin.fileno())
        while self._is_open and time.monotonic() < until:
            for key, _ in self._selector.select(LOOK_S):
                key.data(key.fd)
        if self._line:
            self._say(bytes(self._line))

    def _write(self, fd: int) -> None:
        try:
            self._unsent = self._unsent[os.write(fd, self._unsent[:CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = memoryview(b"")  # it does not read its inputs, which is its own business
        if not self._unsent and self._process.stdin is not None:
            self._selector.unregister(fd)
            with suppress(OSError):
                self._process.stdin.close()

    def _read_output(self, fd: int) -> None:
        chunk = self._read(fd)
        room = self._job.output_bytes_max - len(self._output)
        self._output += chunk[:room]
        self._is_too_large = self._is_too_large or len(chunk) > room

    def _read_lines(self, fd: int) -> None:
        self._line += self._read(fd)
        *lines, rest = self._line.split(b"\n")
        for line in lines:
            self._say(bytes(line))
        while len(rest) > STDERR_LINE_BYTES_MAX:
            self._say(bytes(rest[:STDERR_LINE_BYTES_MAX]))
            rest = rest[STDERR_LINE_BYTES_MAX:]
        self._line = rest

    def _read(self, fd: int) -> bytes:
        try:
            chunk = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not chunk:
            self._selector.unregister(fd)
        return chunk

    def _say(self, line: bytes) -> None:
        for at in range(0, len(line) or 1, STDERR_LINE_BYTES_MAX):
            piece = line[at : at + STDERR_LINE_BYTES_MAX]
            self._job.line(piece.decode(errors="replace").rstrip("\r"))

    def _kill(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _measure(self) -> None:
        """Notes the program's largest resident size so far, where the host tells it."""
        with suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            peak = int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024
            self._memory_peak_bytes = max(self._memory_peak_bytes, peak)

    def _peak(self, usage: struct_rusage) -> int | None:
        """A program inherits the agent's own peak when it is started, so that the kernel's figure
        means something only above it; below, the largest that was seen is the best there is.
        """
        told = usage.ru_maxrss * 1024
        return told if told > self._own_peak_bytes else self._memory_peak_bytes or None


def _exit_fd(process: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is none."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None
