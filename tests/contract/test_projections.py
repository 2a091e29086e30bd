"""What every projections' store keeps to: Postgres and its twin in memory answer alike."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import psycopg
import pytest

from events.envelope import Stored
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.projections import PostgresProjections
from orchestrator.cli.cluster.projections import kept_of
from orchestrator.insight.counting.auditing import Kept, compare, fresh
from orchestrator.insight.counting.bins import Times
from orchestrator.insight.counting.fold import Gathered
from orchestrator.insight.counting.glimpse import Unread
from orchestrator.insight.counting.projections import Change, ProjectionStore, Settings
from orchestrator.insight.counting.projector import Projector
from orchestrator.insight.counting.tallies import (
    ALL,
    HOUR_S,
    MINUTE_S,
    Key,
    Label,
    NodeState,
    Tally,
)
from tests.happenings import AT, NET, random_log
from tests.logs import begin
from tests.postgres import prepare, until
from tests.projections import MemoryProjections, Shared
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.anyio

EVERYTHING = -(2**62)
KEPT = Settings(minutes_kept_s=3e8)
MINUTE = Key("task", MINUTE_S, 60_000_000, "w", "t", "n")
HOUR = Key("task", HOUR_S, 0, "w", "t", "n")


class Subject(NamedTuple):
    """A database: connections to it, a way to fill the log, and all of a generation."""

    connect: Callable[[], AbstractAsyncContextManager[ProjectionStore]]
    append: Callable[[Sequence[Stored]], Awaitable[None]]
    kept: Callable[[int], Awaitable[Kept]]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.real)])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "memory":
        return _memory()
    factory: DatabaseFactory = request.getfixturevalue("database_factory")
    return _postgres(factory(prepare))


def _memory() -> Subject:
    shared = Shared()

    async def append(events: Sequence[Stored]) -> None:
        shared.log.extend(events)

    return Subject(lambda: MemoryProjections(shared), append, MemoryProjections(shared).all)


def _postgres(dsn: str) -> Subject:
    async def append(events: Sequence[Stored]) -> None:
        columns = [(e.stream, e.version, e.type, e.state) for e in events]
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.cursor().executemany(
                "INSERT INTO dalsegno.events (originator_id, originator_version, topic, state)"
                " VALUES (%s, %s, %s, %s)",
                columns,
            )

    async def kept(number: int) -> Kept:
        async with PostgresProjected(dsn) as projected:
            found = {one.number: one for one in await projected.generations()}
            return await kept_of(projected, found[number])

    return Subject(lambda: PostgresProjections(dsn), append, kept)


@pytest.fixture
async def store(subject: Subject) -> AsyncIterator[ProjectionStore]:
    async with subject.connect() as store:
        yield store


def gathered(position: int, **parts: object) -> Gathered:
    made = Gathered()
    made.position = made.events = position
    made.recorded_at = AT
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def change(after: int, position: int, tallies: dict[Key, Tally], **parts: object) -> Change:
    return Change(generation=1, after=after, tallies=tallies, gathered=gathered(position, **parts))


async def states(store: ProjectionStore) -> list[tuple[int, int, str, int]]:
    return [(g.number, g.fold, g.state, g.position) for g in await store.generations()]


class TestTheLog:
    async def test_pages_go_by_position(self, subject: Subject, store: ProjectionStore) -> None:
        events = begin("run:1", 3)
        await subject.append(events)
        rows = await store.rows(1, 10)
        assert [(row.position, row.state) for row in rows] == [
            (2, events[1].state),
            (3, events[2].state),
        ]
        assert [row.position for row in await store.rows(0, 2)] == [1, 2]
        assert await store.rows(3, 2) == []

    async def test_a_large_event_is_read_by_itself(
        self, subject: Subject, store: ProjectionStore
    ) -> None:
        state = b'{"data":{"output":"' + b"x" * 65_600 + b'"}}'
        await subject.append([Stored("run:1", 1, "run.completed.v1", state), *begin("run:2")])
        assert [row.state is None for row in await store.rows(0, 10)] == [True, False]
        assert [row.state for row in await store.past({"run:1": 0}, 9, 9)] == [None]
        assert await store.state_of(1) == state

    async def test_the_past_of_several_runs(self, subject: Subject, store: ProjectionStore) -> None:
        await subject.append([*begin("run:a", 4), *begin("run:b", 3), *begin("run:c", 2)])
        rows = await store.past({"run:b": 0, "run:a": 1, "run:none": 0}, 6, 2)
        places = [(row.stream, row.version, row.position) for row in rows]
        assert sorted(places) == [
            ("run:a", 2, 2),
            ("run:a", 3, 3),
            ("run:b", 1, 5),
            ("run:b", 2, 6),
        ]
        assert places == sorted(places, key=lambda p: (p[0] != places[0][0], p[1]))

    async def test_nets_of_a_workflow(self, subject: Subject, store: ProjectionStore) -> None:
        await subject.append(random_log(1, 0)[:2])
        assert await store.nets("orders") == {"v1": NET}
        assert await store.nets("unknown") == {}


class TestGenerations:
    async def test_the_first_one_serves_and_the_next_is_built(self, store: ProjectionStore) -> None:
        await store.begin(7)
        await store.begin(8)
        assert await states(store) == [(1, 7, "serving", 0), (2, 8, "building", 0)]

    async def test_what_is_built_serves_when_it_is_as_far(self, store: ProjectionStore) -> None:
        await store.begin(1)
        assert await store.apply(change(0, 5, {}))
        await store.begin(1)
        assert not await store.switch(2)
        assert [state for _, _, state, _ in await states(store)] == ["serving", "building"]
        assert await store.apply(Change(generation=2, after=0, tallies={}, gathered=gathered(5)))
        assert await store.switch(2)
        assert await states(store) == [(1, 1, "retired", 5), (2, 1, "serving", 5)]
        assert not await store.switch(1)

    async def test_what_was_retired_takes_no_more_and_never_serves(
        self, store: ProjectionStore
    ) -> None:
        await store.begin(1)
        await store.begin(1)
        await store.retire(2)
        await store.retire(1)
        assert [state for _, _, state, _ in await states(store)] == ["serving", "retired"]
        assert not await store.apply(
            Change(generation=2, after=0, tallies={}, gathered=gathered(5))
        )
        assert not await store.switch(2)
        assert (await states(store))[0] == (1, 1, "serving", 0)

    async def test_rows_of_a_retired_one_go_piece_by_piece(
        self, subject: Subject, store: ProjectionStore
    ) -> None:
        await store.begin(1)
        await store.begin(1)
        tally = Tally(counts={"completed": 1})
        tallies = {MINUTE._replace(node=str(n)): tally for n in range(5)}
        await store.apply(Change(generation=2, after=0, tallies=tallies, gathered=gathered(5)))
        await store.apply(change(0, 5, tallies))
        await store.retire(2)
        turns = 0
        while not await store.remove(2, 3):
            turns += 1
        assert turns >= 1
        assert [number for number, _, _, _ in await states(store)] == [1]
        assert len((await subject.kept(1)).tallies) == 5

    async def test_one_works_until_it_has_gone(self, subject: Subject) -> None:
        async with subject.connect() as first:
            assert await first.hold()
            assert await first.hold()
            async with subject.connect() as second:
                assert not await second.hold()
        async with subject.connect() as third:
            await until(third.hold, "the server has read the farewell")


class TestBatches:
    async def test_a_batch_is_written_whole_and_once(
        self, subject: Subject, store: ProjectionStore
    ) -> None:
        await store.begin(1)
        tally = Tally(counts={"completed": 3}, times={"wait": Times()})
        tally.time("wait").take([5, 77_000, 9])
        label = Label("r1", "attribute", "amount", "2.5", 2.5, 9)
        node = NodeState(node="n", status="healthy", since=4, labels={"zone": "z\0"})
        unread = Unread(position=3, why="no\0thing")
        sent = change(0, 5, {MINUTE: tally}, labels=[label], nodes={"n": node}, unread=[unread])
        assert await store.apply(sent)
        assert not await store.apply(sent)
        found = await subject.kept(1)
        assert found.position == 5
        assert found.tallies == {MINUTE: tally}
        assert found.labels == {label}
        assert found.nodes == await store.nodes(1) == {"n": node}
        assert [one.position for one in found.unread] == [3]
        (generation,) = await store.generations()
        assert (generation.unread, generation.recorded_at) == (1, AT)

    async def test_a_batch_from_elsewhere_changes_nothing(
        self, subject: Subject, store: ProjectionStore
    ) -> None:
        await store.begin(1)
        await store.apply(change(0, 5, {MINUTE: Tally(counts={"completed": 1})}))
        other = {MINUTE: Tally(counts={"completed": 9}), HOUR: Tally(counts={"completed": 9})}
        for after in (0, 4, 6):
            assert not await store.apply(change(after, 9, other))
        assert (await subject.kept(1)).tallies == {MINUTE: Tally(counts={"completed": 1})}

    async def test_a_tally_is_what_the_last_batch_says(self, store: ProjectionStore) -> None:
        await store.begin(1)
        await store.apply(change(0, 5, {MINUTE: Tally(counts={"completed": 1})}))
        await store.apply(change(5, 6, {MINUTE: Tally(counts={"completed": 2})}))
        assert await store.tallies(1, [MINUTE, HOUR]) == {MINUTE: Tally(counts={"completed": 2})}
        assert await store.tallies(2, [MINUTE]) == {}

    async def test_old_minutes_go_and_nothing_else(
        self, subject: Subject, store: ProjectionStore
    ) -> None:
        await store.begin(1)
        keys = [MINUTE, MINUTE._replace(at=0), MINUTE._replace(kind="run"), HOUR]
        keys.append(Key("task", ALL, 0, "w", "t", "n"))
        await store.apply(change(0, 5, {key: Tally(counts={"completed": 1}) for key in keys}))
        assert await store.forget_minutes(1, 60_000_000, 9) == 1
        assert await store.forget_minutes(1, 60_000_001, 1) == 1
        assert await store.forget_minutes(1, 60_000_001, 9) == 1
        assert set((await subject.kept(1)).tallies) == set(keys[3:])


@pytest.mark.parametrize("seed", range(4))
async def test_a_projector_gives_what_a_fresh_fold_gives(subject: Subject, seed: int) -> None:
    log = random_log(seed, 30)
    await subject.append(log)
    async with subject.connect() as store:
        projector = Projector(store, Settings(batch_events_max=17, minutes_kept_s=3e8))
        while (await projector.turn()).more:
            pass
        expected = await fresh(store, len(log))
    assert compare(await subject.kept(1), expected, EVERYTHING) == []
    assert expected.tallies
    assert expected.labels
    assert expected.unread
    assert expected.nodes
