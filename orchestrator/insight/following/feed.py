"""The feed: everything after a position of each log, in its order, each event once, and then what
comes.

Guarantee. Nothing is missed and nothing comes twice, whatever becomes of announcements and
connections: pages are read by position, a position moves only with the page that it ends, and the
store lets positions become visible in order only. There is no order between logs.

    round: every log is read, all at once ──► pages, one a log at most
      ▲                                          │
      ├────────── a log has more ────────────────┤
      └── a bell, or `poll_s` ◄──── all at the end

A log that is away is told, and tried again after a while that doubles; one that is slow keeps the
others for a few seconds at most. A follower holds a page of each log: it is the reader who says
when the next ones are read. Nothing runs between two pages, so an iterator may be left at any
point.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import Protocol

import anyio
import msgspec

from events.envelope import Stored
from events.errors import Rejected, Unavailable
from events.limits import FOLLOWED_BYTES_MAX, FOLLOWED_EVENTS_MAX, FOLLOWED_LOOKS_MAX
from orchestrator.insight.following.filters import Wanted
from orchestrator.insight.following.origins import FirstEvents, Origins
from orchestrator.insight.following.sieve import Followed, Sieve

POLL_S = 1.0
"""Longest time between two looks at the logs, when nothing is heard."""
GATHER_S = 0.02
"""Wait after a bell: under load many commits are read with one query."""
GRACE_S, GRACE_LAST_S = 5.0, 40.0
"""How long a slow log keeps what others have: twice as long each time that it was cut short, until
it answers, or fails by its own timeout."""
AWAY_LAST_S = 5.0
"""Longest wait between two tries of a log that is away; the first one is a poll's."""


class Taken(msgspec.Struct, frozen=True):
    """A page of a log: what is wanted of it, up to which position it was looked at, and whether
    there may be more behind that now."""

    events: list[Stored]
    reached: int
    more: bool


def taken_of(page: list[Stored], looks: int, last: int) -> Taken:
    """A page of wanted events, cut at its bounds, of `looks` events up to position `last`."""
    is_cut = len(page) >= FOLLOWED_EVENTS_MAX
    is_cut = is_cut or sum(len(one.state) for one in page) >= FOLLOWED_BYTES_MAX
    reached = page[-1].position or last if is_cut else last
    return Taken(page, reached, is_cut or looks >= FOLLOWED_LOOKS_MAX)


def take(looked_at: Sequence[Stored], after: int, wanted: Wanted) -> Taken:
    """The same of a log in memory, of what follows position `after` there."""
    looked_at = looked_at[:FOLLOWED_LOOKS_MAX]
    page, bytes_ = list[Stored](), 0
    for one in looked_at:
        if not wanted.has(one.stream, one.type):
            continue
        if len(page) == FOLLOWED_EVENTS_MAX or bytes_ >= FOLLOWED_BYTES_MAX:
            break
        page.append(one)
        bytes_ += len(one.state)
    last = (looked_at[-1].position or after) if looked_at else after
    return taken_of(page, len(looked_at), last)


class FollowedLog(FirstEvents, Protocol):
    async def read_wanted(self, after: int, wanted: Wanted) -> Taken:
        """The next page with positions > `after`; misses nothing that commits later. Bounded in
        events, bytes, and events that are passed by. Raises `Unavailable`."""


class Waiter(Protocol):
    async def wait(self, reached: Mapping[str, int], at_most_s: float) -> bool:
        """Returns when one of these logs may be longer, true, or when it is time."""


class Waking(Protocol):
    """What wakes followers: `Bells`, or whatever else hears of appends."""

    def ear(self) -> AbstractContextManager[Waiter]: ...


class Page(msgspec.Struct, frozen=True):
    """What a log has next for a follower: maybe nothing, and then only how far it was looked at."""

    log: str
    events: list[Followed]
    reached: int


def _untold(log: str, error: Unavailable) -> None:
    """For who does not want to know."""


class Feed:
    """The logs of a cluster by their names, and the bells that ring for them."""

    def __init__(
        self,
        logs: Mapping[str, FollowedLog],
        waking: Waking,
        trouble: Callable[[str, Unavailable], None] = _untold,
        poll_s: float = POLL_S,
        *,
        patient: bool = False,
    ) -> None:
        """`patient`: a log that is away from the beginning is waited for like any other."""
        self._logs = dict(logs)
        self._waking = waking
        self.trouble = trouble
        self.poll_s = poll_s
        self.patient = patient

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._logs)

    async def events(self, after: Mapping[str, int], sieve: Sieve) -> AsyncIterator[Followed]:
        """Wanted events after a position in each log (one that is not named: from its beginning),
        without end. Raises `Rejected` for a log that there is not, and `Unavailable` when a log was
        away from the beginning."""
        async with aclosing(self.pages(after, sieve)) as pages:
            async for page in pages:
                for event in page.events:
                    yield event

    async def pages(
        self, after: Mapping[str, int], sieve: Sieve, *, endless: bool = True
    ) -> AsyncGenerator[Page]:
        """The same by pages, each with how far its log was looked at. Not `endless`: until each log
        was read to its end once; then a log that goes away in the middle is `Unavailable` too."""
        with self._waking.ear() as ear:
            rounds = self.rounds(after, sieve)
            while True:
                for page in await rounds.read():
                    yield page
                if rounds.has_more:
                    continue
                if not endless:
                    rounds.require_all()
                    return
                await rounds.rest(ear)

    def rounds(self, after: Mapping[str, int], sieve: Sieve) -> "Rounds":
        """For who has something else to do between two rounds. Raises `Rejected`."""
        if unknown := sorted(set(after) - set(self._logs)):
            known = ", ".join(self._logs)
            raise Rejected(f"there is no log {unknown[0]}: expected of {known}")
        readers = [_Reader(name, log, after.get(name, 0)) for name, log in self._logs.items()]
        return Rounds(readers, sieve, self)


class Rounds:
    """One follower's way through the logs, a round at a time."""

    def __init__(self, readers: Sequence["_Reader"], sieve: Sieve, feed: Feed) -> None:
        self._readers = readers
        self._sieve = sieve
        self._feed = feed

    @property
    def has_more(self) -> bool:
        """Whether a log is known to have more now."""
        return any(reader.more for reader in self._readers)

    def require_all(self) -> None:
        """Raises `Unavailable` when a log was not read to its end because it was away."""
        for reader in self._readers:
            if reader.failure is not None:
                raise reader.failure

    async def read(self) -> list[Page]:
        """What each log has next. Raises `Unavailable` of one that was never there."""
        pages: list[Page] = []
        async with anyio.create_task_group() as group:
            for reader in self._readers:
                if reader.is_due(anyio.current_time()):
                    group.start_soon(self._read, reader, pages, group.cancel_scope)
        failed = [one.failure for one in self._readers if one.failure and not one.was_there]
        if failed and not self._feed.patient:
            raise failed[0]
        return pages

    async def rest(self, ear: Waiter) -> None:
        """Returns when a log may have more."""
        reached = {reader.name: reader.reached for reader in self._readers}
        if await ear.wait(reached, self._feed.poll_s):
            await anyio.sleep(GATHER_S)

    async def _read(self, reader: "_Reader", pages: list[Page], scope: anyio.CancelScope) -> None:
        try:
            page = await reader.read(self._sieve)
        except Unavailable as error:
            reader.fails(error, anyio.current_time(), self._feed.poll_s)
            self._feed.trouble(reader.name, error)
            return
        if page is not None:
            pages.append(page)
        slowest = max(one.cut_short for one in self._readers)
        grace_s = min(GRACE_LAST_S, GRACE_S * 2**slowest)
        scope.deadline = min(scope.deadline, anyio.current_time() + grace_s)


class _Reader:
    """One log, and how far a follower is in it."""

    def __init__(self, name: str, log: FollowedLog, after: int) -> None:
        self.name = name
        self.reached = after
        self.more = False
        self.was_there = False
        self.cut_short = 0
        """How often in a row it did not answer in time."""
        self.failure: Unavailable | None = None
        self._log = log
        self._origins = Origins(log)
        self._backoff_s = 0.0
        self._not_before = 0.0

    def is_due(self, now: float) -> bool:
        return now >= self._not_before

    async def read(self, sieve: Sieve) -> Page | None:
        """None where the log has nothing new."""
        self.more = True  # as far as is known, if this is cut short
        self.cut_short += 1
        taken = await self._log.read_wanted(self.reached, sieve.wanted)
        events = await sieve.sifted(self.name, taken.events, self._origins)
        self.was_there, self.failure, self._backoff_s, self.cut_short = True, None, 0.0, 0
        self.more = taken.more
        if taken.reached <= self.reached:
            return None
        self.reached = taken.reached
        return Page(self.name, events, taken.reached)

    def fails(self, error: Unavailable, now: float, first_s: float) -> None:
        self.failure, self.more, self.cut_short = error, False, 0
        self._backoff_s = min(AWAY_LAST_S, max(first_s, 2 * self._backoff_s))
        self._not_before = now + self._backoff_s
