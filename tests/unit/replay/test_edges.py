"""What readers of the log do at their limits."""

import pytest

from events.catalogue import Catalogue
from events.envelope import Head, Stamp, seal
from events.errors import Corrupt
from events.facts import Fact
from events.ids import run_stream
from events.limits import FORKS_MAX, INDEX_ROWS_MAX, TALLIES_MAX, TRACKS_MAX
from events.run_facts import RunForked, RunStarted
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.ports import Appended, Batch
from orchestrator.insight.recent import Recent
from orchestrator.replay.rebuild import Rebuilder
from tests.logs import AT, row, run_batch

SHARD = 0


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(MemoryLog(lambda: AT))


async def append(store: MemoryStore, batch: Batch) -> None:
    assert isinstance(await store.append(batch), Appended)


def forked(number: int) -> Fact:
    if number == 0:
        return RunStarted(run_id="r0", workflow="w", workflow_version="v")
    return RunForked(
        run_id=f"r{number}",
        source_run_id=f"r{number - 1}",
        source_version=1,
        workflow="w",
        workflow_version="v",
    )


@pytest.mark.anyio
@pytest.mark.edge("FORKS_MAX")
async def test_a_chain_of_forks_is_followed_so_far(store: MemoryStore) -> None:
    leases = tuple(await store.acquire([SHARD], "c", 60.0))
    streams = [run_stream(f"r{number}") for number in range(FORKS_MAX + 2)]
    facts = enumerate(streams)
    events = tuple(seal(Head(s), forked(n), f"e{n}", Stamp(recorded_at=AT)) for n, s in facts)
    await append(store, Batch(id="b", leases=leases, events=events))
    rebuilder = Rebuilder(store, Catalogue())

    assert await rebuilder.run(f"r{FORKS_MAX}") is not None
    with pytest.raises(Corrupt, match=f"over {FORKS_MAX} forks"):
        await rebuilder.run(f"r{FORKS_MAX + 1}")


@pytest.mark.anyio
@pytest.mark.edge("INDEX_ROWS_MAX")
async def test_one_look_at_the_index_gives_so_many_rows(store: MemoryStore) -> None:
    leases = await store.acquire([SHARD], "c", 60.0)
    rows = [row(f"r{number:04}", ready=1) for number in range(INDEX_ROWS_MAX + 1)]
    await append(store, run_batch(leases, *rows))
    loader = Loader(store, Catalogue(), "c", "log")

    found = await loader.load(s.FindActive(shards=(SHARD,), after="", era=0))
    assert isinstance(found, s.ActiveFound)
    assert (len(found.rows), found.more) == (INDEX_ROWS_MAX, True)
    last = found.rows[-1].run_id
    rest = await loader.load(s.FindActive(shards=(SHARD,), after=last, era=0))
    assert isinstance(rest, s.ActiveFound)
    assert (len(rest.rows), rest.more) == (1, False)


@pytest.mark.edge("TALLIES_MAX")
@pytest.mark.edge("TRACKS_MAX")
@pytest.mark.parametrize("most", [TALLIES_MAX, TRACKS_MAX])
def test_a_projector_remembers_so_much_twice_at_most(most: int) -> None:
    kept = Recent[int, int](most)
    for number in range(most):
        kept.put(number, number)
    kept.turn_over()
    kept.put(most, most)
    kept.turn_over()
    assert kept.get(0) == 0, "what is asked for stays"

    for number in range(most, 2 * most + 1):
        kept.put(number, number)
    kept.turn_over()
    assert len(kept) <= 2 * (most + 1)
    assert kept.get(1) is None
    assert kept.get(0) == 0
