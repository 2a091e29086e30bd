"""Snapshots: compressed states, trusted only with their checksum.

The checksum covers the bytes as stored and everything that says what they are, so a row that was
damaged, or copied to another place, is found before a byte of it is decompressed.
"""

import hashlib
from typing import Any

import zstandard

from events.limits import STATE_BYTES_MAX
from orchestrator.coordinator.ports import Snapshot
from orchestrator.errors import Corrupt

LEVEL = 3


def pack(snapshot: Snapshot) -> dict[str, Any]:
    """Returns the row of a snapshot."""
    state = zstandard.ZstdCompressor(level=LEVEL).compress(snapshot.state)
    place = (snapshot.stream, snapshot.version, snapshot.digest, snapshot.fingerprint)
    return {
        "stream": snapshot.stream,
        "version": snapshot.version,
        "digest": snapshot.digest,
        "fingerprint": snapshot.fingerprint,
        "checksum": checksum(place, state),
        "state": state,
    }


def unpack(row: tuple[str, int, str, str, bytes, bytes]) -> Snapshot:
    """Returns the snapshot of a row; raises `Corrupt` naming it."""
    stream, version, digest, fingerprint, expected, state = row
    what = f"snapshot {version} of {stream}"
    if checksum((stream, version, digest, fingerprint), state) != bytes(expected):
        raise Corrupt(f"{what} is damaged: its checksum does not fit. Delete it; the log has all")
    try:
        plain = zstandard.ZstdDecompressor().decompress(state, max_output_size=STATE_BYTES_MAX)
    except zstandard.ZstdError as error:
        raise Corrupt(f"{what} cannot be decompressed: {error}") from error
    return Snapshot(
        stream=stream, version=version, digest=digest, fingerprint=fingerprint, state=plain
    )


def checksum(place: tuple[str, int, str, str], state: bytes) -> bytes:
    """SHA-256 of the place and the stored bytes."""
    return hashlib.sha256(repr(place).encode() + b"\0" + state).digest()
