"""Snapshots: compressed states, sealed where there are keys, trusted only with their checksum.

The checksum covers the bytes as stored and everything that says what they are, so a row that was
damaged, or copied to another place, is found before a byte of it is opened or decompressed.

What coordinators take by themselves lies in `snapshots`; what was taken on purpose, with who did it
and why, lies in `kept_snapshots`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import zstandard
from psycopg.rows import TupleRow

from events.codec import decode, encode
from events.errors import Corrupt
from events.limits import STATE_BYTES_MAX
from events.sealing import HEAD_BYTES, Keyring, key_of
from orchestrator.adapters.postgres.arrays import texts
from orchestrator.adapters.postgres.connections import Pool
from orchestrator.adapters.postgres.gathering import Gathering
from orchestrator.adapters.postgres.queries import Queries
from orchestrator.coordinator.ports import Snapshot, SnapshotInfo, SnapshotPlace
from orchestrator.replay.snapshots import Damaged

LEVEL = 3

VERSION_MAX = 2**63 - 1
AFTER_ALL = "\U0010ffff"
GATHERED_MAX = 64
"""States that are loaded with one statement."""


class Snapshots:
    """The snapshots of one log. `kept`: how many of a stream stay, by kind; all of a kind that is
    not named."""

    def __init__(
        self, pool: Pool, queries: Queries, kept: Mapping[str, int], keys: Keyring
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._kept = kept
        self._keys = keys
        self._newest = Gathering(self._newest_rows, GATHERED_MAX)

    async def save(self, snapshot: Snapshot) -> None:
        name = "save_snapshot" if snapshot.kind == "automatic" else "save_kept_snapshot"
        values = pack(snapshot, self._keys) | {"kept": self._kept.get(snapshot.kind)}
        async with self._pool.use(f"saving snapshot {snapshot.id}") as connection:
            await connection.execute(self._queries[name], values)

    async def load(self, stream: str, at_most: int | None) -> Snapshot | None:
        if at_most is None:
            row = await self._newest.ask(stream)
        else:
            row = await self._row_at(stream, at_most)
        return unpack(row, self._keys) if row else None

    async def _row_at(self, stream: str, at_most: int) -> TupleRow | None:
        values = {"stream": stream, "at_most": at_most}
        rows = await self._rows("load_snapshot", f"loading a snapshot of {stream}", values)
        return rows[0] if rows else None

    async def _newest_rows(self, streams: Sequence[str]) -> list[TupleRow | None]:
        if len(streams) == 1:
            return [await self._row_at(streams[0], VERSION_MAX)]
        values = {"streams": texts(streams)}
        rows = await self._rows("load_snapshots", "loading snapshots", values)
        found: dict[int, TupleRow] = {place: tuple(row) for place, *row in rows}
        return [found.get(place) for place in range(1, len(streams) + 1)]

    async def find(self, place: SnapshotPlace) -> Snapshot | None:
        rows = await self._rows("find_snapshot", "loading a snapshot", _values(place))
        return unpack(rows[0], self._keys) if rows else None

    async def list(self, stream: str, after: SnapshotPlace, limit: int) -> list[SnapshotInfo]:
        values: dict[str, Any] = {f"after_{name}": v for name, v in _values(after).items()}
        values |= {"first_stream": stream or after.stream, "last_stream": stream or AFTER_ALL}
        values |= {"limit": limit, "head_bytes": HEAD_BYTES}
        return [_info(row) for row in await self._rows("list_snapshots", "listing", values)]

    async def delete(self, place: SnapshotPlace) -> bool:
        rows = await self._rows("delete_snapshot", "deleting a snapshot", _values(place))
        return bool(rows[0][0])

    async def _rows(self, name: str, doing: str, values: dict[str, Any]) -> Sequence[TupleRow]:
        async with self._pool.use(doing) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(self._queries[name].encode(), values)
            return await cursor.fetchall()


def pack(snapshot: Snapshot, keys: Keyring) -> dict[str, Any]:
    """Returns the row of a snapshot. Only what somebody took has a reason, an actor and more."""
    row: dict[str, str | int] = {
        "stream": snapshot.stream,
        "version": snapshot.version,
        "digest": snapshot.digest,
        "fingerprint": snapshot.fingerprint,
    }
    if snapshot.kind != "automatic":
        metadata = encode(dict(sorted(snapshot.metadata.items()))).decode()
        row |= {"kind": snapshot.kind, "reason": snapshot.reason}
        row |= {"actor": snapshot.actor, "metadata": metadata}
    place = tuple(row.values())
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(snapshot.state)
    state = keys.seal(packed, bound(place))
    return {**row, "checksum": checksum(place, state), "state": state}


def unpack(row: TupleRow, keys: Keyring) -> Snapshot:
    """Returns the snapshot of a row; raises `Damaged` naming it."""
    stream, version, kind, digest, fingerprint, expected, state, *why = row
    what = f"snapshot {version} of {stream}"
    place = (stream, version, digest, fingerprint)
    place += () if kind == "automatic" else (kind, *why)
    if checksum(place, state) != bytes(expected):
        raise Damaged(f"{what} ({kind}) is damaged: its checksum does not fit", version)
    try:
        packed = keys.open(state, bound(place))
        if zstandard.frame_content_size(packed) > STATE_BYTES_MAX:
            raise Damaged(f"{what} ({kind}) has over {STATE_BYTES_MAX} bytes", version)
        plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=STATE_BYTES_MAX)
    except Damaged:
        raise
    except (Corrupt, zstandard.ZstdError) as error:
        said = f"{what} ({kind}) cannot be opened or decompressed: {error}"
        raise Damaged(said, version) from error
    reason, actor, metadata = why
    return Snapshot(
        stream=stream,
        version=version,
        digest=digest,
        fingerprint=fingerprint,
        state=plain,
        kind=kind,
        reason=reason,
        actor=actor,
        metadata=decode(metadata.encode(), dict[str, str], what),
    )


def bound(place: tuple[str | int, ...]) -> bytes:
    """What sealed bytes are bound to: in another row they do not open."""
    return repr(place).encode()


def checksum(place: tuple[str | int, ...], state: bytes) -> bytes:
    """SHA-256 of the place and the stored bytes."""
    return hashlib.sha256(bound(place) + b"\0" + state).digest()


def _info(row: TupleRow) -> SnapshotInfo:
    stream, version, kind, digest, fingerprint, taken_at, size, found, head, *why = row
    reason, actor, metadata = why
    return SnapshotInfo(
        stream=stream,
        version=version,
        kind=kind,
        digest=digest,
        fingerprint=fingerprint,
        taken_at=taken_at,
        stored_bytes=size,
        checksum=found,
        key_id=key_of(head),
        reason=reason,
        actor=actor,
        metadata=decode(metadata.encode(), dict[str, str], f"snapshot {version} of {stream}"),
    )


def _values(place: SnapshotPlace) -> dict[str, Any]:
    return {"stream": place.stream, "version": place.version, "kind": place.kind}
