"""What the agent needs of the host to run programs: the port."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec


class Job(msgspec.Struct, frozen=True):
    """A program to run in a process group of its own. `line` takes each line of its stderr;
    `is_cancelled` is asked several times a second, and once true the group is ended.
    """

    command: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str]
    line: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    output_bytes_max: int


class Finished(msgspec.Struct, frozen=True):
    """How it ended. `exit_code` is -n after signal n. `output` is cut off when `is_too_large`."""

    exit_code: int
    output: bytes
    is_too_large: bool = False
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None


class ProcessRunner(Protocol):
    def run(self, job: Job) -> Finished:
        """Blocks until the program has ended and nothing of its group is left.

        Raises `OSError` when it cannot be started. Whatever happens to this process, the group does
        not outlive it.
        """

    def close(self) -> None: ...
