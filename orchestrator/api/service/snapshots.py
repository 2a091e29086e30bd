"""Snapshots: listed, taken, checked, deleted."""

from collections.abc import AsyncIterator

from events.catalogue import Catalogue
from events.errors import NotFound, Rejected
from events.ids import run_stream
from orchestrator.api.operations.cluster import NO_NOTE, Snapshots
from orchestrator.api.operations.groups import Note
from orchestrator.api.service.answers import no_run
from orchestrator.api.service.base import Served
from orchestrator.api.service.cursors import cursor as cursor_of
from orchestrator.api.service.cursors import place as place_of
from orchestrator.api.service.ports import Log
from orchestrator.api.shapes import Deleted, Page, SnapshotShown
from orchestrator.kernel.snapshot import fingerprint, state_hash
from orchestrator.kernel.snapshot import restore as state_of
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.snapshots import (
    Damaged,
    Snapshot,
    SnapshotInfo,
    SnapshotPlace,
    Why,
    snapshot_place,
    taken,
)

PAGE = 500
OF_OTHERS = "of another release's schema: it is left aside, the events serve"
OTHERWISE = "not the state that the events give: delete it, the events are right"
RUNS = run_stream("")


class SnapshotService(Served, Snapshots):
    async def list_snapshots(
        self, *, run_id: str = "", kind: str = "", cursor: str = "", limit: int = 20
    ) -> Page[SnapshotShown]:
        after = SnapshotPlace(*place_of(cursor, tuple[str, int, str])) if cursor else None
        found: list[SnapshotInfo] = []
        async for info in _all(self._ports.log, run_stream(run_id) if run_id else "", after):
            if kind in ("", info.kind) and info.stream.startswith(RUNS):
                found.append(info)
            if len(found) > limit:
                break
        items = tuple(map(_shown, found[:limit]))
        if len(found) <= limit:
            return Page(items=items)
        last = found[limit - 1].place
        return Page(items=items, next=cursor_of((last.stream, last.version, last.kind)))

    async def show_snapshot(self, snapshot: str) -> SnapshotShown:
        """With what it is worth, as the events say."""
        info = await _info(self._ports.log, snapshot)
        verdict, hash_ = await self._judged(info)
        return _shown(info, verdict, hash_)

    async def create_snapshot(
        self, run_id: str, *, version: int = 0, note: Note = NO_NOTE, idempotency_key: str = ""
    ) -> SnapshotShown:
        log = self._ports.log
        rebuilt = await Rebuilder(log, Catalogue(), snapshots=False).run(run_id, version or None)
        if rebuilt is None:
            raise no_run(run_id)
        if rebuilt.head.version < version:
            raise NotFound(
                f"run {run_id} has no version {version}: its last one is {rebuilt.head.version}"
            )
        why = Why(reason=note.reason, actor=self._actor, metadata=note.notes)
        snapshot = taken(rebuilt.head, rebuilt.state, "manual", why)
        await log.save_snapshot(snapshot)
        return _shown(await _info(log, snapshot.id))

    async def delete_snapshot(self, snapshot: str, *, idempotency_key: str = "") -> Deleted:
        info = await _info(self._ports.log, snapshot)
        await self._ports.log.delete_snapshot(info.place)
        return Deleted(id=info.id)

    async def _judged(self, info: SnapshotInfo) -> tuple[str, str]:
        """What is wrong with it, and the hash of its state."""
        try:
            snapshot = await self._ports.log.find_snapshot(info.place)
        except Damaged as error:
            return str(error), ""
        if snapshot is None:
            raise _unknown(info.id)
        if snapshot.fingerprint != fingerprint():
            return OF_OTHERS, ""
        return await self._compared(snapshot)

    async def _compared(self, snapshot: Snapshot) -> tuple[str, str]:
        run_id = snapshot.stream.removeprefix(RUNS)
        rebuilder = Rebuilder(self._ports.log, Catalogue(), snapshots=False)
        folded = await rebuilder.run(run_id, snapshot.version)
        hash_ = state_hash(state_of(snapshot.state))
        same = (
            folded is not None
            and folded.head.digest == snapshot.digest
            and state_hash(folded.state) == hash_
        )
        return "" if same else OTHERWISE, hash_


async def _all(
    log: Log, stream: str, after: SnapshotPlace | None = None
) -> AsyncIterator[SnapshotInfo]:
    place = after or SnapshotPlace()
    while page := await log.list_snapshots(stream, place, PAGE):
        for info in page:
            yield info
        place = page[-1].place


async def _info(log: Log, id_: str) -> SnapshotInfo:
    """Raises `NotFound`."""
    try:
        place = snapshot_place(id_)
    except Rejected:
        raise _unknown(id_) from None
    async for info in _all(log, place.stream):
        if info.place == place:
            return info
    raise _unknown(id_)


def _unknown(id_: str) -> NotFound:
    return NotFound(f"there is no snapshot {id_}: `dalsegno snapshot list` shows those there are")


def _shown(info: SnapshotInfo, verdict: str = "", hash_: str = "") -> SnapshotShown:
    return SnapshotShown(
        id=info.id,
        run_id=info.stream.removeprefix(RUNS),
        version=info.version,
        kind=info.kind,
        taken_at=info.taken_at,
        reason=info.reason,
        actor=info.actor,
        notes=info.metadata,
        stored_bytes=info.stored_bytes,
        checksum=str(info.checksum),
        key_id=info.key_id,
        verdict=verdict,
        state_hash=hash_,
    )
