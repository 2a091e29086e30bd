"""A cursor: how far a follower has got, in a file that is whole at every instant.

    print a page ──► flush (a file: and sync) ──► write the new cursor beside ──► sync ──► rename

The cursor never says more than was written. With an output file it also says how long that file was
then: whoever goes on cuts it to that length first, so in the file each event stands once, however
the follower ended. What goes to standard output cannot be taken back: after a kill the last page
may come again there, with the same log and position.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from events.codec import decode, encode
from events.errors import Corrupt, Misconfigured, Rejected
from events.limits import CONFIG_BYTES_MAX
from orchestrator.insight.following.filters import Filter
from orchestrator.insight.following.positions import Place

FORM = 1


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cursor says. `form` is that of this file; `output_bytes` of the output file."""

    form: int = FORM
    places: dict[str, Place]
    filter: Filter = Filter()
    output: str = ""
    output_bytes: int = 0


class CursorFile:
    """Used by one follower at a time; close it."""

    def __init__(self, path: Path) -> None:
        """Raises `Misconfigured` when it cannot be written, `Rejected` when another one has it."""
        self._path = path
        self._new = path.with_name(f"{path.name}.new")
        try:
            self._lock: IO[bytes] = path.with_name(f"{path.name}.lock").open("ab")
        except OSError as error:
            raise Misconfigured(f"cursor {path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise Rejected(
                f"cursor {path} is in use by another follower: end it, or give a cursor of its own"
            ) from None

    def load(self) -> Kept | None:
        """None before the first save. Raises `Corrupt` and `Misconfigured`."""
        try:
            if self._path.stat().st_size > CONFIG_BYTES_MAX:
                raise Corrupt(f"cursor {self._path} is no cursor: over {CONFIG_BYTES_MAX} bytes")
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Misconfigured(f"cursor {self._path} cannot be read: {error.strerror}") from None
        kept = decode(data, Kept, f"cursor {self._path}")
        if kept.form != FORM:
            raise Corrupt(f"cursor {self._path} has form {kept.form}, expected {FORM}")
        return kept

    def save(self, kept: Kept) -> None:
        """Raises `Misconfigured` when it cannot be written."""
        try:
            with self._new.open("wb") as file:
                file.write(encode(kept) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._new.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            said = error.strerror
            raise Misconfigured(f"cursor {self._path} cannot be written: {said}") from None

    def close(self) -> None:
        self._lock.close()


class OutputFile:
    """Events, a line each, behind what the cursor knows of; the rest is cut off when it is opened.
    So the cursor is saved for the first time before this is made.

    Raises `Misconfigured`, and `Corrupt` for a file that has less than the cursor knows of.
    """

    def __init__(self, path: Path, kept_bytes: int) -> None:
        self._path = path
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise Misconfigured(f"--output {path} cannot be written: {error.strerror}") from None
        if (found := os.fstat(self._file.fileno()).st_size) < kept_bytes:
            self._file.close()
            raise Corrupt(
                f"--output {path} has {found} bytes, the cursor knows of {kept_bytes}: it was "
                "changed; remove both to begin anew"
            )
        self._file.truncate(kept_bytes)
        self._file.seek(0, os.SEEK_END)

    def write(self, lines: bytes) -> int:
        """Returns how long the file is; the lines are on the disk then. Raises `Misconfigured`."""
        try:
            self._file.write(lines)
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            raise Misconfigured(
                f"--output {self._path} cannot be written: {error.strerror}"
            ) from None
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def require_none(path: Path) -> None:
    """Raises `Misconfigured` for an output file that is there before its cursor is."""
    if path.exists():
        raise Misconfigured(
            f"--output {path}: there is such a file, and the cursor knows nothing of it; "
            "remove it first"
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
