"""An audit of a whole log finds what was taken away or changed, and goes on where it was."""

from collections.abc import Sequence

import anyio
import msgspec
import pytest

from events.catalogue import Catalogue
from events.cluster_facts import NodeRegistered
from events.envelope import Head, Stored
from events.ids import node_stream, shard_of
from events.limits import HELD_PER_CREDIT_MAX
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator.ports import Batch
from orchestrator.replay.audit.anchors import anchor_of, check_since
from orchestrator.replay.audit.findings import Finding
from orchestrator.replay.audit.log_batches import LogBatch
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.audit.verify_log import LogVerifier, Standing
from orchestrator.replay.ports import row_of
from tests.builders import NOW, Play, Setting, started, task, workflow
from tests.logs import extend

SHARDS = 4
NODE = NodeRegistered(node="n1", incarnation="i1", tasks=("work",), slots=3, credits=3)


class Damaged(MemoryStore):
    """A log of three runs and a node, that tests take things away from."""

    def __init__(self, slots: int = 3, runs: int = 3) -> None:
        super().__init__(MemoryLog(lambda: NOW))
        self.leases = self.log.acquire(range(SHARDS), "a", 60.0)
        node = msgspec.structs.replace(NODE, slots=slots, credits=slots)
        self.append(extend(Head(node_stream("n1")), facts=[node]))
        self.plays = [_finished(f"run-{number}") for number in range(runs)]
        histories = [play.stored() for play in self.plays]
        for at in range(len(histories[0])):
            self.append([history[at] for history in histories])

    def append(self, events: Sequence[Stored]) -> None:  # type: ignore[override]
        self.log.append(Batch(id="b", leases=tuple(self.leases), events=tuple(events)))

    def index(self) -> None:
        for play in self.plays:
            run_id = play.state.run_id
            row = row_of(run_id, shard_of(run_id, SHARDS), play.state)
            self.log._index[run_id] = row

    def remove(self, *events: Stored) -> None:
        gone = {(event.stream, event.version) for event in events}
        self.log._log = [e for e in self.log._log if (e.stream, e.version) not in gone]
        for name in {event.stream for event in events}:
            left = [e for e in self.log._streams[name] if (e.stream, e.version) not in gone]
            self.log._streams[name] = left
            if not left:
                del self.log._streams[name]

    def read_log_of(self, stream: str) -> list[Stored]:
        return list(self.log._streams[stream])

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        return [e for e in self.log._log if (e.position or 0) > after][:limit]

    async def last_position(self) -> int:
        return max((e.position or 0) for e in self.log._log)


def _finished(run_id: str) -> Play:
    setting = Setting(run_id=run_id)
    return started(workflow(task("a")), setting).finish()


@pytest.fixture
def store() -> Damaged:
    made = Damaged()
    made.index()
    return made


def audit(store: Damaged, standing: Standing | None = None) -> list[Finding]:
    async def tell(_standing: Standing) -> None: ...

    verifier = Verifier(store, Catalogue(), SHARDS)
    done = anyio.run(LogVerifier(store, verifier, standing or Standing(), tell).run)
    assert done.phase == "done"
    return done.findings


def told(store: Damaged) -> list[tuple[str, str, int]]:
    return [(one.check, one.run_id, one.position) for one in audit(store)]


def test_a_sound_log_has_no_findings(store: Damaged) -> None:
    assert told(store) == []


def test_a_deleted_last_event_is_named(store: Damaged) -> None:
    last = store.read_log_of("run:run-1")[-1]
    store.remove(last)
    assert told(store) == [("run_index", "run-1", 0), ("batch", "", last.position)]


def test_a_vanished_stream_is_named_even_with_its_row(store: Damaged) -> None:
    gone = store.read_log_of("run:run-1")
    store.remove(*gone)
    assert told(store)[0] == ("run_index", "run-1", 0)
    del store.log._index["run-1"]
    assert told(store) == [("batch", "", event.position) for event in gone]


def test_a_changed_last_event_is_named(store: Damaged) -> None:
    last = store.read_log_of("run:run-1")[-1]
    changed = msgspec.structs.replace(last, state=last.state.replace(b"1700", b"1701"))
    store.log._streams["run:run-1"][-1] = changed
    store.log._log[(last.position or 0) - 1] = changed
    assert ("batch", "run-1", last.position) in told(store)


def test_a_cut_tail_is_named_by_its_rows(store: Damaged) -> None:
    store.remove(*store.log._log[-3:])
    checks = [one[0] for one in told(store)]
    assert checks == ["run_index"] * 3 + ["batch"] * 3


def test_a_missing_batch_is_named(store: Damaged) -> None:
    del store.log._batches[1]
    (finding,) = audit(store)
    assert "batch 2 of the log is missing: the next one is 3" in finding.message


def test_a_changed_batch_is_named(store: Damaged) -> None:
    store.log._batches[1] = msgspec.structs.replace(store.log._batches[1], recorded_at=1)
    assert "batch 2 of the log does not follow" in audit(store)[0].message


def test_an_event_that_no_append_has_brought_is_named(store: Damaged) -> None:
    del store.log._batches[-1]
    (finding,) = audit(store)
    assert "are in no batch" in finding.message


def test_what_was_moved_to_an_archive_is_not_missing(store: Damaged) -> None:
    gone = store.read_log_of("run:run-1")
    store.remove(*gone)
    del store.log._index["run-1"]
    for at, batch in enumerate(store.log._batches):
        positions = [event.position or 0 for event in gone]
        places = [one - batch.first for one in positions if batch.first <= one <= batch.last]
        bits = bytes([sum(1 << place for place in places)])
        store.log._batches[at] = msgspec.structs.replace(batch, gone=bits)
    assert told(store) == []


@pytest.mark.parametrize(("more", "found"), [(0, []), (1, ["resources"])])
def test_more_attempts_than_a_node_takes_are_named(more: int, found: list[str]) -> None:
    store = Damaged(slots=1, runs=HELD_PER_CREDIT_MAX + more)
    store.index()
    assert [finding.check for finding in audit(store)] == found


def test_an_audit_goes_on_where_it_was(store: Damaged) -> None:
    store.remove(store.read_log_of("run:run-0")[-1])
    standing = Standing(run_id="run-0", runs=1)
    assert [one.check for one in audit(store, standing)] == ["batch"]
    later = Standing(phase="batches", number=3, digest=store.log._batches[2].digest, position=7)
    assert audit(Damaged(), later) == []


class TestAnchor:
    def test_a_log_that_has_grown_has_what_it_had(self, store: Damaged) -> None:
        anchor = anyio.run(anchor_of, store, "main")
        store.append(extend(Head(node_stream("n7")), facts=[NODE]))
        assert anyio.run(check_since, store, anchor) == []

    def test_a_log_that_was_cut_with_its_batches_shows(self, store: Damaged) -> None:
        anchor = anyio.run(anchor_of, store, "main")
        tail: list[LogBatch] = store.log._batches[-1:]
        store.remove(*[e for e in store.log._log if (e.position or 0) >= tail[0].first])
        store.log._batches = store.log._batches[:-1]
        (finding,) = anyio.run(check_since, store, anchor)
        assert finding.check == "batch"
        assert "cut off" in finding.message

    def test_a_log_that_was_restored_and_has_grown_past_it_shows(self, store: Damaged) -> None:
        """As whoever copies events by position finds it after a base backup was restored."""
        anchor = anyio.run(anchor_of, store, "main")
        tail: list[LogBatch] = store.log._batches[-2:]
        store.remove(*[e for e in store.log._log if (e.position or 0) >= tail[0].first])
        store.log._batches = store.log._batches[:-2]
        for number in range(7, 20):
            store.append(extend(Head(node_stream(f"n{number}")), facts=[NODE]))
        assert store.log._batches[-1].last >= anchor.position
        (finding,) = anyio.run(check_since, store, anchor)
        assert "another digest" in finding.message

    def test_a_log_that_was_written_anew_shows(self, store: Damaged) -> None:
        anchor = anyio.run(anchor_of, store, "main")
        again = msgspec.structs.replace(anchor, digest="00")
        (finding,) = anyio.run(check_since, store, again)
        assert "another digest" in finding.message
