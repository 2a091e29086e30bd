"""The fold of a log into statistics does not depend on how it was read."""

import random

import anyio
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.insight.counting.auditing import compare, fresh, kept
from orchestrator.insight.counting.fold import Fold, Gathered
from orchestrator.insight.counting.folding import Bounds, Folding
from orchestrator.insight.counting.projections import Settings
from orchestrator.insight.counting.projector import Projector
from tests.happenings import random_log
from tests.projections import MemoryProjections, Shared

EVERYTHING = -(2**62)
SETTINGS = Settings(minutes_kept_s=3e8)

seeds = st.integers(0, 10_000)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=40)


@given(seeds, cuts, st.integers(0, 12), st.integers(0, 400))
def test_pages_of_any_size_and_any_forgetting_give_the_same(
    seed: int, sizes: list[int], entries_max: int, large_bytes: int
) -> None:
    """Also when every event over some bytes is read by itself."""
    log = random_log(seed)

    async def both() -> None:
        whole = await fresh(MemoryProjections(Shared(log)), len(log))
        store = MemoryProjections(Shared(log, large_bytes))
        folding, gathered = Folding(store, Fold(entries_max=entries_max), 0), Gathered()
        turn = 0
        while (added := await folding.next(sizes[turn % len(sizes)])) is not None:
            gathered.add(added)
            turn += 1
        assert compare(kept(gathered), whole, EVERYTHING) == []
        assert gathered.events == len(log)

    anyio.run(both)


@given(seeds, cuts)
def test_a_fold_that_begins_anew_at_any_position_goes_on_as_if_it_had_not(
    seed: int, sizes: list[int]
) -> None:
    log = random_log(seed)

    async def both() -> None:
        store = MemoryProjections(Shared(log))
        gathered = Gathered()
        for size in [*sizes, len(log)]:
            fold = Fold(gathered.nodes)
            added = await Folding(store, fold, gathered.position, Bounds(page=size)).next()
            if added is not None:
                gathered.add(added)
        assert compare(kept(gathered), await fresh(store, gathered.position), EVERYTHING) == []

    anyio.run(both)


@given(seeds, st.integers(1, 30), st.integers(0, 2**32))
def test_projectors_that_die_and_take_turns_count_every_event_once(
    seed: int, batch: int, chance: int
) -> None:
    """One is told that it works although another does; one dies before a write, one after it."""
    log, dice = random_log(seed), random.Random(chance)
    settings = Settings(batch_events_max=batch, minutes_kept_s=3e8)

    async def play() -> None:
        shared = Shared(log)
        projectors = [Projector(Careless(shared), settings) for _ in range(2)]
        while not shared.generations or shared.generations[1].position < len(log):
            which = dice.randrange(2)
            if dice.random() < 0.2:
                projectors[which] = Projector(Careless(shared), settings)
            await projectors[which].turn()
        store = MemoryProjections(shared)
        assert compare(await store.all(1), await fresh(store, len(log)), EVERYTHING) == []

    anyio.run(play)


class Careless(MemoryProjections):
    """Believes that it holds the lock."""

    async def hold(self) -> bool:
        return True
