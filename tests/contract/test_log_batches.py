"""What every store writes of each append: its row, chained to the one before."""

from events.envelope import Stored
from orchestrator.coordinator.ports import Appended, Conflicted, FencedOff, Lease
from orchestrator.replay.audit.log_batches import LogBatch, chained, event_digests
from tests.contract.test_store import (
    AuditedStore,
    anyio_backend,
    lease,
    pytestmark,
    store,
    subject,
)
from tests.logs import batch, begin, continued

pytest_plugins = ["tests.servers"]
__all__ = ["anyio_backend", "lease", "pytestmark", "store", "subject"]


async def rows(store: AuditedStore, after: int = 0, limit: int = 1000) -> list[LogBatch]:
    return await store.read_batches(after, limit)


def states(events: list[Stored]) -> list[bytes]:
    return [event.state for event in events]


class TestChain:
    async def test_an_append_leaves_one_row_with_its_places_and_digests(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        one, two = begin("run:1", 2), begin("run:2")
        outcome = await store.append(batch([lease], one, two))
        (found,) = await rows(store)
        assert isinstance(outcome, Appended)
        log = await store.read_log()
        assert (found.number, found.first, found.last) == (1, log[0].position, outcome.position)
        assert (found.events, found.gone) == (3, b"")
        assert found.digests == event_digests(states([*one, *two]))
        assert found.recorded_at > 0

    async def test_each_row_follows_from_the_one_before(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        for number in range(3):
            await store.append(batch([lease], begin(f"run:{number}", number + 1)))
        before = b""
        for number, found in enumerate(await rows(store), 1):
            assert found.number == number
            assert found.digest == chained(before, found)
            before = found.digest
        assert number == 3

    async def test_what_was_not_appended_leaves_none(
        self, store: AuditedStore, lease: Lease
    ) -> None:
        once = batch([lease], begin("run:1"))
        await store.append(once)
        late = await store.append(batch([lease], begin("run:1", by="b"), begin("run:2")))
        stale = Lease(shard=0, epoch=99)
        fenced = await store.append(batch([stale], begin("run:3")))
        again = await store.append(once)
        assert isinstance(late, Conflicted)
        assert isinstance(fenced, FencedOff)
        assert isinstance(again, Appended)
        assert len(await rows(store)) == 1
        await store.append(batch([lease], continued("run:1", 2)))
        assert [row.number for row in await rows(store)] == [1, 2]

    async def test_they_are_read_in_pages(self, store: AuditedStore, lease: Lease) -> None:
        for number in range(4):
            await store.append(batch([lease], begin(f"run:{number}")))
        assert [row.number for row in await rows(store, after=1, limit=2)] == [2, 3]
        assert await rows(store, after=4) == []
