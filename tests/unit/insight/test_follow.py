"""Following the log: every event once and in order, whatever the bell does."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest

from events.envelope import Stored
from events.errors import Unavailable
from orchestrator.insight.follow import PAGE, Bell, follow, pages

pytestmark = pytest.mark.anyio
NEVER_S = 3600.0
DEADLINE_S = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Log:
    """A log whose positions have gaps. `troubles`: reads that fail before the next succeeds."""

    def __init__(self) -> None:
        self.events: list[Stored] = []
        self.position = 0
        self.reads = 0
        self.troubles = 0
        self.during_read: list[int] = []
        """Events that are appended, and announced, while the next read is under way."""
        self.bell = Bell()

    def grow(self, count: int = 1, *, announced: bool = True) -> None:
        for _ in range(count):
            self.position += random.randint(1, 3)
            event = Stored("run:1", len(self.events) + 1, "x", b"", self.position)
            self.events.append(event)
        if announced:
            self.bell.ring(self.position)

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        self.reads += 1
        if self.troubles:
            self.troubles -= 1
            raise Unavailable("the store is away")
        found = [e for e in self.events if (e.position or 0) > after][:limit]
        while self.during_read:
            self.grow(self.during_read.pop())
        await anyio.lowlevel.checkpoint()
        return found


@pytest.fixture
def log() -> Log:
    return Log()


def following(
    log: Log, after: int = 0, poll_s: float = NEVER_S, told: list[Unavailable] | None = None
) -> AsyncGenerator[list[Stored]]:
    notes = [] if told is None else told
    found = follow(log, after, log.bell, notes.append, poll_s)
    assert isinstance(found, AsyncGenerator)
    return found


async def versions(found: AsyncGenerator[list[Stored]], count: int) -> list[int]:
    """Those of the next `count` events."""
    seen: list[int] = []
    with anyio.fail_after(DEADLINE_S):
        while len(seen) < count:
            seen += [event.version for event in await anext(found)]
    return seen


async def test_what_is_there_comes_in_pages_and_ends(log: Log) -> None:
    log.grow(2 * PAGE + 1)
    sizes = [len(page) async for page in pages(log, 0)]
    assert sizes == [PAGE, PAGE, 1]
    assert [page async for page in pages(log, log.position)] == []


async def test_a_bell_wakes_at_once(log: Log) -> None:
    log.grow(2)
    async with aclosing(following(log)) as found:
        assert await versions(found, 2) == [1, 2]
        log.grow(1)
        assert await versions(found, 1) == [3]


async def test_a_bell_that_rings_during_a_read_is_heard_after_it(log: Log) -> None:
    log.grow(1)
    log.during_read = [2]
    async with aclosing(following(log)) as found:
        assert await versions(found, 3) == [1, 2, 3]


async def test_without_a_bell_the_log_is_looked_at_now_and_then(log: Log) -> None:
    async with aclosing(following(log, poll_s=0.001)) as found:
        log.grow(3, announced=False)
        assert await versions(found, 3) == [1, 2, 3]
        log.grow(1, announced=False)
        assert await versions(found, 1) == [4]


async def test_late_and_false_bells_bring_nothing_twice_and_no_busy_loop(log: Log) -> None:
    log.grow(3)
    async with aclosing(following(log)) as found:
        await versions(found, 3)
        log.bell.ring(1)
        log.bell.ring(log.position + 1000)
        reads = log.reads
        async with anyio.create_task_group() as group:
            group.start_soon(_grow_after, log, reads + 1)
            assert await versions(found, 1) == [4]
        assert log.reads <= reads + 3


async def _grow_after(log: Log, reads: int) -> None:
    """One more event once the log was read so often in all."""
    while log.reads < reads:
        await anyio.lowlevel.checkpoint()
    log.grow(1)


async def test_a_store_that_is_away_is_told_of_and_asked_again(log: Log) -> None:
    told: list[Unavailable] = []
    log.grow(1)
    async with aclosing(following(log, poll_s=0.001, told=told)) as found:
        assert await versions(found, 1) == [1]
        log.troubles = 3
        log.grow(1, announced=False)
        assert await versions(found, 1) == [2]
    assert [str(error) for error in told] == ["the store is away"] * 3


async def test_a_store_that_is_away_from_the_beginning_is_no_log_to_follow(log: Log) -> None:
    log.troubles = 1
    with pytest.raises(Unavailable):
        await anext(following(log))


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_is_missed_and_nothing_comes_twice(log: Log, seed: int) -> None:
    chance = random.Random(seed)
    total = 3 * PAGE
    seen: list[int] = []

    async def write() -> None:
        while len(log.events) < total:
            left = total - len(log.events)
            log.grow(min(left, chance.randint(1, 200)), announced=chance.random() < 0.7)
            if chance.random() < 0.3:
                log.bell.ring(chance.randint(0, 5000))
            for _ in range(chance.randint(0, 3)):
                await anyio.lowlevel.checkpoint()

    async with aclosing(following(log, poll_s=0.001)) as found, anyio.create_task_group() as group:
        group.start_soon(write)
        seen = await versions(found, total)
    assert seen == list(range(1, total + 1))
