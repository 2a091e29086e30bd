"""Where the main thread of this process spends its processor time, sampled by itself.

The kernel's profiling timer ticks with the CPU time of the process, not with the clock: a process
that waits is not woken, and each sample stands for the same amount of CPU. The handler runs in the
main thread between two steps of the interpreter, so that C code counts for what called it.
(A thread that samples would see the main thread only where that lets go of the interpreter.)

Two signals from outside bound the time that is looked at:

    installed ──SIGUSR1──► sampling ──SIGUSR2──► written to the file, not sampling
"""

import signal
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType

import msgspec

BEGIN, END = signal.SIGUSR1, signal.SIGUSR2
EVERY_S = 0.005
UNKNOWN = "other"

RoomOf = Callable[[str], str | None]
"""The name under which the code of a module counts; None: that of whoever called it."""


class StackSampler:
    """Counts samples by room and writes `{room: count}` as JSON when it is told to end."""

    def __init__(self, path: Path, room_of: RoomOf) -> None:
        self._path = path
        self._room_of = cache(room_of)
        self._counts: Counter[str] = Counter()

    def install(self) -> None:
        """From the main thread, before the event loop begins."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(BEGIN, self._begin)
        signal.signal(END, self._end)

    def _begin(self, _number: int, _frame: FrameType | None) -> None:
        self._counts.clear()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        whole = self._path.with_suffix(".part")
        whole.write_bytes(msgspec.json.encode(self._counts))
        whole.rename(self._path)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        self._counts[innermost(frame, self._room_of)] += 1


def innermost(frame: FrameType | None, room_of: RoomOf) -> str:
    """The room of the innermost frame that has one."""
    while frame is not None:
        room = room_of(str(frame.f_globals.get("__name__", "")))
        if room is not None:
            return room
        frame = frame.f_back
    return UNKNOWN
