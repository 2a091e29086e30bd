"""The journal in files: append-only segments in the node's folder.

    <folder>/lock                    held by flock as long as the agent runs: one process a node
    <folder>/journal-00000007.log    the current segment; the one before it only until it is durable

    append ──► write(2) to the current segment        survives kill -9
    sync   ──► one fdatasync in a worker thread       survives loss of power
    segment full ──► the next one begins with all that is live (Compacted …), and once it is
                     durable the older ones are deleted

So the size is bounded by what is live (the core stops taking more at a limit) and two segments. A
segment that is not durable may be missing or torn after a crash: then the one before it is complete
and still there. At a start the newest segment with an intact beginning is read, its torn tail is
said and left behind, and a new segment is begun at once.
"""

import asyncio
import fcntl
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from events.errors import Unavailable
from events.limits import SEGMENT_BYTES
from node_agent.errors import JournalDamaged, NodeTaken
from node_agent.frames import batched, frame, read_segment
from node_agent.journal import Ledger, Live, Record

COMPACTED_PER_FRAME = 32
"""Live records in one frame at the beginning of a segment; so a frame stays far below its limit."""

log = logging.getLogger("dalsegno.journal")


class FileJournal:
    """Implements `JournalPort`. `open` reads what is live and begins a new segment."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._ledger = Ledger()
        self._lock: IO[str] | None = None
        # Of its own: handlers may use up all threads of the loop, and reports must still get out.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._fd = -1
        self._number = 0
        self._size = 0
        self._base = 0
        self._synced = 0
        self._superseded: list[Path] = []
        self._retired: list[int] = []

    def open(self) -> tuple[Live, ...]:
        """Returns what was live when the last agent ended.

        Raises `NodeTaken` when another one runs on the folder, `JournalDamaged`, and `Unavailable`
        when the folder cannot be used.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            segments = sorted(self._folder.glob("journal-*.log"))
            self._recover(segments)
            self._superseded = segments
            self._begin_segment()
            self._flush(self._fd, self._superseded)
            _sync_folder(self._folder)
            _sync_folder(self._folder.parent)
        except OSError as error:
            self.close()
            raise Unavailable(f"the journal in {self._folder} cannot be used: {error}") from error
        except (NodeTaken, JournalDamaged):
            self.close()
            raise
        self._superseded = []
        self._synced = self._size
        return tuple(self._ledger.live.values())

    def append(self, records: tuple[Record, ...]) -> None:
        if not records:
            return
        self._ledger.extend(records)
        try:
            if self._size - self._base >= max(self._segment_bytes, self._base):
                self._begin_segment()
            else:
                self._write(frame(records, self._synced))
        except OSError as error:
            raise self._broken(error) from error

    async def sync(self) -> None:
        fd, size, number = self._fd, self._size, self._number
        superseded, self._superseded = self._superseded, []
        retired, self._retired = self._retired, []
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._flush, fd, superseded)
        except OSError as error:
            raise self._broken(error) from error
        finally:
            for old in retired:
                os.close(old)
        if number == self._number:
            self._synced = max(self._synced, size)

    def close(self) -> None:
        self._thread.shutdown()
        for fd in (*self._retired, self._fd):
            if fd >= 0:
                os.close(fd)
        self._fd = -1
        self._retired = []
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def bytes_used(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("journal-*.log"))

    # -- inside -----------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        path = self._folder / "lock"
        self._lock = path.open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            raise NodeTaken(
                f"{self._folder} is in use by the agent with process id {holder}: one agent a "
                "node; stop that one, or give this one another --node or --data-dir"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()

    def _recover(self, segments: list[Path]) -> None:
        """Reads the newest segment that begins as it should; a newer one was never durable."""
        for path in reversed(segments):
            self._number = max(self._number, _number_of(path))
            data = path.read_bytes()
            segment = read_segment(data, str(path))
            if segment.begins_whole:
                _say_what_is_torn(path, segment.length, len(data))
                for records in segment.frames:
                    self._ledger.extend(records)
                return
        if segments:
            raise JournalDamaged(
                f"no segment in {self._folder} has an intact beginning: the disk or somebody "
                "changed them; move the folder away and start again, then attempts that this node "
                "had finished may be executed once more"
            )

    def _begin_segment(self) -> None:
        """The next segment, beginning with what is live; the present one is superseded by it."""
        if self._fd >= 0:
            self._retired.append(self._fd)
            self._superseded.append(self._path(self._number))
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path(self._number), flags, 0o600)
        self._size = 0
        self._synced = 0
        for records in batched(self._ledger.compacted(), COMPACTED_PER_FRAME):
            self._write(frame(records, 0))
        self._base = self._size

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size += len(data)

    def _flush(self, fd: int, superseded: list[Path]) -> None:
        """In a worker thread: durable first, and only then are older segments deleted."""
        os.fdatasync(fd)
        if superseded:
            _sync_folder(self._folder)
            for path in superseded:
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"journal-{number:08}.log"

    def _broken(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"the journal in {self._folder} cannot be written: {error.strerror or error}; the "
            "agent stops, because it could not keep what it promises"
        )


def _say_what_is_torn(path: Path, whole: int, size: int) -> None:
    if whole < size:
        log.warning(
            "%s is torn at byte %d: its last %d bytes are left behind, as after a crash; what "
            "they said is asked for, and done, again",
            path,
            whole,
            size - whole,
        )


def _number_of(path: Path) -> int:
    digits = path.stem.removeprefix("journal-")
    return int(digits) if digits.isdigit() else 0


def _sync_folder(path: Path) -> None:
    """Makes the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
