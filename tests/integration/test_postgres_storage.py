"""What tables do with what they are given: damage is found, updates stay cheap, bytes are kept."""

import random

import anyio
import msgspec
import pytest

from events.envelope import Head, Stored
from events.limits import BatchLimits, Limits
from orchestrator.adapters.postgres.insert_rate import measure, measure_insert_rate
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Lease, Snapshot
from orchestrator.errors import Corrupt, InvalidValue, InvariantViolation
from tests.logs import batch, begin, extend, row
from tests.postgres import Observer, until

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

SNAPSHOT = Snapshot(
    stream="run:1", version=7, digest="d7", fingerprint="f1", state=b'{"steps": "many"}' * 100
)


@pytest.fixture
async def lease(store: PostgresStore) -> Lease:
    (lease,) = await store.acquire([0], "a", 30.0)
    return lease


@pytest.mark.parametrize(
    "damage",
    [
        "state = set_byte(state, 9, get_byte(state, 9) # 1)",
        "state = substring(state FROM 1 FOR 20)",
        "state = ''",
        "checksum = ''",
        "digest = 'other'",
        "fingerprint = 'other'",
        "stream = 'run:1', version = 8",
    ],
)
async def test_a_damaged_snapshot_is_named_and_not_used(
    store: PostgresStore, eyes: Observer, damage: str
) -> None:
    await store.save_snapshot(SNAPSHOT)
    await eyes.do(f"UPDATE dalsegno.snapshots SET {damage}")
    with pytest.raises(Corrupt, match=r"snapshot [78] of run:1"):
        await store.load_snapshot("run:1")


async def test_an_older_snapshot_is_found_below_a_damaged_one(
    store: PostgresStore, eyes: Observer
) -> None:
    older = Snapshot(stream="run:1", version=3, digest="d3", fingerprint="f1", state=b"{}")
    await store.save_snapshot(older)
    await store.save_snapshot(SNAPSHOT)
    await eyes.do("UPDATE dalsegno.snapshots SET checksum = '' WHERE version = 7")
    assert await store.load_snapshot("run:1", at_most=6) == older


@pytest.mark.edge("EngineLimits.snapshots_kept")
@pytest.mark.parametrize("kept", [1, 2])
async def test_as_many_snapshots_are_kept_as_are_configured(
    dsn: str, eyes: Observer, kept: int
) -> None:
    async with await PostgresStore.open(Settings(dsn=dsn, snapshots_kept=kept)) as store:
        for version in (1, 2, 3, 4):
            await store.save_snapshot(msgspec.structs.replace(SNAPSHOT, version=version))
    assert await eyes.value("SELECT count(*) FROM dalsegno.snapshots") == kept
    assert await eyes.value("SELECT max(version) FROM dalsegno.snapshots") == 4


async def test_snapshots_are_compressed(store: PostgresStore, eyes: Observer) -> None:
    await store.save_snapshot(SNAPSHOT)
    stored = await eyes.value("SELECT octet_length(state) FROM dalsegno.snapshots")
    assert isinstance(stored, int)
    assert stored < len(SNAPSHOT.state) / 10


@pytest.mark.parametrize("state", [b"", b"\x00\xff", b'{"a": "\\u0000"}', "é𝄋".encode() * 20_000])
async def test_any_bytes_come_back(store: PostgresStore, lease: Lease, state: bytes) -> None:
    event = Stored("run:é", 1, "x.y.v1", state)
    await store.append(batch([lease], [event]))
    (found,) = await store.read("run:é")
    assert found.state == state


@pytest.mark.parametrize("stream", ["run:a\x00b", "run:\ud800"])
async def test_a_name_that_cannot_be_stored_is_refused(
    store: PostgresStore, lease: Lease, stream: str
) -> None:
    with pytest.raises(InvalidValue):
        await store.append(batch([lease], [Stored(stream, 1, "x.y.v1", b"{}")]))
    with pytest.raises(InvalidValue):
        await store.read(stream)
    assert isinstance(await store.append(batch([lease], begin("run:1"))), Appended)


async def test_an_update_of_counts_alone_touches_no_index(
    store: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    """Such updates come with every append; touching every index each time would double its cost."""
    events = begin("run:1", 41)
    for number, event in enumerate(events):
        changed = row(
            "1", number + 1, outstanding=1 + number % 3, ready=number % 2, updated_at=number
        )
        await store.append(batch([lease], [event], index=[changed]))
    await store.close()  # a backend that ends hands in its statistics at once

    async def counted() -> tuple[int, int] | tuple[()]:
        ((updated, hot),) = await eyes.all(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'run_index'"
        )
        return (updated, hot) if updated == len(events) - 1 else ()

    seen = await until(counted, "the statistics have arrived")
    assert seen == (len(events) - 1, len(events) - 1)


async def test_a_sequence_that_was_set_back_is_a_named_bug(
    store: PostgresStore, lease: Lease, eyes: Observer
) -> None:
    await store.append(batch([lease], begin("run:1")))
    await eyes.do("SELECT setval('dalsegno.events_notification_id_seq', 1, false)")
    with pytest.raises(InvariantViolation, match="events_notification_id_idx"):
        await store.append(batch([lease], begin("run:2")))


async def test_the_insert_rate_is_measured_beside_the_log(dsn: str, eyes: Observer) -> None:
    scratch = "SELECT array_agg(datname) FROM pg_database WHERE datname LIKE 'dalsegno_scratch%%'"
    before = await eyes.value(scratch)  # the server is not ours alone
    assert await measure_insert_rate(dsn, 0.2, 10) > 0
    rate = await measure(dsn, 0.1, 3)
    assert rate.append_p50_ms <= rate.append_p99_ms
    assert await eyes.value("SELECT count(*) FROM dalsegno.events") == 0
    assert await eyes.value(scratch) == before


async def test_a_chain_of_events_is_kept_as_sealed(store: PostgresStore, lease: Lease) -> None:
    head = Head("run:1")
    await store.append(batch([lease], extend(head, 2)))
    await store.append(batch([lease], extend(head, 2)))
    assert [e.state for e in await store.read("run:1")] == [e.state for e in begin("run:1", 4)]


async def test_the_largest_batch_passes_well_within_the_timeout(
    store: PostgresStore, lease: Lease
) -> None:
    most = BatchLimits().events_max
    events = [Stored(f"run:{number}", 1, "x.y.v1", b"x" * 300) for number in range(most)]
    with anyio.fail_after(Settings(dsn="").append_timeout_s / 2):
        assert await store.append(batch([lease], events)) == Appended(position=most)


async def test_an_event_with_the_largest_definition_passes(
    store: PostgresStore, lease: Lease
) -> None:
    limits = Limits()
    state = random.randbytes(limits.definition_bytes_max + limits.net_bytes_max)
    assert len(state) < BatchLimits().bytes_max
    await store.append(batch([lease], [Stored("definition:d", 1, "x.y.v1", state)]))
    (found,) = await store.read("definition:d")
    assert found.state == state
