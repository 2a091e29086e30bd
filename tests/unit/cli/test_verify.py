"""Verify finds each kind of damage, and names the event it is at."""

import anyio
import msgspec
import pytest

from events.catalogue import Catalogue
from events.envelope import Stored, unseal
from events.ids import run_stream, shard_of
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.kernel.snapshot import fingerprint
from orchestrator.replay.audit.verify import Verified, Verifier
from orchestrator.replay.ports import IndexRow, row_of
from orchestrator.replay.snapshots import Snapshot
from tests.builders import NOW, RUN_ID, Play, started, task, workflow

SHARDS = 4


class OneRun(MemoryStore):
    """A store with one run in it, as whole or as damaged as a test wants it."""

    def __init__(self, play: Play) -> None:
        super().__init__(MemoryLog(lambda: NOW))
        self.events = play.stored()
        self.row: IndexRow | None = _row(play)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        if stream != run_stream(RUN_ID):
            return []
        return [event for event in self.events if event.version > after][:limit]

    async def index_row(self, run_id: str) -> IndexRow | None:
        return self.row

    def save(self, *snapshots: Snapshot) -> None:
        for snapshot in snapshots:
            self.log.save_snapshot(snapshot)


def _row(play: Play) -> IndexRow:
    return row_of(RUN_ID, shard_of(RUN_ID, SHARDS), play.state)


def finished() -> Play:
    return started(workflow(task("a"), task("b"))).finish()


def snapshot_at(play: Play, version: int) -> Snapshot:
    digest = unseal(play.stored()[version - 1], Catalogue()).digest
    return Snapshot(
        stream=run_stream(RUN_ID),
        version=version,
        digest=digest,
        fingerprint=fingerprint(),
        state=play.states[version - 1],
    )


def audit(store: OneRun) -> Verified:
    found = anyio.run(Verifier(store, Catalogue(), SHARDS).run, RUN_ID)
    assert found is not None
    return found


def findings(store: OneRun) -> list[tuple[str, int]]:
    return [(finding.check, finding.version) for finding in audit(store).findings]


def test_a_sound_run_with_snapshots_has_no_findings() -> None:
    play = finished()
    store = OneRun(play)
    store.save(snapshot_at(play, 2), snapshot_at(play, 4))
    found = audit(store)
    assert not found.findings
    assert (found.events, found.snapshots, found.status) == (len(play.facts), 2, "completed")


def test_every_snapshot_is_looked_at_and_each_damaged_one_is_named() -> None:
    play = finished()
    store = OneRun(play)
    manual = msgspec.structs.replace(snapshot_at(play, 4), kind="manual")
    store.save(snapshot_at(play, 2), snapshot_at(play, 3), snapshot_at(play, 4), manual)
    for version in (2, 4):
        store.log.snapshots.damage(run_stream(RUN_ID), version)
    assert findings(store) == [("snapshots", 2), ("snapshots", 4), ("snapshots", 4)]
    assert audit(store).snapshots == 1


def test_a_run_that_is_not_there_is_none() -> None:
    store = OneRun(finished())
    store.events, store.row = [], None
    assert anyio.run(Verifier(store, Catalogue(), SHARDS).run, "other") is None


@pytest.mark.parametrize(("most", "found"), [(5, ["length"]), (6, [])])
@pytest.mark.edge("DECISION_EVENTS")
def test_a_run_with_more_events_than_any_may_have_is_found(most: int, found: list[str]) -> None:
    store = OneRun(finished())
    assert len(store.events) == 6
    verified = anyio.run(Verifier(store, Catalogue(), SHARDS, most).run, RUN_ID)
    assert verified is not None
    assert [finding.check for finding in verified.findings] == found


def test_a_changed_event_breaks_the_chain_after_it() -> None:
    store = OneRun(finished())
    event = store.events[2]
    changed = event.state.replace(b'"node":"n1"', b'"node":"n2"').replace(b"1700", b"1701")
    assert changed != event.state
    store.events[2] = msgspec.structs.replace(event, state=changed)
    assert ("chain", 4) in findings(store)


def test_a_missing_event_is_named() -> None:
    store = OneRun(finished())
    del store.events[2]
    found = audit(store).findings
    assert found[0].check == "chain"
    assert "event 3 of run:run-1 is missing" in found[0].message


def test_bytes_that_are_no_event_are_named() -> None:
    store = OneRun(finished())
    store.events[1] = msgspec.structs.replace(store.events[1], state=b"{")
    assert ("chain", 2) in findings(store)


def test_a_snapshot_that_is_another_state_is_named() -> None:
    play = finished()
    store = OneRun(play)
    wrong = msgspec.structs.replace(snapshot_at(play, 3), state=play.states[1])
    store.save(snapshot_at(play, 2), wrong)
    assert findings(store) == [("snapshots", 3)]


def test_a_snapshot_of_another_schema_is_not_judged() -> None:
    play = finished()
    store = OneRun(play)
    store.save(msgspec.structs.replace(snapshot_at(play, 3), fingerprint="old", state=b""))
    assert not findings(store)


def test_an_index_row_that_is_not_the_fold_is_named() -> None:
    play = finished()
    store = OneRun(play)
    store.row = msgspec.structs.replace(_row(play), status="running", ready=3)
    (found,) = audit(store).findings
    assert found.check == "run_index"
    assert "status 'running', the events say 'completed'" in found.message


def test_a_missing_index_row_is_named() -> None:
    store = OneRun(finished())
    store.row = None
    assert findings(store) == [("run_index", store.events[-1].version)]


def test_an_index_that_is_ahead_of_the_log_is_named() -> None:
    play = finished()
    store = OneRun(play)
    store.row = msgspec.structs.replace(_row(play), version=99)
    assert findings(store) == [("run_index", 99)]
