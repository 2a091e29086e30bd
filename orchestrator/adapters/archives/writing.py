"""Writing an archive: run by run, durable under its name only when it is whole."""

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from struct import pack

import msgspec
import zstandard

from events.errors import Unavailable
from orchestrator.replay.retention.archives import ArchivedRun, Head, Manifest, Trailer

LEVEL = 9
TRAILER_BYTES = 248
SKIPPED = 0x184D2A50
"""Magic of a zstd frame that whoever decompresses passes over."""
SUFFIX = ".dalsegno.zst"


class ArchiveWriter:
    """Close it in any case; `finish` before, or nothing stays.

    Raises `Unavailable` when the folder cannot be written to, or has such a file.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self._new = path.with_name(f"{path.name}.new")
        self._head = head
        self._runs: list[ArchivedRun] = []
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._payloads = 0
        try:
            if path.exists():
                raise FileExistsError(17, "there is such a file")
            self._file = self._new.open("wb")
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
        self._frame([msgspec.json.encode(head) + b"\n"])

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def add(self, run: ArchivedRun, lines: Iterable[bytes]) -> None:
        """A run with the lines of its events and stored values."""
        first = msgspec.json.encode(run) + b"\n"
        place = self._frame(_chained(first, lines))
        self._payloads += run.payloads
        self._runs.append(
            msgspec.structs.replace(
                run, offset=place.offset, bytes=place.bytes, sha256=place.sha256
            )
        )

    def finish(self) -> Manifest:
        """Makes the file durable under its name. Raises `Unavailable`."""
        manifest = Manifest(
            head=self._head,
            runs=tuple(self._runs),
            events=sum(run.events for run in self._runs),
            payloads=self._payloads,
        )
        trailer = msgspec.json.encode(self._frame([msgspec.json.encode(manifest) + b"\n"]))
        try:
            self._file.write(pack("<II", SKIPPED, TRAILER_BYTES))
            self._file.write(trailer.ljust(TRAILER_BYTES))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._new.rename(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}") from error
        return manifest

    def _frame(self, lines: Iterable[bytes]) -> Trailer:
        """One compressed frame; where it is."""
        offset, digest, packing = self._file.tell(), sha256(), self._compressor.compressobj()
        try:
            for data in _compressed(packing, lines):
                digest.update(data)
                self._file.write(data)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}") from error
        size = self._file.tell() - offset
        return Trailer(offset=offset, bytes=size, sha256=digest.hexdigest())

    def close(self) -> None:
        """Nothing stays of a file that was not finished."""
        self._file.close()
        self._new.unlink(missing_ok=True)


def _compressed(packing: "zstandard.ZstdCompressionObj", lines: Iterable[bytes]) -> Iterable[bytes]:
    for line in lines:
        yield packing.compress(line)
    yield packing.flush()


def _chained(first: bytes, lines: Iterable[bytes]) -> Iterable[bytes]:
    yield first
    yield from lines


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
