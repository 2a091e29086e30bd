"""Reading the log page by page for a fold, with the past of what a page goes on with.

An event of a large payload comes without its bytes, is read by itself, and is let go when a glimpse
of it is taken: so the bytes in memory are bounded whatever is in the log.
"""

from collections.abc import Iterable, Sequence

import msgspec

from orchestrator.insight.counting.fold import Added, Fold
from orchestrator.insight.counting.glimpse import Row, Seen, glimpse
from orchestrator.insight.counting.projections import LogPages

PAGE = 1000
STREAMS_AT_ONCE = 50
PAST_AT_ONCE = 200
"""Events of each stream that are read at once when a run's past is asked for."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """`page`: events read at once. `until`: the last position that counts."""

    page: int = PAGE
    until: int = 2**63 - 1


class Folding:
    """One fold that goes through one log, from a position on."""

    def __init__(self, log: LogPages, fold: Fold, position: int, bounds: Bounds = Bounds()) -> None:
        self._log = log
        self._fold = fold
        self.position = position
        self._bounds = bounds

    async def next(self, limit: int | None = None) -> Added | None:
        """What the next page adds, or None at the end of the log. After an error this is of no use
        any more: the fold may have seen half a page."""
        bounds = self._bounds
        rows = await self._log.rows(self.position, min(bounds.page, limit or bounds.page))
        rows = [row for row in rows if row.position <= bounds.until]
        if not rows:
            return None
        page = await self._glimpses(rows)
        strangers = self._fold.strangers(page)
        await self._learn(page)
        if strangers:
            await self._recall(strangers)
        self.position = rows[-1].position
        return self._fold.apply(page, self.position)

    async def _glimpses(self, rows: Sequence[Row]) -> list[Seen]:
        return [
            glimpse(
                row.position,
                await self._log.state_of(row.position) if row.state is None else row.state,
            )
            for row in rows
        ]

    async def _learn(self, page: Iterable[Seen]) -> None:
        for workflow in self._fold.unknown(page):
            self._fold.learn(workflow, await self._log.nets(workflow))

    async def _recall(self, strangers: Sequence[str]) -> None:
        """Each one's events up to here, some streams at a time, some events of each at a time."""
        waiting = dict.fromkeys(strangers, 0)
        while waiting:
            asked = dict(list(waiting.items())[:STREAMS_AT_ONCE])
            rows = await self._log.past(asked, self.position, PAST_AT_ONCE)
            past = await self._glimpses(rows)
            await self._learn(past)
            self._fold.recall(past)
            read = dict.fromkeys(asked, 0)
            for row in rows:
                read[row.stream] += 1
                waiting[row.stream] = row.version
            for stream, count in read.items():
                if count < PAST_AT_ONCE:
                    del waiting[stream]
