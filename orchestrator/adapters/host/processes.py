"""What processes have used so far, as the kernel counts it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

T = TypeVar("T", int, float)

NANOSECONDS = 1_000_000_000


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """Of one process since it began.

    `title`: its command line, which servers write anew to say what they do. `queued_s`: time in
    which it could have run and no core was free. What the kernel does not tell us is 0.
    """

    pid: int
    title: str
    cpu_s: float
    queued_s: float
    preempted: int
    written_bytes: int


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of all cores together since the machine began; `busy_s` does not count waiting for
    disks."""

    cores: int
    busy_s: float
    total_s: float


def machine() -> Machine:
    times = psutil.cpu_times()
    # The kernel counts the time of guests as user time already.
    counted = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
    return Machine(
        cores=psutil.cpu_count() or 1,
        busy_s=counted,
        total_s=counted + times.idle + times.iowait,
    )


def used(pid: int) -> Used | None:
    """What a process has used; None when it is gone."""
    try:
        process = psutil.Process(pid)
        return _used(process)
    except psutil.NoSuchProcess:
        return None


def used_by_children(pid: int) -> list[Used]:
    """The same of all that it started and that is still there."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return list(_present(used(child.pid) for child in children))


def _present(found: Iterable[Used | None]) -> Iterable[Used]:
    return (one for one in found if one is not None)


def _used(process: psutil.Process) -> Used:
    times = process.cpu_times()
    return Used(
        pid=process.pid,
        title=" ".join(process.cmdline()).strip(),
        cpu_s=times.user + times.system,
        queued_s=_queued_s(process.pid),
        preempted=process.num_ctx_switches().involuntary,
        written_bytes=_allowed(lambda: process.io_counters().write_bytes),
    )


def _allowed(ask: Callable[[], T]) -> T | int:
    try:
        return ask()
    except psutil.AccessDenied:
        return 0


def _queued_s(pid: int) -> float:
    """All threads; the second number of the scheduler's statistics is the wait for a core."""
    waits = (_queued_ns(task) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(waits) / NANOSECONDS


def _queued_ns(statistics: Path) -> int:
    try:
        return int(statistics.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0  # the thread has ended, or this kernel keeps no such statistics
