"""The journal's bytes: frames, and what may be wrong with them.

    frame = magic (4) · payload length (4) · CRC-32 of what follows it (4) · synced (8) · payload
    payload = a JSON array of records; numbers are little-endian

`synced` is how far the segment was known to be durable when the frame was written. It tells a torn
tail from damage: after a loss of power the bytes beyond the last sync may be there in part and in
any order, which is no loss, as nobody was told of them. A bad frame *before* an offset that a later
frame knows to be durable is damage, and is never skipped in silence.
"""

import struct
import zlib

import msgspec

from events.limits import FRAME_BYTES_MAX
from node_agent.errors import JournalDamaged
from node_agent.journal import Compacted, Record

MAGIC = b"DSJ1"
_HEAD = struct.Struct("<4sII")
_SYNCED = struct.Struct("<Q")
HEAD_BYTES = _HEAD.size + _SYNCED.size

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Record, ...]).decode


class Segment(msgspec.Struct, frozen=True):
    """What was read: frames in order, and the length of the part that they fill."""

    frames: list[tuple[Record, ...]]
    length: int

    @property
    def begins_whole(self) -> bool:
        """Whether everything that was live when the segment was begun is there."""
        first = self.frames[0][0] if self.frames and self.frames[0] else None
        if not isinstance(first, Compacted):
            return False
        return sum(map(len, self.frames)) > first.count


def batched(records: tuple[Record, ...], size: int) -> list[tuple[Record, ...]]:
    """Returns the records in order, `size` a piece."""
    return [records[at : at + size] for at in range(0, len(records), size)]


def frame(records: tuple[Record, ...], synced: int) -> bytes:
    """Returns the bytes of one frame."""
    body = _SYNCED.pack(synced) + _encode(records)
    return _HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def read_segment(data: bytes, name: str) -> Segment:
    """Returns the frames up to the first that is torn.

    Raises `JournalDamaged` naming the segment and the offset where bytes are bad that were durable,
    or a frame's records cannot be understood.
    """
    frames: list[tuple[Record, ...]] = []
    at = 0
    while (body := _body_at(data, at)) is not None:
        frames.append(_records(body, name, at))
        at += _HEAD.size + len(body)
    durable = _durable_after(data, at)
    if at < durable:
        raise JournalDamaged(
            f"{name} is damaged at byte {at}, though {durable} bytes of it were durable: the disk "
            "or somebody changed it; move the node's journal folder away and start again, then "
            "attempts that this node had finished may be executed once more"
        )
    return Segment(frames, at)


def _body_at(data: bytes, at: int) -> memoryview | None:
    """The body of the whole frame at `at`, or None when there is none."""
    if len(data) - at < HEAD_BYTES:
        return None
    magic, length, checksum = _HEAD.unpack_from(data, at)
    if magic != MAGIC or not _SYNCED.size <= length <= FRAME_BYTES_MAX:
        return None
    body = memoryview(data)[at + _HEAD.size : at + _HEAD.size + length]
    if len(body) < length or zlib.crc32(body) != checksum:
        return None
    return body


def _durable_after(data: bytes, at: int) -> int:
    """The farthest durable offset that any whole frame beyond `at` knows of."""
    durable = 0
    while (at := data.find(MAGIC, at)) >= 0:
        if (body := _body_at(data, at)) is not None:
            durable = max(durable, _SYNCED.unpack_from(body)[0])
        at += 1
    return durable


def _records(body: memoryview, name: str, at: int) -> tuple[Record, ...]:
    try:
        return _decode(body[_SYNCED.size :])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamaged(
            f"{name} has records at byte {at} that are not ours: {error}"
        ) from error
