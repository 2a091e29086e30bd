"""Writing a bundle: bytes out, one frame after the other, so it can go to a pipe as well."""

from collections.abc import AsyncIterator, Iterable
from hashlib import sha256
from struct import pack

import zstandard

from events.codec import encode
from events.references import Payload
from orchestrator.adapters.archives.writing import LEVEL, SKIPPED, TRAILER_BYTES
from orchestrator.replay.exchange.bundles import (
    FORMAT,
    FRAME_BYTES,
    FRAME_EVENTS,
    Frame,
    Head,
    Manifest,
    Stream,
    Trailer,
    Values,
)
from orchestrator.replay.exchange.export import Value
from orchestrator.replay.exchange.selecting import Begun, Ended, Item, Told


async def bundled(
    items: AsyncIterator[Item], run_ids: tuple[str, ...], redacted: tuple[str, ...] = ()
) -> AsyncIterator[bytes]:
    """The bytes of a bundle. Holds one frame of events, and of values, at a time."""
    writer = _Writer(Head(bundle=FORMAT, run_ids=run_ids, redacted=redacted))
    yield writer.begin()
    async for item in items:
        if data := writer.take(item):
            yield data
    yield writer.finish()


class _Writer:
    def __init__(self, head: Head) -> None:
        self._head = head
        self._offset = 0
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._streams: list[Stream] = []
        self._frames: list[Frame] = []
        self._values: list[Values] = []
        self._stream = ""
        self._end = (0, "")
        self._lines: list[bytes] = []
        self._waiting: list[Payload] = []
        self._size = 0

    def begin(self) -> bytes:
        return self._packed([encode(self._head)])[0]

    def take(self, item: Item) -> bytes:
        if isinstance(item, Begun):
            data = self._stream_ended()
            self._stream = item.stream
            return data
        if isinstance(item, Told):
            return self._event(item)
        if isinstance(item, Payload):
            return self._value(item)
        return self._ended(item)

    def finish(self) -> bytes:
        manifest = Manifest(
            head=self._head, streams=tuple(self._streams), values=tuple(self._values)
        )
        data, place = self._packed([encode(manifest)])
        trailer = encode(place).ljust(TRAILER_BYTES)
        return data + pack("<II", SKIPPED, TRAILER_BYTES) + trailer

    def _event(self, item: Told) -> bytes:
        self._lines.append(item.stored.state)
        self._size += len(item.stored.state)
        self._end = item.stored.version, item.event.digest
        full = self._size >= FRAME_BYTES or len(self._lines) >= FRAME_EVENTS
        return self._events() if full else b""

    def _events(self) -> bytes:
        if not self._lines:
            return b""
        data, place = self._packed(self._lines)
        count = len(self._lines)
        frame = Frame(
            first=self._end[0] - count + 1,
            count=count,
            offset=place.offset,
            bytes=place.bytes,
            sha256=place.sha256,
        )
        self._frames.append(frame)
        self._lines, self._size = [], 0
        return data

    def _stream_ended(self) -> bytes:
        data = self._events()
        if self._stream:
            version, digest = self._end
            frames = tuple(self._frames)
            self._streams.append(
                Stream(stream=self._stream, version=version, digest=digest, frames=frames)
            )
            self._stream, self._frames = "", []
        return data

    def _value(self, payload: Payload) -> bytes:
        data = self._stream_ended()
        self._waiting.append(payload)
        self._size += len(payload.data)
        return data + (self._values_written() if self._size >= FRAME_BYTES else b"")

    def _values_written(self) -> bytes:
        if not self._waiting:
            return b""
        texts = [encode(Value(payload=one.hash, data=one.data)) for one in self._waiting]
        data, place = self._packed(texts)
        self._values.append(
            Values(
                hashes=tuple(one.hash for one in self._waiting),
                offset=place.offset,
                bytes=place.bytes,
                sha256=place.sha256,
            )
        )
        self._waiting, self._size = [], 0
        return data

    def _ended(self, _: Ended) -> bytes:
        return self._stream_ended() + self._values_written()

    def _packed(self, lines: Iterable[bytes]) -> tuple[bytes, Trailer]:
        """One frame, and where it is."""
        data = self._compressor.compress(b"".join(line + b"\n" for line in lines))
        place = Trailer(offset=self._offset, bytes=len(data), sha256=sha256(data).hexdigest())
        self._offset += len(data)
        return data, place
