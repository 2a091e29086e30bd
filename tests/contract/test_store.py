"""What every store keeps to: Postgres and its twin in memory answer alike."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, Protocol

import anyio
import psycopg
import pytest

from events.envelope import Head, Stored
from events.limits import BatchLimits
from events.references import Payload
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import (
    Appended,
    Batch,
    Conflicted,
    FencedOff,
    IndexRow,
    Lease,
    Store,
)
from orchestrator.errors import Corrupt, InvariantViolation
from orchestrator.replay.audit.log_batches import LogBatch
from tests.logs import AT, batch, begin, continued, extend, row, run_batch
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.anyio

TTL_S = 30.0
LIMITS = BatchLimits(events_max=50, bytes_max=100_000, streams_max=40)


class AuditedStore(Store, Protocol):
    """The port, and what audits use beside it."""

    async def index_rows(self, after: str = "", limit: int = 1000) -> list[IndexRow]: ...

    async def replace_index_rows(self, rows: list[IndexRow]) -> list[str]: ...

    async def drop_stray_index_rows(self) -> list[str]: ...

    async def stream_names(
        self, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[str]: ...

    async def last_position(self) -> int: ...

    async def read_batches(self, after: int = 0, limit: int = 1000) -> list[LogBatch]: ...


class Subject(NamedTuple):
    """A store, and a way to let the leases of a shard run out."""

    store: AuditedStore
    expire: Callable[[int], Awaitable[None]]


def prepare(dsn: str) -> None:
    migrate(dsn)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that a coordinator runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.real)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield _memory()
        return
    factory: DatabaseFactory = request.getfixturevalue("database_factory")
    dsn = factory(prepare)
    async with await PostgresStore.open(dsn, LIMITS) as store:
        yield Subject(store, _expiry(dsn))


def _memory() -> Subject:
    clock = [AT]

    async def expire(_shard: int) -> None:
        clock[0] += int(TTL_S * 1_000_000)

    return Subject(MemoryStore(MemoryLog(lambda: clock[0], LIMITS)), expire)


def _expiry(dsn: str) -> Callable[[int], Awaitable[None]]:
    async def expire(shard: int) -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute(
                "UPDATE dalsegno.shard_lease SET expires_at = clock_timestamp() WHERE shard = %s",
                (shard,),
            )

    return expire


@pytest.fixture
def store(subject: Subject) -> AuditedStore:
    return subject.store


@pytest.fixture
async def lease(store: AuditedStore) -> Lease:
    (lease,) = await store.acquire([0], "a", TTL_S)
    return lease


def places(events: list[Stored]) -> list[tuple[str, int]]:
    return [(event.stream, event.version) for event in events]


class TestAppend:
    async def test_keeps_events_with_place_type_and_bytes(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        events = begin("run:1", 3)
        outcome = await store.append(batch([lease], events))
        found = await store.read("run:1")
        assert [(e.stream, e.version, e.type, e.state) for e in found] == [
            (e.stream, e.version, e.type, e.state) for e in events
        ]
        assert outcome == Appended(position=found[-1].position or -1)

    async def test_orders_the_log_as_batches_and_events_came(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        await store.append(batch([lease], begin("run:z", 2), begin("node:a")))
        await store.append(batch([lease], begin("run:a"), continued("run:z", 3)))
        log = await store.read_log()
        assert places(log) == [
            ("run:z", 1),
            ("run:z", 2),
            ("node:a", 1),
            ("run:a", 1),
            ("run:z", 3),
        ]
        positions = [event.position or 0 for event in log]
        assert positions == sorted(set(positions))
        assert await store.last_position() == positions[-1]

    async def test_reads_in_pages(self, store: AuditedStore, lease: Lease) -> None:
        await store.append(batch([lease], begin("run:1", 5)))
        assert places(await store.read("run:1", after=2, limit=2)) == [("run:1", 3), ("run:1", 4)]
        log = await store.read_log(limit=2)
        rest = await store.read_log(after=log[-1].position or 0)
        assert places(log + rest) == places(await store.read_log())

    async def test_many_streams_are_read_at_one_time(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        """Short ones, one that is longer than is brought at once, and none; each from its place."""
        lengths = {"run:1": 2, "run:2": 120, "run:3": 50, "run:none": 0}
        for stream, length in lengths.items():
            head = Head(stream)
            while head.version < length:
                await store.append(batch([lease], extend(head, min(40, length - head.version))))
        found: dict[tuple[str, int], list[tuple[str, int]]] = {}

        async def read(stream: str, after: int) -> None:
            found[stream, after] = places(await store.read(stream, after))

        async with anyio.create_task_group() as group:
            for stream in lengths:
                for after in (0, 1, 70):
                    group.start_soon(read, stream, after)
        for (stream, after), events in found.items():
            assert events == [(stream, n) for n in range(after + 1, lengths[stream] + 1)]

    async def test_an_unknown_stream_is_empty(self, store: AuditedStore) -> None:
        assert await store.read("run:none") == []
        assert await store.read_log() == []
        assert await store.last_position() == 0

    async def test_a_taken_version_is_a_conflict_of_its_stream_only(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        await store.append(batch([lease], begin("run:1"), begin("run:2")))
        late = batch([lease], begin("run:1", by="b"), begin("run:3"), index=[row("3")])
        assert await store.append(late) == Conflicted(streams=("run:1",))
        assert await store.read("run:3") == []
        assert await store.index_row("3") is None

    async def test_all_conflicting_streams_are_named(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        await store.append(batch([lease], begin("run:1"), begin("run:2"), begin("run:3")))
        late = batch([lease], *(begin(f"run:{n}", by="b") for n in (3, 1)), begin("run:4"))
        assert await store.append(late) == Conflicted(streams=("run:1", "run:3"))

    async def test_a_batch_that_is_there_already_has_been_appended(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        once = batch([lease], begin("run:1", 2), begin("run:2"))
        first = await store.append(once)
        await store.append(batch([lease], begin("run:3")))
        assert await store.append(once) == first
        assert len(await store.read_log()) == 4

    async def test_writes_the_index_rows_with_the_events(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        begun = row("1", next_due_at=AT, outstanding=1, ready=2, started_at=5, updated_at=6)
        await store.append(run_batch([lease], begun))
        assert await store.index_row("1") == begun
        ended = row("1", 2, status="completed", started_at=5, updated_at=7)
        await store.append(batch([lease], continued("run:1", 2), index=[ended]))
        assert await store.index_row("1") == ended

    async def test_a_large_batch_keeps_its_order(self, store: AuditedStore, lease: Lease) -> None:
        many = [begin(f"run:{n}") for n in (7, 3, 39, 0, 21, 12, 5)]
        await store.append(batch([lease], *many))
        assert places(await store.read_log()) == [place for e in many for place in places(e)]


class TestRefusal:
    @pytest.mark.parametrize(
        "offence",
        ["no events", "no lease", "a shard twice", "two index rows", "events end at", "after 1"],
    )
    async def test_a_malformed_batch_is_a_bug(
        self, store: AuditedStore, lease: Lease, offence: str
    ) -> None:
        with pytest.raises(InvariantViolation, match=offence):
            await store.append(self._malformed(offence, lease))
        assert await store.read_log() == []

    def _malformed(self, offence: str, lease: Lease) -> Batch:
        events = begin("run:1")
        return {
            "no events": batch([lease]),
            "no lease": batch([], events),
            "a shard twice": batch([lease, lease], events),
            "two index rows": batch([lease], events, index=[row("1"), row("1")]),
            "events end at": batch([lease], events, index=[row("1", 2)]),
            "after 1": batch([lease], events, continued("run:1", 3)),
        }[offence]

    @pytest.mark.parametrize("size", ["51 events", "bytes", "41 streams"])
    @pytest.mark.edge("BatchLimits.events_max")
    @pytest.mark.edge("BatchLimits.bytes_max")
    @pytest.mark.edge("BatchLimits.streams_max")
    async def test_a_batch_over_a_limit_is_refused_with_the_limit(
        self, store: AuditedStore, lease: Lease, size: str
    ) -> None:
        too_large = {
            "51 events": batch([lease], begin("run:1", 51)),
            "bytes": batch([lease], [Stored("run:1", 1, "x.y.v1", b"x" * 100_001)]),
            "41 streams": batch([lease], *(begin(f"run:{n}") for n in range(41))),
        }[size]
        with pytest.raises(InvariantViolation, match=f"{size}.*split"):
            await store.append(too_large)

    async def test_a_hole_in_a_stream_is_refused(self, store: AuditedStore, lease: Lease) -> None:
        await store.append(batch([lease], begin("run:1")))
        with pytest.raises(InvariantViolation, match="hole in run:1"):
            await store.append(batch([lease], begin("run:2"), continued("run:1", 3)))
        assert await store.read("run:2") == []


class TestLanded:
    async def test_says_whether_a_batch_is_in_the_log(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        ours, theirs = batch([lease], begin("run:1", 2)), batch([lease], begin("run:1", by="b"))
        assert not await store.landed(ours)
        await store.append(ours)
        assert await store.landed(ours)
        assert not await store.landed(theirs)


class TestLeases:
    async def test_each_shard_has_one_holder(self, store: AuditedStore) -> None:
        first = await store.acquire([2, 1], "a", TTL_S)
        assert [(o.shard, o.holder) for o in first] == [(1, "a"), (2, "a")]
        (other,) = await store.acquire([1, 2, 3], "b", TTL_S)
        assert (other.shard, other.holder) == (3, "b")

    async def test_an_expired_one_is_taken_with_the_next_epoch(self, subject: Subject) -> None:
        (first,) = await subject.store.acquire([1], "a", TTL_S)
        await subject.expire(1)
        (taken,) = await subject.store.acquire([1], "b", TTL_S)
        assert (taken.shard, taken.holder) == (1, "b")
        assert taken.epoch > first.epoch

    async def test_a_holder_that_comes_back_takes_its_own_with_the_next_epoch(
        self, store: AuditedStore
    ) -> None:
        old = await store.acquire([1], "a", TTL_S)
        new = await store.acquire([1], "a", TTL_S)
        assert [lease.epoch > old[0].epoch for lease in new] == [True]
        assert await store.renew(old, "a", TTL_S) == []

    async def test_a_released_one_is_free_and_its_epoch_never_comes_again(
        self, store: AuditedStore
    ) -> None:
        last = 0
        for holder in ("a", "b", "a"):
            (lease,) = await store.acquire([1], holder, TTL_S)
            assert (lease.shard, lease.holder) == (1, holder)
            assert lease.epoch > last
            last = lease.epoch
            await store.release([lease], holder)

    async def test_a_new_owner_is_told_for_how_long_the_word_of_the_last_one_holds(
        self, subject: Subject
    ) -> None:
        store = subject.store
        (never,) = await store.acquire([1], "a", TTL_S)
        (again,) = await store.acquire([1], "a", TTL_S)
        await store.release([again], "a")
        (released,) = await store.acquire([1], "b", TTL_S)
        await subject.expire(1)
        (expired,) = await store.acquire([1], "c", TTL_S)
        assert (never.granted_s, expired.granted_s) == (0, 0)
        assert TTL_S - 5 < again.granted_s <= TTL_S
        assert TTL_S - 5 < released.granted_s <= TTL_S

    async def test_renewing_extends_what_is_still_ours(self, subject: Subject) -> None:
        store = subject.store
        leases = await store.acquire([1, 2], "a", TTL_S)
        await subject.expire(1)
        await store.acquire([1], "b", TTL_S)
        assert [lease.shard for lease in await store.renew(leases, "a", TTL_S)] == [2]
        await subject.expire(2)
        assert [lease.shard for lease in await store.renew(leases, "a", TTL_S)] == [2]
        assert await store.acquire([2], "b", TTL_S) == []

    async def test_nobody_releases_what_another_holds(self, subject: Subject) -> None:
        store = subject.store
        stale = await store.acquire([1], "a", TTL_S)
        await subject.expire(1)
        await store.acquire([1], "b", TTL_S)
        await store.release(stale, "a")
        assert await store.acquire([1], "c", TTL_S) == []

    async def test_no_more_are_taken_than_asked_for(self, store: AuditedStore) -> None:
        assert [o.shard for o in await store.acquire([3, 1, 2], "a", TTL_S, most=2)] == [1, 2]
        assert [o.shard for o in await store.acquire([1, 2, 3], "b", TTL_S, most=2)] == [3]
        assert await store.acquire([1, 2, 3], "c", TTL_S, most=0) == []

    async def test_who_attends_is_told_who_else_does(self, store: AuditedStore) -> None:
        assert await store.attend("b", TTL_S) == ["b"]
        assert await store.attend("a", TTL_S) == ["a", "b"]
        assert await store.attend("c", 0.0) == ["a", "b", "c"]
        assert await store.attend("b", TTL_S) == ["a", "b"], "the time of c has ended"
        await store.leave("a")
        await store.leave("a")
        assert await store.attend("b", TTL_S) == ["b"]

    async def test_nothing_asked_for_is_nothing_done(self, store: AuditedStore) -> None:
        assert await store.acquire([], "a", TTL_S) == []
        assert await store.renew([], "a", TTL_S) == []
        await store.release([], "a")


class TestFencing:
    async def test_a_stale_owner_is_refused_and_the_new_one_not_disturbed(
        self, subject: Subject
    ) -> None:
        store = subject.store
        stale = await store.acquire([1], "a", TTL_S)
        await store.append(batch(stale, begin("run:1")))
        await subject.expire(1)
        current = await store.acquire([1], "b", TTL_S)
        late = batch(stale, continued("run:1", 2), index=[row("1", 2)])
        assert await store.append(late) == FencedOff(shards=(1,))
        assert await store.index_row("1") is None
        new = batch(current, continued("run:1", 2, by="b"))
        assert isinstance(await store.append(new), Appended)
        assert len(await store.read_log()) == 2

    async def test_one_stale_shard_holds_up_the_whole_batch(self, subject: Subject) -> None:
        store = subject.store
        stale = await store.acquire([1, 2, 3], "a", TTL_S)
        await subject.expire(2)
        await store.acquire([2], "b", TTL_S)
        assert await store.append(batch(stale, begin("run:1"))) == FencedOff(shards=(2,))
        assert await store.read_log() == []

    async def test_a_shard_that_was_never_acquired_is_fenced(self, store: AuditedStore) -> None:
        lease = Lease(shard=9, epoch=1)
        assert await store.append(batch([lease], begin("run:1"))) == FencedOff(shards=(9,))

    async def test_an_epoch_from_the_future_is_fenced(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        future = Lease(shard=lease.shard, epoch=lease.epoch + 1)
        assert await store.append(batch([future], begin("run:1"))) == FencedOff(shards=(0,))

    async def test_a_stale_owner_hears_that_rather_than_of_a_conflict(
        self, subject: Subject
    ) -> None:
        store = subject.store
        stale = await store.acquire([1], "a", TTL_S)
        await subject.expire(1)
        current = await store.acquire([1], "b", TTL_S)
        await store.append(batch(current, begin("run:1", by="b")))
        assert await store.append(batch(stale, begin("run:1"))) == FencedOff(shards=(1,))

    async def test_an_expired_lease_that_nobody_took_still_appends(self, subject: Subject) -> None:
        store = subject.store
        leases = await store.acquire([1], "a", TTL_S)
        await subject.expire(1)
        assert isinstance(await store.append(batch(leases, begin("run:1"))), Appended)


class TestIndex:
    async def test_due_runs_come_earliest_first_and_only_open_ones_of_our_shards(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        rows = [
            row("late", next_due_at=30),
            row("early", next_due_at=10),
            row("b", next_due_at=20),
            row("a", next_due_at=20),
            row("ended", next_due_at=10, status="failed"),
            row("theirs", next_due_at=10, shard=1),
            row("none"),
        ]
        await store.append(run_batch([lease], *rows))
        due = await store.due_runs([0], 20, 10)
        assert [item.run_id for item in due] == ["early", "a", "b"]
        assert [item.run_id for item in await store.due_runs([0, 1], 30, 2)] == ["early", "theirs"]
        assert await store.due_runs([], 30, 2) == []
        later = await store.due_runs([0], 30, 10, after=(20, "a"))
        assert [item.run_id for item in later] == ["b", "late"]
        assert [i.run_id for i in await store.due_runs([0], 30, 1, after=(10, "z"))] == ["a"]

    async def test_active_runs_have_attempts_or_ready_tasks_and_are_not_only_paused(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        rows = [
            row("d", ready=1),
            row("a", outstanding=1),
            row("B", outstanding=1),
            row("idle"),
            row("ended", ready=1, status="cancelled"),
            row("theirs", ready=1, shard=1),
            row("c", outstanding=1, ready=1, status="paused"),
            row("paused", ready=1, status="paused"),
        ]
        await store.append(run_batch([lease], *rows))
        assert [r.run_id for r in await store.active_runs([0], "", 10)] == ["B", "a", "c", "d"]
        assert [r.run_id for r in await store.active_runs([0, 1], "c", 10)] == ["d", "theirs"]
        assert [r.run_id for r in await store.active_runs([0], "", 1)] == ["B"]

    async def test_a_parent_is_active_when_fewer_children_are_open_than_it_waits_for(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        rows = [
            row("tended", calls=2),
            row("one", parent="tended"),
            row("two", parent="tended", calls=1),
            row("grandchild", parent="two"),
            row("told late", calls=1),
            row("ended", parent="told late", status="completed"),
            row("alone", calls=1),
            row("over", calls=1, status="completed"),
            row("orphan", parent="nobody"),
            row("theirs", calls=1, shard=1),
            row("busy", calls=1, outstanding=1),
        ]
        await store.append(run_batch([lease], *rows))
        active = await store.active_runs([0], "", 10)
        assert [item.run_id for item in active] == ["alone", "busy", "told late"]
        assert [(item.calls, item.parent) for item in active] == [(1, "")] * 3
        assert [i.run_id for i in await store.active_runs([0], "alone", 1)] == ["busy"]
        assert [i.run_id for i in await store.active_runs([0, 1], "b", 2)] == ["busy", "theirs"]
        kept = await store.index_row("two")
        assert kept == row("two", parent="tended", calls=1)

    async def test_children_that_no_parent_waits_for_are_strays(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        rows = [
            row("tended", calls=1),
            row("one", parent="tended"),
            row("gone", status="failed"),
            row("left", parent="gone"),
            row("ended", parent="gone", status="completed"),
            row("restored", calls=1),
            row("old", parent="restored"),
            row("new", parent="restored", outstanding=1),
            row("unknown", parent="nobody"),
        ]
        await store.append(run_batch([lease], *rows))
        strays = await store.stray_children([0], 10)
        assert sorted(item.run_id for item in strays) == ["left", "new", "old"]
        assert len(await store.stray_children([0], 1)) == 1
        assert await store.stray_children([1], 10) == []

    async def test_an_imported_run_is_nobodys_to_work_on(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        due = {"next_due_at": 1, "outstanding": 1, "ready": 1}
        await store.append(run_batch([lease], row("ours", **due), row("theirs", shard=-1, **due)))
        everything = list(range(8))
        assert [r.run_id for r in await store.active_runs(everything, "", 9)] == ["ours"]
        assert [r.run_id for r in await store.due_runs(everything, 9, 9)] == ["ours"]
        ends = [await store.end_of(run_id) for run_id in ("ours", "theirs")]
        assert [end.imported for end in ends if end is not None] == [False, True]

    async def test_a_lost_row_is_written_again_only_from_the_whole_stream(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        await store.append(batch([lease], begin("run:1", 2), begin("run:2")))
        stale, current, stray = row("1", 1), row("2"), row("3")
        assert await store.replace_index_rows([stale, current, stray]) == ["2"]
        assert await store.index_rows() == [current]
        assert await store.replace_index_rows([row("1", 2, status="paused")]) == ["1"]
        assert [r.run_id for r in await store.index_rows()] == ["1", "2"]
        assert [r.run_id for r in await store.index_rows("1", 1)] == ["2"]

    async def test_rows_without_a_stream_are_found(self, store: AuditedStore, lease: Lease) -> None:
        await store.append(run_batch([lease], row("1")))
        assert await store.drop_stray_index_rows() == []
        assert [r.run_id for r in await store.index_rows()] == ["1"]

    async def test_streams_are_listed_by_prefix(self, store: AuditedStore, lease: Lease) -> None:
        names = ["run:b", "node:1", "run:a", "run:é", "runs", "run:B"]
        await store.append(batch([lease], *(begin(name, 2) for name in names)))
        assert await store.stream_names("run:") == ["run:B", "run:a", "run:b", "run:é"]
        assert await store.stream_names("run:", "run:a", 1) == ["run:b"]
        assert await store.stream_names() == sorted(names)


class TestPayloads:
    async def test_keeps_bytes_under_their_hash(self, store: AuditedStore) -> None:
        one, other = Payload.of(b"[1, 2]"), Payload.of(bytes(range(256)) * 5000)
        await store.put_payloads([one, other])
        assert await store.load_payload(one.hash) == one.data
        assert await store.load_payload(other.hash) == other.data

    async def test_what_was_never_stored_is_none(self, store: AuditedStore) -> None:
        assert await store.load_payload(Payload.of(b"never").hash) is None

    async def test_the_same_again_changes_nothing(self, store: AuditedStore) -> None:
        one = Payload.of(b"[]")
        await store.put_payloads([one, one])
        await store.put_payloads([one])
        assert await store.load_payload(one.hash) == one.data

    async def test_other_bytes_than_the_hash_says_are_damaged(self, store: AuditedStore) -> None:
        await store.put_payloads([Payload(hash="0" * 64, data=b"[]")])
        with pytest.raises(Corrupt, match="another hash"):
            await store.load_payload("0" * 64)

    async def test_many_writers_of_the_same_do_not_block_each_other(
        self, store: AuditedStore
    ) -> None:
        payloads = [Payload.of(str(number).encode()) for number in range(50)]
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for turned in (payloads, payloads[::-1], payloads, payloads[::-1]):
                    group.start_soon(store.put_payloads, turned)
        assert await store.load_payload(payloads[7].hash) == b"7"


async def test_a_page_of_zero_is_empty(store: AuditedStore, lease: Lease) -> None:
    await store.append(batch([lease], begin("run:1")))
    assert await store.read("run:1", limit=0) == []
