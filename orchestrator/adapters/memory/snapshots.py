"""Snapshots in memory: the same answers as the tables of Postgres give."""

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from orchestrator.coordinator.ports import Snapshot, SnapshotInfo, SnapshotPlace
from orchestrator.replay.snapshots import Damaged


class Kept(msgspec.Struct):
    """A snapshot as stored, with the checksum of its bytes."""

    snapshot: Snapshot
    checksum: bytes
    taken_at: int


class MemorySnapshots:
    """`kept`: how many of a stream stay, by kind; all of a kind that is not named."""

    def __init__(self, now: Callable[[], int], kept: Mapping[str, int]) -> None:
        self._now = now
        self._kept = kept
        self._found: dict[str, dict[SnapshotPlace, Kept]] = {}

    def save(self, snapshot: Snapshot) -> None:
        if snapshot.kind == "automatic":
            snapshot = msgspec.structs.replace(snapshot, reason="", actor="", metadata={})
        checksum = hashlib.sha256(snapshot.state).digest()
        found = self._found.setdefault(snapshot.stream, {})
        found[snapshot.place] = Kept(snapshot, checksum, self._now())
        newest_first = sorted((p for p in found if p.kind == snapshot.kind), reverse=True)
        if snapshot.kind in self._kept:
            for place in newest_first[self._kept[snapshot.kind] :]:
                del found[place]

    def load(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        places = [
            place
            for place in self._found.get(stream, ())
            if at_most is None or place.version <= at_most
        ]
        return self.find(max(places)) if places else None

    def find(self, place: SnapshotPlace) -> Snapshot | None:
        found = self._found.get(place.stream, {}).get(place)
        if found is None:
            return None
        if hashlib.sha256(found.snapshot.state).digest() != found.checksum:
            what = f"snapshot {place.version} of {place.stream} ({place.kind})"
            raise Damaged(f"{what} is damaged: its checksum does not fit", place.version)
        return found.snapshot

    def list(self, stream: str, after: SnapshotPlace, limit: int) -> list[SnapshotInfo]:
        places = sorted(
            place
            for name, found in self._found.items()
            if stream in ("", name)
            for place in found
            if place > after
        )
        return [_info(self._found[place.stream][place]) for place in places[:limit]]

    def delete(self, place: SnapshotPlace) -> bool:
        return self._found.get(place.stream, {}).pop(place, None) is not None

    def damage(self, stream: str, at: int) -> None:
        """What a disk may do: flips a bit in the state of the snapshots at version `at`."""
        for place, kept in self._found.get(stream, {}).items():
            if place.version == at:
                state = bytes([kept.snapshot.state[0] ^ 1]) + kept.snapshot.state[1:]
                kept.snapshot = msgspec.structs.replace(kept.snapshot, state=state)


def _info(kept: Kept) -> SnapshotInfo:
    taken = kept.snapshot
    return SnapshotInfo(
        stream=taken.stream,
        version=taken.version,
        kind=taken.kind,
        digest=taken.digest,
        fingerprint=taken.fingerprint,
        taken_at=kept.taken_at,
        stored_bytes=len(taken.state),
        checksum=kept.checksum.hex(),
        reason=taken.reason,
        actor=taken.actor,
        metadata=taken.metadata,
    )
