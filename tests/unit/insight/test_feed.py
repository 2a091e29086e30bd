"""Following logs: every event once and in order, whatever bells and stores do."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest

from events.errors import Rejected, Unavailable
from events.limits import FOLLOWED_BYTES_MAX, FOLLOWED_EVENTS_MAX, FOLLOWED_LOOKS_MAX
from events.run_facts import RunCompleted
from orchestrator.insight.following import feed as module
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Feed, Page
from orchestrator.insight.following.filters import Filter
from tests.feeds import FakeLog, sieve

pytestmark = pytest.mark.anyio
NEVER_S = 3600.0
DEADLINE_S = 10.0


class Rig:
    """One log or several, their bells and a feed."""

    def __init__(self, *names: str, poll_s: float = NEVER_S, patient: bool = False) -> None:
        self.bells = Bells()
        self.logs = {name: FakeLog(name, self.bells) for name in names or ("main",)}
        self.log = next(iter(self.logs.values()))
        self.told: list[tuple[str, str]] = []
        self.feed = Feed(self.logs, self.bells, self._tell, poll_s, patient=patient)

    def _tell(self, log: str, error: Unavailable) -> None:
        self.told.append((log, str(error)))

    def pages(
        self, filter_: Filter | None = None, *, endless: bool = True, **after: int
    ) -> AsyncGenerator[Page]:
        return self.feed.pages(after, sieve(filter_), endless=endless)


async def versions(pages: AsyncGenerator[Page], count: int) -> list[int]:
    """Those of the next `count` events."""
    seen: list[int] = []
    with anyio.fail_after(DEADLINE_S):
        while len(seen) < count:
            seen += [one.stored.version for one in (await anext(pages)).events]
    return seen


@pytest.mark.edge("FOLLOWED_EVENTS_MAX")
async def test_what_is_there_comes_in_pages_and_ends() -> None:
    rig = Rig()
    rig.log.grow(2 * FOLLOWED_EVENTS_MAX + 1)
    sizes = [len(page.events) async for page in rig.pages(endless=False)]
    assert sizes == [FOLLOWED_EVENTS_MAX, FOLLOWED_EVENTS_MAX, 1]
    assert [page async for page in rig.pages(endless=False, main=rig.log.position)] == []


@pytest.mark.edge("FOLLOWED_BYTES_MAX")
async def test_a_page_of_large_events_is_short_and_nothing_is_lost() -> None:
    rig = Rig()
    for _ in range(5):
        rig.log.add("run:1", RunCompleted(output="x" * (FOLLOWED_BYTES_MAX // 2)))
    sizes = [len(page.events) async for page in rig.pages(endless=False)]
    assert sizes == [2, 2, 1]


@pytest.mark.edge("FOLLOWED_LOOKS_MAX")
async def test_where_little_is_wanted_a_page_has_little_and_says_how_far_it_is() -> None:
    rig = Rig()
    rig.log.grow(FOLLOWED_LOOKS_MAX + 10)
    rig.log.add("run:2", RunCompleted())
    pages = [page async for page in rig.pages(Filter(runs=("2",)), endless=False)]
    assert [len(page.events) for page in pages] == [0, 1]
    assert pages[0].reached == rig.log.events[FOLLOWED_LOOKS_MAX - 1].position
    assert pages[1].reached == rig.log.position


async def test_a_bell_wakes_at_once() -> None:
    rig = Rig()
    rig.log.grow(2)
    async with aclosing(rig.pages()) as found:
        assert await versions(found, 2) == [1, 2]
        rig.log.grow(1)
        assert await versions(found, 1) == [3]


async def test_a_bell_that_rings_during_a_read_is_heard_after_it() -> None:
    rig = Rig()
    rig.log.grow(1)
    rig.log.during_read = [2]
    async with aclosing(rig.pages()) as found:
        assert await versions(found, 3) == [1, 2, 3]


async def test_without_a_bell_the_log_is_looked_at_now_and_then() -> None:
    rig = Rig(poll_s=0.001)
    async with aclosing(rig.pages()) as found:
        rig.log.grow(3, announced=False)
        assert await versions(found, 3) == [1, 2, 3]
        rig.log.grow(1, announced=False)
        assert await versions(found, 1) == [4]


async def test_late_and_false_bells_bring_nothing_twice_and_no_busy_loop() -> None:
    rig = Rig()
    rig.log.grow(3)
    async with aclosing(rig.pages()) as found:
        await versions(found, 3)
        rig.log.ring(1)
        rig.log.ring(rig.log.position + 1000)
        reads = rig.log.reads
        async with anyio.create_task_group() as group:
            group.start_soon(_grow_after, rig.log, reads + 1)
            assert await versions(found, 1) == [4]
        assert rig.log.reads <= reads + 3


async def _grow_after(log: FakeLog, reads: int) -> None:
    """One more event once the log was read so often in all."""
    while log.reads < reads:
        await anyio.lowlevel.checkpoint()
    log.grow(1)


async def test_one_who_follows_no_more_is_not_rung_for() -> None:
    rig = Rig()
    rig.log.grow(1)
    async with aclosing(rig.pages()) as found:
        await versions(found, 1)
        assert len(rig.bells._ears) == 1
    assert not rig.bells._ears


async def test_a_store_that_is_away_is_told_of_and_asked_again() -> None:
    rig = Rig(poll_s=0.001)
    rig.log.grow(1)
    async with aclosing(rig.pages()) as found:
        assert await versions(found, 1) == [1]
        rig.log.troubles = 3
        rig.log.grow(1, announced=False)
        assert await versions(found, 1) == [2]
    assert rig.told == [("main", "the store is away")] * 3


async def test_a_store_that_is_away_from_the_beginning_is_no_log_to_follow() -> None:
    rig = Rig()
    rig.log.troubles = 1
    with pytest.raises(Unavailable):
        await anext(rig.pages())


async def test_who_reads_to_the_end_is_told_when_a_log_goes_away_in_the_middle() -> None:
    """It would be taken for the end."""
    rig = Rig()
    rig.log.grow(FOLLOWED_EVENTS_MAX + 1)
    async with aclosing(rig.pages(endless=False)) as found:
        await versions(found, FOLLOWED_EVENTS_MAX)
        rig.log.troubles = 1
        with pytest.raises(Unavailable):
            await anext(found)


async def test_who_is_patient_waits_for_it() -> None:
    rig = Rig(poll_s=0.001, patient=True)
    rig.log.troubles = 2
    rig.log.grow(1)
    async with aclosing(rig.pages()) as found:
        assert await versions(found, 1) == [1]


async def test_each_log_has_its_own_order_and_its_own_positions() -> None:
    rig = Rig("east", "west")
    for log in rig.logs.values():
        log.grow(FOLLOWED_EVENTS_MAX + 1)
    seen: dict[str, list[int]] = {"east": [], "west": []}
    west = rig.logs["west"].events[9].position or 0
    async for page in rig.pages(endless=False, west=west):
        seen[page.log] += [one.stored.version for one in page.events]
    assert seen["east"] == list(range(1, FOLLOWED_EVENTS_MAX + 2))
    assert seen["west"] == list(range(11, FOLLOWED_EVENTS_MAX + 2))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.01)
    monkeypatch.setattr(module, "GRACE_LAST_S", 0.05)


async def test_a_log_that_hangs_does_not_keep_what_others_have(impatient: None) -> None:
    rig = Rig("east", "west", poll_s=0.001)
    rig.logs["west"].hangs = True
    rig.logs["east"].grow(FOLLOWED_EVENTS_MAX + 1)
    async with aclosing(rig.pages()) as found:
        assert len(await versions(found, FOLLOWED_EVENTS_MAX + 1)) == FOLLOWED_EVENTS_MAX + 1
        async with anyio.create_task_group() as group:
            group.start_soon(_grow_after, rig.logs["east"], rig.logs["east"].reads + 3)
            assert await versions(found, 1) == [FOLLOWED_EVENTS_MAX + 2]


async def test_what_was_cut_short_is_not_taken_for_the_end(impatient: None) -> None:
    rig = Rig("east", "west")
    for log in rig.logs.values():
        log.grow(2)
    west = rig.logs["west"]
    west.hangs = True

    async def recover() -> None:
        while west.reads < 3:  # noqa: ASYNC110 -- a log tells nobody
            await anyio.sleep(0.001)
        west.hangs = False

    async with anyio.create_task_group() as group:
        group.start_soon(recover)
        with anyio.fail_after(DEADLINE_S):
            seen = {page.log: len(page.events) async for page in rig.pages(endless=False)}
    assert seen == {"east": 2, "west": 2}


async def test_a_log_that_there_is_not_is_refused() -> None:
    with pytest.raises(Rejected, match="there is no log north: expected of east, west"):
        await anext(Rig("east", "west").pages(north=3))


async def test_events_come_one_by_one() -> None:
    rig = Rig()
    rig.log.grow(3)
    seen = []
    events = rig.feed.events({"main": rig.log.events[0].position or 0}, sieve())
    assert isinstance(events, AsyncGenerator)
    async with aclosing(events):
        with anyio.fail_after(DEADLINE_S):
            async for one in events:
                seen.append((one.log, one.position))
                if len(seen) == 2:
                    break
    assert seen == [("main", one.position) for one in rig.log.events[1:]]


class Story:
    """Two logs that grow in many small steps while they are followed, with all that may happen."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rig = Rig("east", "west", poll_s=0.001, patient=True)
        self.total = 2 * FOLLOWED_EVENTS_MAX
        self.seen: dict[str, list[int]] = {"east": [], "west": []}

    async def write(self, log: FakeLog) -> None:
        chance = self.chance
        while (left := self.total - len(log.events)) > 0:
            log.grow(min(left, chance.randint(1, 200)), announced=chance.random() < 0.7)
            log.troubles = chance.choice((0, 0, 0, 1))
            if chance.random() < 0.3:
                log.ring(chance.randint(0, 5000))
            for _ in range(chance.randint(0, 3)):
                await anyio.lowlevel.checkpoint()

    @property
    def is_over(self) -> bool:
        return all(len(found) >= self.total for found in self.seen.values())

    async def read(self) -> None:
        """Begins anew now and then, where it was."""
        reached = {"east": 0, "west": 0}
        while not self.is_over:
            async with aclosing(self.rig.feed.pages(reached, sieve())) as pages:
                async for page in pages:
                    self.seen[page.log] += [one.stored.version for one in page.events]
                    reached[page.log] = page.reached
                    if self.chance.random() < 0.2 or self.is_over:
                        break


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_is_missed_and_nothing_comes_twice(seed: int) -> None:
    story = Story(seed)
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            for log in story.rig.logs.values():
                group.start_soon(story.write, log)
            group.start_soon(story.read)
    assert story.seen == {name: list(range(1, story.total + 1)) for name in story.seen}
