"""Logs in memory for tests of followers, and events to put into them."""

import random
from collections.abc import Sequence

import anyio

from events.envelope import Head, Stamp, Stored, seal
from events.errors import Unavailable
from events.facts import Fact
from events.run_facts import RunCompleted
from orchestrator.adapters.cel import CelExpressions
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Taken, take
from orchestrator.insight.following.filters import Filter, Wanted
from orchestrator.insight.following.sieve import Sieve, compiled
from tests.logs import AT


def sieve(filter_: Filter | None = None) -> Sieve:
    return compiled(filter_ or Filter(), CelExpressions())


class FakeLog:
    """A log whose positions have gaps. `troubles`: reads that fail before the next succeeds."""

    def __init__(self, name: str, bells: Bells, seed: int = 0) -> None:
        self.name = name
        self.events: list[Stored] = []
        self.position = 0
        self.reads = 0
        self.asked: list[str] = []
        """Streams whose first events were asked for."""
        self.troubles = 0
        self.hangs = False
        self.during_read: list[int] = []
        """Events that are appended, and announced, while the next read is under way."""
        self._heads: dict[str, Head] = {}
        self._bells = bells
        self._chance = random.Random(seed)

    def add(self, stream: str, fact: Fact, stamp: Stamp = Stamp(recorded_at=AT)) -> Stored:
        head = self._heads.setdefault(stream, Head(stream))
        stored = seal(head, fact, f"{stream}-{head.version + 1}", stamp)
        self.position += self._chance.randint(1, 3)
        placed = Stored(stored.stream, stored.version, stored.type, stored.state, self.position)
        self.events.append(placed)
        return placed

    def grow(self, count: int = 1, *, announced: bool = True) -> None:
        for _ in range(count):
            self.add("run:1", RunCompleted())
        if announced:
            self.ring()

    def ring(self, position: int | None = None) -> None:
        self._bells.ring(self.name, self.position if position is None else position)

    async def read_wanted(self, after: int, wanted: Wanted) -> Taken:
        self.reads += 1
        if self.hangs:
            await anyio.sleep_forever()
        if self.troubles:
            self.troubles -= 1
            raise Unavailable("the store is away")
        taken = take([e for e in self.events if (e.position or 0) > after], after, wanted)
        while self.during_read:
            self.grow(self.during_read.pop())
        await anyio.lowlevel.checkpoint()
        return taken

    async def begins_of(self, streams: Sequence[str]) -> list[Stored]:
        self.asked += streams
        return [one for one in self.events if one.stream in streams and one.version == 1]
