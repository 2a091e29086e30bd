"""The projector: brings generations forward, batch by batch. One works, others stand by.

Guarantee. Each event is in a generation exactly once, whatever becomes of projectors: a batch is
written with the position that it leads to, in one transaction that takes place only if the
generation still is at the position that the batch began from. So a killed projector leaves a whole
number of batches, a second one changes nothing, and one that was taken for dead and comes back
finds that its position is not the generation's. A commit that a crash of the server takes back
takes the position back with it; for that reason, and because all of it can be made again, commits
here do not wait for the disk.

What a projector knows beside the log (its fold, the tallies it wrote last) is thrown away whenever
anything fails, and read or made again.
"""

import logging
from collections.abc import Iterable

import msgspec

from events.limits import TALLIES_MAX
from orchestrator.insight.counting.fold import FOLD, Fold, Gathered
from orchestrator.insight.counting.folding import PAGE, Folding
from orchestrator.insight.counting.projections import (
    Change,
    Generation,
    ProjectionStore,
    Settings,
    todo,
)
from orchestrator.insight.counting.tallies import MICROSECONDS, Key, Tally, in_all_widths
from orchestrator.insight.recent import Recent

log = logging.getLogger("dalsegno.projections")

REMOVED_AT_ONCE = 5_000
"""Rows of one table that are removed in one transaction."""


class Line:
    """One generation while it is worked on."""

    def __init__(self, store: ProjectionStore, generation: Generation, folding: Folding) -> None:
        self._store = store
        self._number = generation.number
        self._folding = folding
        self._tallies = Recent[Key, Tally](TALLIES_MAX)

    @property
    def position(self) -> int:
        return self._folding.position

    async def advance(self, events_max: int) -> tuple[Gathered, bool] | None:
        """Folds and writes one batch; what it was, and whether the log may have more. None when the
        generation is not where this line is."""
        after, gathered, more = self._folding.position, Gathered(), True
        while more and gathered.events < events_max:
            added = await self._folding.next(events_max - gathered.events)
            if added is not None:
                gathered.add(added)
            more = added is not None and added.events >= min(PAGE, events_max)
        if not gathered.events:
            return gathered, False
        tallies = await self._totals(in_all_widths(gathered.tallies))
        change = Change(generation=self._number, after=after, tallies=tallies, gathered=gathered)
        if not await self._store.apply(change):
            return None
        return gathered, more

    async def _totals(self, added: dict[Key, Tally]) -> dict[Key, Tally]:
        """What the tallies are with what is added."""
        self._tallies.turn_over()
        known = {key: self._tallies.get(key) for key in added}
        missing = [key for key, tally in known.items() if tally is None]
        stored = await self._store.tallies(self._number, missing) if missing else {}
        whole: dict[Key, Tally] = {}
        for key, tally in added.items():
            before = known[key] or stored.get(key) or Tally()
            before.add(tally)
            self._tallies.put(key, before)
            whole[key] = before
        return whole


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What a projector did in one turn: `more`: there is more to do at once. `events`: how many
    were added, of all generations."""

    holds: bool
    more: bool = False
    events: int = 0


class Projector:
    """Call `turn` again and again; after an error as well."""

    def __init__(self, store: ProjectionStore, settings: Settings, fold: int = FOLD) -> None:
        self._store = store
        self._settings = settings
        self._fold = fold
        self._lines: dict[int, Line] = {}
        self._pruned: dict[int, int] = {}

    async def turn(self) -> Turn:
        """One batch of each generation there is to work on. Raises `Unavailable`."""
        try:
            if not await self._store.hold():
                self._lines.clear()
                return Turn(holds=False)
            return await self._work()
        except BaseException:
            self._lines.clear()
            raise

    async def _work(self) -> Turn:
        plan = todo(await self._store.generations(), self._fold)
        for generation in plan.retire:
            await self._store.retire(generation.number)
        if plan.begin:
            log.info("a new generation of the projections begins")
            await self._store.begin(self._fold)
            return Turn(holds=True, more=True)
        self._keep(one.number for one in plan.advance)
        events, more = 0, False
        for generation in plan.advance:
            batch, again = await self._advance(generation)
            events, more = events + batch, more or again
        for generation in plan.remove:
            more = not await self._store.remove(generation.number, REMOVED_AT_ONCE) or more
        return Turn(holds=True, more=more, events=events)

    def _keep(self, numbers: Iterable[int]) -> None:
        kept = set(numbers)
        for number in self._lines.keys() - kept:
            del self._lines[number]

    async def _advance(self, generation: Generation) -> tuple[int, bool]:
        line = self._lines.get(generation.number)
        if line is None or line.position != generation.position:
            line = self._lines[generation.number] = await self._line(generation)
        done = await line.advance(self._settings.batch_events_max)
        if done is None:
            del self._lines[generation.number]
            return 0, True
        gathered, more = done
        if generation.state == "building" and not more:
            more = await self._switch(generation)
        if gathered.recorded_at:
            await self._forget_minutes(generation.number, gathered.recorded_at)
        return gathered.events, more

    async def _line(self, generation: Generation) -> Line:
        fold = Fold(await self._store.nodes(generation.number))
        return Line(self._store, generation, Folding(self._store, fold, generation.position))

    async def _switch(self, generation: Generation) -> bool:
        if await self._store.switch(generation.number):
            log.info("generation %d of the projections serves", generation.number)
        return True

    async def _forget_minutes(self, number: int, recorded_at: int) -> None:
        """Once for each minute of the log's time."""
        minute = recorded_at // (60 * MICROSECONDS)
        if self._pruned.get(number) == minute:
            return
        before = recorded_at - round(self._settings.minutes_kept_s * MICROSECONDS)
        while await self._store.forget_minutes(number, before, REMOVED_AT_ONCE) == REMOVED_AT_ONCE:
            pass
        self._pruned[number] = minute
