"""Snapshots and stored lists under keys: sealed in the tables, bound to their rows, resealed."""

import msgspec
import pytest

from events.references import Payload
from orchestrator.adapters.crypto.keyring import Keys
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Snapshot
from orchestrator.errors import Corrupt, MissingKey
from orchestrator.replay.snapshots import Damaged
from tests.postgres import Observer

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
SNAPSHOT = Snapshot(
    stream="run:1", version=7, digest="d7", fingerprint="f1", state=b'{"name": "Ada"}' * 50
)
MANUAL = msgspec.structs.replace(SNAPSHOT, kind="manual", reason="why", actor="user:x")
LIST = Payload.of(b'["Ada", "Grace"]')


def ring(*ids: str) -> Keys:
    known = {"old": OLD, "new": NEW}
    return Keys({key_id: known[key_id] for key_id in ids}, ids[-1])


async def opened(dsn: str, *ids: str) -> PostgresStore:
    if not ids:
        return await PostgresStore.open(dsn)
    return await PostgresStore.open(dsn, keys=ring(*ids))


async def fill(store: PostgresStore) -> None:
    for snapshot in (SNAPSHOT, MANUAL):
        await store.save_snapshot(snapshot)
    await store.put_payloads([LIST])


async def check(store: PostgresStore) -> None:
    for snapshot in (SNAPSHOT, MANUAL):
        assert await store.find_snapshot(snapshot.place) == snapshot
    assert await store.load_payload(LIST.hash) == LIST.data


async def test_nothing_stored_can_be_read_without_the_key(dsn: str, eyes: Observer) -> None:
    async with await opened(dsn, "old") as store:
        await fill(store)
        await check(store)
        assert {info.key_id for info in await store.list_snapshots()} == {"old"}
    rows = await eyes.all(
        "SELECT state FROM dalsegno.all_snapshots UNION ALL SELECT data FROM dalsegno.payloads"
    )
    assert len(rows) == 3
    assert not [row for row in rows if b"Ada" in bytes(row[0])]
    for ids in ((), ("new",)):
        async with await opened(dsn, *ids) as store:
            with pytest.raises(Damaged, match="key old is needed"):
                await store.load_snapshot("run:1")
            with pytest.raises(MissingKey, match="key old is needed"):
                await store.load_payload(LIST.hash)


async def test_sealed_bytes_in_another_row_are_refused(dsn: str, eyes: Observer) -> None:
    """Even where whoever moved them could make the checksum and the hash fit."""
    async with await opened(dsn, "old") as store:
        await store.put_payloads([LIST, other := Payload.of(b"[1]")])
        await eyes.do(
            "UPDATE dalsegno.payloads AS p SET data = o.data FROM dalsegno.payloads AS o "
            f"WHERE p.hash = '{LIST.hash}' AND o.hash = '{other.hash}'"
        )
        with pytest.raises(Corrupt, match="belong elsewhere"):
            await store.load_payload(LIST.hash)


async def test_rotation_seals_everything_anew_and_then_the_old_key_may_go(dsn: str) -> None:
    async with await opened(dsn) as store:
        await fill(store)  # before there were keys
    async with await opened(dsn, "old") as store:
        await store.save_snapshot(SNAPSHOT)
        assert await store.resealing.uses() == {
            "": {"snapshots": 1, "lists": 1},
            "old": {"snapshots": 1},
        }
    async with await opened(dsn, "old", "new") as store:
        await check(store)
        before = await store.list_snapshots()
        done = [place async for place, _ in store.resealing.reencrypt()]
        assert sorted(done) == ["lists", "snapshots", "snapshots"]
        assert await store.resealing.uses() == {"new": {"snapshots": 2, "lists": 1}}
        after = await store.list_snapshots()
        assert [one.taken_at for one in after] == [one.taken_at for one in before]
        assert [one async for one in store.resealing.reencrypt()] == []
    async with await opened(dsn, "new") as store:
        await check(store)


async def test_resealing_stops_at_what_it_cannot_open_and_goes_on_later(dsn: str) -> None:
    async with await opened(dsn, "old") as store:
        await fill(store)
    async with await opened(dsn, "new") as store:
        with pytest.raises(Corrupt, match="key old is needed"):
            [one async for one in store.resealing.reencrypt()]
    async with await opened(dsn, "old", "new") as store:
        assert len([one async for one in store.resealing.reencrypt()]) == 3
