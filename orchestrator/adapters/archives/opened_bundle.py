"""A bundle that was opened: any part of any stream is read without the others."""

import mmap
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from struct import unpack
from typing import TypeVar

import msgspec
import zstandard

from events.codec import digest
from events.envelope import Stored
from events.errors import Corrupt
from events.limits import EXPORT_BYTES_MAX
from events.references import checked
from orchestrator.adapters.archives.writing import SKIPPED, TRAILER_BYTES
from orchestrator.replay.exchange.bundles import (
    FORMAT,
    Frame,
    Manifest,
    Stream,
    Trailer,
    Values,
)
from orchestrator.replay.exchange.export import Place, Value
from orchestrator.replay.exchange.opened import FileInfo, WithoutCluster
from orchestrator.replay.retention.archives import FORMAT as ARCHIVE

T = TypeVar("T")
END = 8 + TRAILER_BYTES
FRAMES_KEPT = 8
"""Decompressed frames that are remembered: whoever steps through a run asks for few at a time."""


class OpenedBundle(WithoutCluster):
    """See `OpenedFile`. Raises `Corrupt` when it is damaged, or is none."""

    def __init__(self, data: "mmap.mmap | bytes", name: str) -> None:
        self._data = data
        self._name = name
        self._kept: OrderedDict[int, list[bytes]] = OrderedDict()
        trailer = self._trailer()
        manifest = self._decoded(
            self._plain(trailer.offset, trailer.bytes, trailer.sha256, "its list of runs"),
            Manifest,
            "its list of runs",
        )
        if manifest.head.bundle != FORMAT:
            raise Corrupt(f"{name} is a {manifest.head.bundle}: expected {FORMAT}")
        self._streams = {one.stream: one for one in manifest.streams}
        self._values = {hash_: one for one in manifest.values for hash_ in one.hashes}
        self.info = FileInfo(
            name=name,
            format="bundle",
            run_ids=manifest.head.run_ids,
            ends={one.stream: (one.version, one.digest) for one in manifest.streams},
            redacted=manifest.head.redacted,
            sha256=trailer.sha256,
        )
        for stream in manifest.streams:
            self._check_frames(stream)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        known = self._streams.get(stream)
        found: list[Stored] = []
        while known is not None and after < known.version and len(found) < limit:
            frame = known.frames[bisect_right(known.frames, after, key=_last)]
            texts = self._lines(frame, known)[after - frame.first + 1 :][: limit - len(found)]
            for version, text in enumerate(texts, after + 1):
                found.append(self._stored(stream, version, text))
            after += len(texts)
        return found

    async def load_payload(self, hash_: str) -> bytes | None:
        place = self._values.get(hash_)
        if place is None:
            return None
        line = self._value_lines(place)[place.hashes.index(hash_)]
        value = self._decoded(line, Value, f"the stored value {hash_}")
        return checked(hash_, value.data)

    def payload_names(self) -> Iterator[str]:
        return iter(self._values)

    def where(self, stream: str, version: int) -> str:
        return f"{self._name}: event {version} of {stream}"

    def close(self) -> None:
        self._kept.clear()
        if not isinstance(self._data, bytes):
            self._data.close()

    def __enter__(self) -> "OpenedBundle":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- frames -----------------------------------------------------------------------------------

    def _check_frames(self, stream: Stream) -> None:
        """That its frames follow one another; what is in them is checked as they are read."""
        version = 0
        for frame in stream.frames:
            if frame.first != version + 1 or frame.count < 1:
                break
            version += frame.count
        if version != stream.version:
            raise Corrupt(f"{self._name}: its list of runs does not have all of {stream.stream}")

    def _lines(self, frame: Frame, stream: Stream) -> list[bytes]:
        what = f"events {frame.first} to {_last(frame)} of {stream.stream}"
        found = self._of_frame(frame.offset, frame.bytes, frame.sha256, what)
        if len(found) != frame.count:
            raise Corrupt(f"{self._name}: {what} are damaged: there are {len(found)}")
        last = found[-1]
        if _last(frame) == stream.version and digest(last) != stream.digest:
            raise Corrupt(f"{self._name}: {what} are damaged: the last one is not what it was")
        return found

    def _value_lines(self, place: Values) -> list[bytes]:
        what = f"{len(place.hashes)} stored values"
        found = self._of_frame(place.offset, place.bytes, place.sha256, what)
        if len(found) != len(place.hashes):
            raise Corrupt(f"{self._name}: {what} are damaged: there are {len(found)}")
        return found

    def _of_frame(self, offset: int, size: int, sha: str, what: str) -> list[bytes]:
        found = self._kept.get(offset)
        if found is None:
            found = self._kept[offset] = self._plain(offset, size, sha, what).splitlines()
            if len(self._kept) > FRAMES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(offset)
        return found

    def _plain(self, offset: int, size: int, sha: str, what: str) -> bytes:
        data = self._data[offset : offset + size] if offset >= 0 and size >= 0 else b""
        if sha256(data).hexdigest() != sha:
            raise Corrupt(f"{self._name}: {what}: damaged, the bytes have another digest")
        try:
            reader = zstandard.ZstdDecompressor().stream_reader(data)
            plain = reader.read(EXPORT_BYTES_MAX + 1)
        except zstandard.ZstdError as error:
            raise Corrupt(f"{self._name}: {what}: cannot be decompressed: {error}") from error
        if len(plain) > EXPORT_BYTES_MAX:
            raise Corrupt(
                f"{self._name}: {what}: over {EXPORT_BYTES_MAX} bytes, the most of a frame"
            )
        return plain

    def _trailer(self) -> Trailer:
        end = self._data[-END:]
        if len(end) == END and unpack("<II", end[:8]) == (SKIPPED, TRAILER_BYTES):
            return self._decoded(end[8:], Trailer, "its end")
        raise Corrupt(
            f"{self._name} has no end of a bundle: it was cut short, or is none; export the runs "
            "again"
        )

    def _stored(self, stream: str, version: int, text: bytes) -> Stored:
        place = self._decoded(text, Place, f"event {version} of {stream}")
        if (place.stream, place.version) != (stream, version):
            raise Corrupt(
                f"{self.where(stream, version)} says that it is event {place.version} of "
                f"{place.stream}"
            )
        return Stored(stream, version, place.type, text, opened=b"")  # no keys here

    def _decoded(self, text: bytes, kind: type[T], what: str) -> T:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if ARCHIVE.encode() in text:
                raise Corrupt(
                    f"{self._name} is an archive, not a bundle: `dalsegno archive show "
                    f"{self._name}` shows what is in it"
                ) from error
            raise Corrupt(f"{self._name}: {what}: damaged: {error}") from error


def _last(frame: Frame) -> int:
    return frame.first + frame.count - 1
