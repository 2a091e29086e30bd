"""What every store keeps to with snapshots: Postgres and its twin in memory answer alike."""

from collections.abc import AsyncIterator

import anyio
import msgspec
import pytest

from events.ids import run_stream
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Snapshot, SnapshotPlace, Store
from orchestrator.replay.snapshots import KINDS, SnapshotKind, snapshot_place
from tests.logs import AT
from tests.postgres import prepare
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.real)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore(MemoryLog(lambda: AT))
        return
    factory: DatabaseFactory = request.getfixturevalue("database_factory")
    async with await PostgresStore.open(factory(prepare)) as store:
        yield store


async def test_many_are_loaded_at_one_time(store: Store) -> None:
    """The newest of each stream, of those that have one."""
    wanted: dict[str, Snapshot | None] = {run_stream("none"): None}
    for number in range(3):
        for version in (5, 20 + number):
            newest = msgspec.structs.replace(_snapshot(version), stream=run_stream(str(number)))
            await store.save_snapshot(newest)
            wanted[newest.stream] = newest
    found: dict[str, Snapshot | None] = {}

    async def load(stream: str) -> None:
        found[stream] = await store.load_snapshot(stream)

    async with anyio.create_task_group() as group:
        for stream in wanted:
            group.start_soon(load, stream)
    assert found == wanted


async def test_the_newest_within_the_bound_is_loaded(store: Store) -> None:
    snapshots = [_snapshot(version) for version in (5, 20, 11)]
    for snapshot in snapshots:
        await store.save_snapshot(snapshot)
    assert await store.load_snapshot("run:1") == snapshots[1]
    assert await store.load_snapshot("run:1", at_most=11) == snapshots[2]
    assert await store.load_snapshot("run:1", at_most=10) == snapshots[0]
    assert await store.load_snapshot("run:1", at_most=4) is None
    assert await store.load_snapshot("run:2") is None


async def test_one_at_the_same_version_replaces(store: Store) -> None:
    await store.save_snapshot(_snapshot(5))
    newer = _snapshot(5, state=b"")
    await store.save_snapshot(newer)
    assert await store.load_snapshot("run:1") == newer


async def test_older_ones_make_room_for_a_new_one(store: Store) -> None:
    for version in (10, 20, 30, 40, 50):
        await store.save_snapshot(_snapshot(version))
    assert await _versions(store) == [50, 40, 30]


async def test_those_that_come_late_neither_stay_nor_take_newer_ones_away(store: Store) -> None:
    """They overtake each other on their way: the newest stay, in whatever order they come."""
    for version in (30, 40, 50, 20, 10):
        await store.save_snapshot(_snapshot(version))
    assert await _versions(store) == [50, 40, 30]
    await store.save_snapshot(_snapshot(45))
    assert await _versions(store) == [50, 45, 40]


async def test_recovery_snapshots_that_come_late_do_not_stay(store: Store) -> None:
    for version in range(13, 0, -1):
        await store.save_snapshot(_kept(version, "recovery"))
    assert await _versions(store) == list(range(13, 3, -1))


async def test_one_that_is_written_again_takes_none_away(store: Store) -> None:
    for version in (10, 20, 30, 30, 30):
        await store.save_snapshot(_snapshot(version))
    assert await _versions(store) == [30, 20, 10]


async def test_other_streams_keep_theirs(store: Store) -> None:
    other = Snapshot(stream=run_stream("2"), version=1, digest="d", fingerprint="f", state=b"")
    await store.save_snapshot(other)
    for version in (10, 20, 30, 40):
        await store.save_snapshot(_snapshot(version))
    assert await store.load_snapshot("run:2") == other


async def test_kinds_live_beside_each_other(store: Store) -> None:
    automatic, manual = _snapshot(5, b"1"), _kept(5, "manual")
    await store.save_snapshot(manual)
    await store.save_snapshot(automatic)
    assert await store.load_snapshot("run:1") == manual
    for snapshot in (automatic, manual):
        assert await store.find_snapshot(snapshot_place(snapshot.id)) == snapshot
    assert await store.find_snapshot(snapshot_place("1@5-recovery")) is None


@pytest.mark.edge("EngineLimits.recovery_snapshots_kept")
async def test_recovery_snapshots_make_room_and_manual_ones_never(store: Store) -> None:
    for version in range(1, 14):
        await store.save_snapshot(_kept(version, "manual"))
        await store.save_snapshot(_kept(version, "recovery"))
        await store.save_snapshot(_snapshot(version))
    found = await store.list_snapshots("run:1")
    kinds = {kind: [s.version for s in found if s.kind == kind] for kind in KINDS}
    assert kinds["manual"] == list(range(1, 14))
    assert kinds["recovery"] == list(range(4, 14))
    assert kinds["automatic"] == [11, 12, 13]


async def test_one_taken_again_tells_the_newest_reason(store: Store) -> None:
    await store.save_snapshot(_kept(5, "manual", "first"))
    await store.save_snapshot(again := _kept(5, "manual", "second"))
    (found,) = await store.list_snapshots("run:1")
    assert (found.reason, found.actor, found.metadata) == ("second", "user:ada", {"b": "é"})
    assert (found.id, found.stored_bytes > 0) == (again.id, True)


async def test_they_are_listed_in_pages(store: Store) -> None:
    made = [_kept(2, "recovery"), _snapshot(9), _kept(9, "manual")]
    other = Snapshot(stream="node:a", version=7, digest="d", fingerprint="f", state=b"")
    for snapshot in (*made[::-1], other):
        await store.save_snapshot(snapshot)
    ids, after = list[str](), SnapshotPlace()
    while page := await store.list_snapshots("", after, 2):
        ids += [one.id for one in page]
        after = snapshot_place(ids[-1])
    assert ids == [other.id, *(one.id for one in made)]
    assert ids[0] == "node:a@7-automatic"
    assert await store.list_snapshots("run:2") == []


async def test_one_is_deleted_by_its_place(store: Store) -> None:
    automatic, manual = _snapshot(5), _kept(5, "manual")
    for snapshot in (automatic, manual):
        await store.save_snapshot(snapshot)
    assert await store.delete_snapshot(snapshot_place(manual.id))
    assert not await store.delete_snapshot(snapshot_place(manual.id))
    assert await store.load_snapshot("run:1") == automatic
    assert await store.delete_snapshot(snapshot_place(automatic.id))
    assert await store.load_snapshot("run:1") is None


def _kept(version: int, kind: SnapshotKind, reason: str = "why") -> Snapshot:
    return msgspec.structs.replace(
        _snapshot(version),
        kind=kind,
        reason=reason,
        actor="user:ada",
        metadata={"b": "é"},
    )


async def _versions(store: Store) -> list[int]:
    """All that there are of run 1, newest first."""
    found, at = list[int](), None
    while snapshot := await store.load_snapshot("run:1", at):
        found.append(snapshot.version)
        at = snapshot.version - 1
    return found


def _snapshot(version: int, state: bytes = b'{"a": 1}' * 50) -> Snapshot:
    return Snapshot(
        stream=run_stream("1"), version=version, digest="d", fingerprint="f", state=state
    )
