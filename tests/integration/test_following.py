"""Programs that follow the log: at least once with a name, exactly once in their own database."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from dalsegno.following import (
    Event,
    Filters,
    Following,
    Options,
    Place,
    StoredPositions,
    cloudevent,
    follow,
    following,
)
from events.envelope import Head, Stamp, Stored, seal
from events.errors import Corrupt, Fenced, Misconfigured, Rejected
from events.facts import Fact
from events.ids import run_stream
from events.policies import RunOptions
from events.run_facts import RunCompleted, RunStarted
from events.task_facts import TaskCompleted
from orchestrator.adapters.postgres.holding import Holding
from orchestrator.adapters.postgres.listening import Listening
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Lease
from orchestrator.insight.following.filters import Filter
from tests.logs import AT, batch
from tests.postgres import Observer, until, until_somebody_listens

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]
DEADLINE_S = 20.0
QUICK = Options(ttl_s=0.6, save_every_s=0.05, poll_s=0.1)
STEADY = Options(ttl_s=3.0, save_every_s=0.05, poll_s=0.1)
"""Held for longer than a busy machine stands still."""
LASTING = Options(ttl_s=60.0, save_every_s=60.0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class Writer:
    """Appends runs of three events."""

    def __init__(self, store: PostgresStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self.runs = 0

    async def write(self, runs: int = 1) -> None:
        for _ in range(runs):
            self.runs += 1
            await self._store.append(batch([self._lease], history(self.runs)))


def history(number: int) -> list[Stored]:
    head, name = Head(run_stream(f"r{number}")), "orders" if number % 2 else "census"
    options = RunOptions(tags={"n": str(number)})
    facts: list[Fact] = [
        RunStarted(run_id=f"r{number}", workflow=name, workflow_version="1", options=options),
        TaskCompleted(step="load", attempt=1, output={"n": number}),
        RunCompleted(),
    ]
    stamp = Stamp(recorded_at=AT + number * 1_000_000, actor="node:n1")
    return [seal(head, fact, f"r{number}-{at}", stamp) for at, fact in enumerate(facts)]


@pytest.fixture
async def writer(store: PostgresStore) -> Writer:
    (lease,) = await store.acquire([0], "a", 600.0)
    return Writer(store, lease)


def places(found: list[Event]) -> list[tuple[str, int]]:
    return [(one.stream, one.version) for one in found]


def runs(first: int, last: int) -> list[tuple[str, int]]:
    return [(f"run:r{n}", version) for n in range(first, last + 1) for version in (1, 2, 3)]


async def some(dsn: str, count: int, name: str = "", **more: object) -> list[Event]:
    """The first `count` events; the last of them is not said to be done."""
    found: list[Event] = []
    events = follow(dsn, name=name, **more)  # type: ignore[arg-type]
    with anyio.fail_after(DEADLINE_S):
        async with aclosing(events):
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
    return found


async def position_of(store: PostgresStore, name: str) -> int:
    (found,) = await store.subscriptions().all(name)
    return found.position


async def test_without_a_name_it_begins_where_it_is_told(dsn: str, writer: Writer) -> None:
    await writer.write(3)
    found = await some(dsn, 9)
    assert places(found) == runs(1, 3)
    assert places(await some(dsn, 4, after=found[4].position)) == runs(1, 3)[5:]
    later = Filters(since=datetime.fromtimestamp(AT / 1e6 + 2, UTC))
    assert places(await some(dsn, 6, filters=later)) == runs(2, 3)


async def test_an_event_says_what_it_is(dsn: str, writer: Writer) -> None:
    await writer.write()
    started, done, _ = await some(dsn, 3)
    assert (done.log, done.type, done.run_id) == ("main", "task.completed.v1", "r1")
    assert (done.workflow, done.step, done.node) == ("orders", "load", "n1")
    assert dict(done.tags) == {"n": "1"}
    assert done.data == {"step": "load", "attempt": 1, "output": {"n": 1}}
    assert isinstance(done.fact, TaskCompleted)
    assert done.recorded_at == datetime.fromtimestamp(AT / 1e6 + 1, UTC)
    assert (done.id, done.actor, done.trouble) == ("r1-1", "node:n1", "")
    assert cloudevent(done)["type"] == "dalsegno.task.completed.v1"
    assert started.position < done.position


async def test_one_that_cannot_be_read_comes_with_its_trouble(
    dsn: str, writer: Writer, eyes: Observer
) -> None:
    await writer.write()
    await eyes.do("UPDATE dalsegno.events SET state = '{' WHERE originator_version = 2")
    _, damaged, last = await some(dsn, 3)
    assert "event 2 of run:r1" in damaged.trouble
    assert (damaged.stream, damaged.type) == ("run:r1", "task.completed.v1")
    assert damaged.stored_bytes == b"{"
    with pytest.raises(Corrupt):
        assert damaged.data
    assert last.trouble == ""


async def test_with_a_name_it_goes_on_and_what_was_not_done_comes_again(
    dsn: str, writer: Writer, store: PostgresStore
) -> None:
    await writer.write(3)
    first = await some(dsn, 4, "billing", options=LASTING)
    assert await position_of(store, "billing") == first[2].position
    assert places(await some(dsn, 6, "billing")) == runs(1, 3)[3:]


async def test_the_position_is_saved_while_events_come(
    dsn: str, writer: Writer, store: PostgresStore
) -> None:
    await writer.write(3)
    async with aclosing(follow(dsn, name="billing", options=QUICK)) as events:
        first = await anext(events)
        await anyio.sleep(2 * QUICK.save_every_s)
        await anext(events)
        assert await position_of(store, "billing") == first.position


async def test_a_position_moves_on_over_what_is_not_wanted(
    dsn: str, writer: Writer, store: PostgresStore
) -> None:
    await writer.write(2)
    wanted = Filters(runs=["r9"])

    async def moved() -> bool:
        return await position_of(store, "billing") == await store.last_position()

    async with (
        following(dsn, name="billing", filters=wanted, options=QUICK) as events,
        anyio.create_task_group() as group,
    ):
        group.start_soon(_drain, events)
        await until(moved, "the position is at the end")
        group.cancel_scope.cancel()


async def _drain(events: Following) -> None:
    async for _ in events:
        pass


async def test_appends_wake_it_without_nats(dsn: str, writer: Writer, store: PostgresStore) -> None:
    never = Options(poll_s=3600.0)
    async with anyio.create_task_group() as group:
        group.start_soon(store.keep_subscribers_awake)
        async with aclosing(follow(dsn, options=never)) as events:
            with anyio.fail_after(DEADLINE_S):
                for number in range(1, 4):
                    group.start_soon(_write_when_it_listens, dsn, writer)
                    found = [await anext(events) for _ in range(3)]
                    assert places(found) == runs(number, number)
        group.cancel_scope.cancel()


async def _write_when_it_listens(dsn: str, writer: Writer) -> None:
    await until_somebody_listens(dsn)
    await writer.write()


async def test_a_log_that_cannot_be_heard_is_looked_at_now_and_then(dsn: str) -> None:
    """Neither at once again and again, nor never."""
    listening = Listening({"main": Settings(dsn="postgresql://127.0.0.1:1/none")})
    with anyio.move_on_after(0.2) as scope:
        await listening.wait({"main": 0}, 3600.0)
    assert scope.cancelled_caught
    with anyio.fail_after(DEADLINE_S):
        assert not await listening.wait({"main": 0}, 0.2)
    await listening.close()


HANDBOOK = Path(__file__).parents[2] / "docs/howto/follow-the-events.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", HANDBOOK.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=["named", "once"])
async def test_the_programs_of_the_handbook_work(
    dsn: str, writer: Writer, store: PostgresStore, eyes: Observer, program: str
) -> None:
    await writer.write(3)
    await eyes.do("CREATE TABLE bills (run_id text)")
    names: dict[str, Any] = {}
    exec(program.replace("anyio.run(main)", ""), names)  # noqa: S102 -- our own handbook
    names |= {"URL": dsn, "OWN": dsn}

    running = asyncio.create_task(names["main"]())

    async def is_done() -> bool:
        if running.done():
            return True
        if "OWN" in program:
            return await eyes.value("SELECT count(*) FROM bills") == 9
        found = await store.subscriptions().all("billing")
        return bool(found) and found[0].position == await store.last_position()

    await until(is_done, "the program has read all there is")
    running.cancel()  # once, as Ctrl-C does: a scope would also break off the driver's farewell
    with pytest.raises(asyncio.CancelledError):
        await running


class TestTwoOfOneName:
    async def test_the_second_begins_when_the_first_has_left(
        self, dsn: str, writer: Writer
    ) -> None:
        await writer.write(2)
        seen: list[Event] = []

        async def stand_by() -> None:
            seen.extend(await some(dsn, 3, "billing", options=STEADY))

        async with (
            anyio.create_task_group() as group,
            aclosing(follow(dsn, name="billing", options=STEADY)) as events,
        ):
            first = [await anext(events) for _ in range(4)]
            group.start_soon(stand_by)
            await anyio.sleep(0.5)
            assert not seen
        assert places(first) == runs(1, 2)[:4]
        assert places(seen) == runs(1, 2)[3:]

    async def test_one_that_was_silent_for_too_long_is_fenced(
        self, dsn: str, writer: Writer
    ) -> None:
        await writer.write(2)
        async with aclosing(follow(dsn, name="billing", options=QUICK)) as silent:
            first = [await anext(silent)]
            second = await some(dsn, 6, "billing", options=QUICK)
            assert places(second) == runs(1, 2)
            with pytest.raises(Fenced, match="billing has another reader"):
                await anext(silent)
        assert places(first) == runs(1, 2)[:1]

    async def test_a_handler_that_takes_long_keeps_its_hold(self, dsn: str, writer: Writer) -> None:
        await writer.write()
        async with (
            following(dsn, name="billing", options=STEADY) as events,
            aclosing(events.events()) as found,
        ):
            await anext(found)
            with anyio.move_on_after(STEADY.ttl_s + 1.0) as scope:
                await some(dsn, 1, "billing", options=STEADY)
            assert scope.cancelled_caught
            await anext(found)

    async def test_a_subscription_that_is_set_anew_fences_its_reader(
        self, dsn: str, writer: Writer, store: PostgresStore
    ) -> None:
        await writer.write(2)
        async with (
            following(dsn, name="billing", options=QUICK) as events,
            aclosing(events.events()) as found,
        ):
            for _ in range(4):
                await anext(found)
            await store.subscriptions().reset("billing", 0, Filter())
            await anyio.sleep(2 * QUICK.save_every_s)
            with pytest.raises(Fenced):
                await anext(found)
        assert await position_of(store, "billing") == 0
        assert places(await some(dsn, 6, "billing")) == runs(1, 2)

    async def test_while_the_database_is_silent_nothing_is_handed_out_beyond_the_hold(
        self, store: PostgresStore, eyes: Observer
    ) -> None:
        """The row is locked, so that no renewal comes through."""
        holding = Holding("billing", {"main": store}, 0.3, 0.1)
        await holding.make(None, lambda log: 0)
        assert await holding.acquire()
        async with eyes.connection.transaction():
            await eyes.do("SELECT FROM dalsegno.subscription FOR UPDATE")
            await anyio.sleep(0.3)
            with anyio.move_on_after(0.2) as scope:
                await holding.require("main")
            assert scope.cancelled_caught
        with anyio.fail_after(DEADLINE_S):
            await holding.require("main")
        await holding.release()


class TestRefusals:
    async def test_other_events_than_those_of_the_subscription(
        self, dsn: str, writer: Writer
    ) -> None:
        await writer.write(2)
        orders = Filters(workflows=["orders"], types=["run.*"])
        assert len(await some(dsn, 2, "billing", filters=orders)) == 2
        with pytest.raises(Rejected, match=r'for other events, \{"types":'):
            await some(dsn, 1, "billing", filters=Filters())
        assert len(await some(dsn, 1, "billing")) == 1

    async def test_what_can_want_nothing(self, dsn: str) -> None:
        with pytest.raises(Rejected, match=r"did you mean run\.completed"):
            await some(dsn, 1, filters=Filters(types=["run.complete"]))

    @pytest.mark.parametrize("name", [" billing", "a\nb", "x" * 201])
    async def test_a_name_that_is_none(self, dsn: str, name: str) -> None:
        with pytest.raises(Misconfigured, match="printable characters without space"):
            await some(dsn, 1, name)

    async def test_a_place_that_has_another_history(self, dsn: str, writer: Writer) -> None:
        await writer.write(2)
        assert places(await some(dsn, 3, after={"main": Place(3)})) == runs(2, 2)
        with pytest.raises(Rejected, match="restored from a backup"):
            await some(dsn, 1, after={"main": Place(3, 1, "another")})
        with pytest.raises(Misconfigured, match="after names a log west: expected main"):
            await some(dsn, 1, after={"west": 3})

    async def test_a_time_without_its_zone(self, dsn: str) -> None:
        with pytest.raises(ValueError, match="no time zone"):
            await some(dsn, 1, filters=Filters(since=datetime(2026, 1, 1)))  # noqa: DTZ001


class TestExactlyOnce:
    """In the consumer's own database, which here is another schema of the same."""

    @pytest.fixture
    async def own(self, dsn: str) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute("CREATE TABLE seen (stream text, version bigint)")
            await StoredPositions("billing").create(connection)
            await StoredPositions("billing").create(connection)
            yield connection

    async def consume(
        self, dsn: str, own: psycopg.AsyncConnection[tuple[object, ...]], fails_at: int = 0
    ) -> None:
        """Until it has all that is there; `fails_at`: in the middle of the transaction."""
        positions, count = StoredPositions("billing"), 0
        async with (
            following(dsn, after=await positions.load(own)) as events,
            aclosing(events.batches()) as batches,
        ):
            one = await anext(batches)
            async with own.transaction():
                for event in one.events:
                    count += 1
                    values = (event.stream, event.version)
                    await own.execute("INSERT INTO seen VALUES (%s, %s)", values)
                    if count == fails_at:
                        raise RuntimeError("power failure")
                await positions.advance(own, one.log, one.after, one.place)

    async def test_what_an_event_does_and_the_position_are_one_commit(
        self, dsn: str, writer: Writer, own: psycopg.AsyncConnection[tuple[object, ...]]
    ) -> None:
        await writer.write(2)
        with pytest.raises(RuntimeError):
            await self.consume(dsn, own, fails_at=4)
        await self.consume(dsn, own)
        await writer.write(1)
        await self.consume(dsn, own)
        rows = await (await own.execute("SELECT stream, version FROM seen")).fetchall()
        assert sorted(rows) == runs(1, 3)

    async def test_of_two_the_second_is_refused(
        self, dsn: str, writer: Writer, own: psycopg.AsyncConnection[tuple[object, ...]]
    ) -> None:
        await writer.write()
        positions = StoredPositions("billing")
        await self.consume(dsn, own)

        async def twice() -> None:
            async with own.transaction():
                await own.execute("INSERT INTO seen VALUES ('twice', 1)")
                await positions.advance(own, "main", 0, Place(3))

        with pytest.raises(Fenced, match="not at position 0 of log main any more"):
            await twice()
        rows = await (await own.execute("SELECT stream, version FROM seen")).fetchall()
        assert sorted(rows) == runs(1, 1)
        assert (await positions.load(own))["main"].batch == 1

    def test_a_consumer_has_a_name(self) -> None:
        with pytest.raises(Misconfigured, match="expected 1 to 200"):
            StoredPositions("")
