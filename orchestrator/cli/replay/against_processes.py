"""The processes of `dalsegno replay --against`: one a job, followed by a thread each.

They are no part of our process group, so that Ctrl-C reaches us alone, and we end them. One that
is killed (for want of memory, mostly) leaves the runs that it has not told of to another; if that
one is killed, too, they are told as unknown, so that they do not keep the others from being told.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Lock
from typing import BinaryIO

import msgspec

from events.errors import BY_CODE, InvariantViolation
from orchestrator.cli.replay.against_worker import Job
from orchestrator.replay.what_if.verdicts import Verdict

COMMAND = (sys.executable, "-m", "orchestrator.cli.replay.against_worker")
TRIES = 2
Process = subprocess.Popen[bytes]


def in_processes(jobs: Sequence[Job], done: Callable[[Verdict], None]) -> list[Verdict]:
    """What came of all jobs, in no order. Raises what one of them has told."""
    return _Processes(done).all(jobs)


class _Processes:
    def __init__(self, done: Callable[[Verdict], None]) -> None:
        self._done = done
        self._lock = Lock()
        self._found: list[Verdict] = []
        self._living: set[Process] = set()
        self._is_over = False

    def all(self, jobs: Sequence[Job]) -> list[Verdict]:
        with ThreadPoolExecutor(len(jobs)) as threads:
            try:
                for one in as_completed([threads.submit(self._follow, job) for job in jobs]):
                    one.result()
            finally:
                self._end()
        return self._found

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            for process in self._living:
                process.kill()

    def _follow(self, job: Job) -> None:
        left, status = dict.fromkeys(job.run_ids), 0
        for _ in range(TRIES):
            for one in self._told(msgspec.structs.replace(job, run_ids=tuple(left))):
                if isinstance(one, int):
                    status = one
                else:
                    del left[one.run_id]
                    self._take(one)
            if not left or self._is_over:
                return
        for run_id in left:
            self._take(_unknown(run_id, status))

    def _take(self, one: Verdict) -> None:
        with self._lock:
            self._found.append(one)
            self._done(one)

    def _told(self, job: Job) -> Iterator[Verdict | int]:
        """The verdicts of a process, and how it ended. Raises what it has told that keeps it from
        its work."""
        with TemporaryFile() as said, self._started(said) as process:
            if process.stdin is None or process.stdout is None:
                raise InvariantViolation("a process was started without its pipes")
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(msgspec.json.encode(job))
            for line in process.stdout:
                if line.endswith(b"\n"):
                    yield msgspec.json.decode(line, type=Verdict)
            status = process.wait()
            with self._lock:
                self._living.discard(process)
            if status > 0:
                said.seek(0)
                _raise(said.read().decode(errors="replace").strip())
            yield status

    def _started(self, said: BinaryIO) -> Process:
        with self._lock:
            if self._is_over:
                raise InterruptedError
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                COMMAND, stdin=pipe, stdout=pipe, stderr=said, process_group=0
            )
            self._living.add(process)
            return process


def _unknown(run_id: str, status: int) -> Verdict:
    name = signal.Signals(-status).name if status < 0 else str(status)
    why = f"the process that played it was ended by {name}, twice: is there too little memory?"
    return Verdict(run_id=run_id, outcome="unknown", why=why, doubtful=True)


def _raise(said: str) -> None:
    code, _, message = said.rpartition("\n")[2].partition(": ")
    raise BY_CODE.get(code, InvariantViolation)(message or said)
