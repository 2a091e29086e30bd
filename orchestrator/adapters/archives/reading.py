"""Reading an archive: its manifest, and any run without the others."""

from hashlib import sha256
from pathlib import Path
from struct import unpack
from typing import TypeVar

import msgspec
import zstandard

from events.errors import Corrupt, Misconfigured
from orchestrator.adapters.archives.writing import SKIPPED, TRAILER_BYTES
from orchestrator.replay.retention.archives import (
    FORMAT,
    ArchivedRun,
    Manifest,
    RunFrame,
    Trailer,
    frame_of,
)

T = TypeVar("T")
END = 8 + TRAILER_BYTES


class ArchiveReader:
    """An archive's file. Raises `Misconfigured` when there is none, `Corrupt` when damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        trailer = self._trailer()
        self.digest = trailer.sha256
        """That of the manifest, which has those of all frames."""
        text = self._frame(trailer, "its list of runs")
        self.manifest = self._decoded(text, Manifest, "its list of runs")
        if self.manifest.head.archive != FORMAT:
            raise Corrupt(f"{path} is a {self.manifest.head.archive}: expected {FORMAT}")

    def find(self, run_id: str) -> ArchivedRun | None:
        return next((run for run in self.manifest.runs if run.run_id == run_id), None)

    def read(self, run: ArchivedRun) -> RunFrame:
        what = f"run {run.run_id}"
        place = Trailer(offset=run.offset, bytes=run.bytes, sha256=run.sha256)
        first, *lines = self._frame(place, what).splitlines()
        said = self._decoded(first, ArchivedRun, what)
        if said.run_id != run.run_id:
            raise Corrupt(f"{self.path}: {what} is damaged: run {said.run_id} is in its place")
        try:
            frame = frame_of(run, lines)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"{self.path}: {what} is damaged: {error}") from error
        if (len(frame.events) + len(frame.sources), len(frame.payloads)) != (
            run.events,
            run.payloads,
        ):
            raise Corrupt(f"{self.path}: {what} is damaged: it has not all events that it had")
        return frame

    def _trailer(self) -> Trailer:
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                file.seek(max(0, size - END))
                end = file.read(END)
        except OSError as error:
            raise Misconfigured(f"{self.path} cannot be read: {error.strerror}") from None
        if len(end) < END or unpack("<II", end[:8]) != (SKIPPED, TRAILER_BYTES):
            raise Corrupt(f"{self.path} has no end of an archive: it was cut short, or is none")
        return self._decoded(end[8:], Trailer, "its end")

    def _frame(self, place: Trailer, what: str) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(place.offset)
                data = file.read(place.bytes)
        except OSError as error:
            raise Misconfigured(f"{self.path} cannot be read: {error.strerror}") from None
        if sha256(data).hexdigest() != place.sha256:
            raise Corrupt(f"{self.path}: {what} is damaged: its bytes have another digest")
        try:
            plain = zstandard.ZstdDecompressor().decompressobj()
            return plain.decompress(data)
        except zstandard.ZstdError as error:
            raise Corrupt(f"{self.path}: {what} cannot be decompressed: {error}") from error

    def _decoded(self, text: bytes, kind: type[T], what: str) -> T:
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"{self.path}: {what} is damaged: {error}") from error
