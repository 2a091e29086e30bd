"""Reconciling: what is told to nodes rests on the log, and nobody waits for a node that is gone."""

import pytest

from events.api import CancelRun
from events.definition import Definition
from events.envelope import Head
from events.ids import Attempt, run_stream, shard_of
from events.messages import Heartbeat
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Conflicted, FencedOff, IndexRow, Lease
from orchestrator.replay.rebuild import Rebuilt
from tests.unit.coordinator.driving import SHARDS, Drive, two_tasks

FIRST, NEXT = Attempt("r1", "a", 0, 1), Attempt("r1", "b", 0, 1)
OURS = shard_of("r1", SHARDS)
OTHER = next(shard for shard in range(SHARDS) if shard != OURS)


def beat(*, held: tuple[Attempt, ...] = (), unsettled: tuple[Attempt, ...] = ()) -> Heartbeat:
    return Heartbeat(
        node="n1",
        incarnation="i1",
        sequence=99,
        credits=10,
        tasks=("t",),
        held=held,
        unsettled=unsettled,
    )


# -- what leaves with a stream --------------------------------------------------------------------

BEATS = {
    "sent again": beat(),
    "settled": beat(held=(FIRST,), unsettled=(NEXT,)),
    "dropped": beat(held=(FIRST, NEXT)),
}


def undecided(said: Heartbeat) -> tuple[Drive, str]:
    """A turn that has reconciled a heartbeat and writes to its run; returns the batch in flight."""
    drive = Drive().ready().start().commit()
    drive.wait(drive.settings.resend_after_s + 0.5).commit()
    drive.outputs = []
    drive.step(
        s.HeartbeatArrived(beat=said, reply_to="beat"),
        s.RequestArrived(request=CancelRun(run_id="r1"), reply_to="c"),
    )
    (batch,) = drive.batches()
    assert {event.stream for event in batch.events} == {run_stream("r1")}
    return drive, batch.id


@pytest.mark.parametrize("said", BEATS.values(), ids=BEATS)
def test_what_was_reconciled_leaves_after_the_commit(said: Heartbeat) -> None:
    drive, _ = undecided(said)
    assert list(drive.commands()) == []
    drive.outputs = []
    drive, batch = undecided(said)
    drive.step(s.AppendDone(batch_id=batch, outcome=drive.durable()))
    assert len(list(drive.commands())) == 2, "the cancellation, and what was reconciled"


@pytest.mark.parametrize("said", BEATS.values(), ids=BEATS)
def test_nothing_that_was_reconciled_outlives_a_conflict(said: Heartbeat) -> None:
    """Who has appended to the run may have given the attempt to this node: what memory says about
    it is out of date, and a node that is told to forget a result has lost it."""
    drive, batch = undecided(said)
    drive.step(s.AppendDone(batch_id=batch, outcome=Conflicted(streams=(run_stream("r1"),))))
    assert list(drive.commands()) == []


@pytest.mark.parametrize("said", BEATS.values(), ids=BEATS)
def test_nothing_that_was_reconciled_outlives_the_shard(said: Heartbeat) -> None:
    drive, batch = undecided(said)
    drive.step(s.AppendDone(batch_id=batch, outcome=FencedOff(shards=(OURS,))))
    assert list(drive.commands()) == []


@pytest.mark.parametrize("said", BEATS.values(), ids=BEATS)
def test_nothing_that_was_reconciled_outlives_an_append_that_did_not_land(said: Heartbeat) -> None:
    """The outcome was unknown, and by the time it is known the shard is another's."""
    drive, batch = undecided(said)
    drive.step(s.AppendFailed(batch_id=batch, unknown=True))
    drive.lose().step(s.LandedKnown(batch_id=batch, landed=False))
    assert drive.batches() == []
    assert list(drive.commands()) == []


# -- nodes that are gone --------------------------------------------------------------------------


def dispatched() -> Rebuilt:
    """A run whose first task is with node n1, as the log has it."""
    return Drive().ready().start().commit().rebuilt()


def take_over(drive: Drive, definition: Definition) -> Drive:
    """Acquires the shard of the run, which is found in the index and loaded."""
    drive.elsewhere(definition)
    lease = Lease(shard=OURS, epoch=7, holder="c1")
    drive.step(s.LeasesAcquired(leases=(lease,), asked_at=drive.at))
    (find,) = drive.take(s.FindActive)
    rebuilt = dispatched()
    row = IndexRow(
        run_id="r1",
        shard=OURS,
        workflow=rebuilt.state.workflow,
        workflow_version=rebuilt.state.workflow_version,
        status=rebuilt.state.status,
        version=rebuilt.head.version,
        outstanding=1,
    )
    drive.step(s.ActiveFound(shards=find.shards, rows=(row,), more=False, era=find.era))
    (load,) = drive.take(s.LoadRun)
    drive.step(s.RunLoaded(run_id="r1", era=load.era, rebuilt=rebuilt))
    return drive.answer_loads().commit()


def given_again(drive: Drive) -> list[Attempt]:
    """What another node is given within a moment, long before it could be missed."""
    for _ in range(3):
        drive.wait(0.25).node("n2", "j1").commit()
    return [execute.attempt for execute in drive.executes()]


def test_attempts_on_a_node_that_we_declared_lost_are_given_up_in_runs_loaded_later() -> None:
    drive = Drive().own(OTHER).node("n1", "i1").node("n2", "j1").commit()
    for _ in range(12):
        drive.wait(0.5).node("n2", "j1").commit()
    take_over(drive, two_tasks())
    assert given_again(drive) == [Attempt("r1", "a", 0, 2)]


def test_attempts_on_a_node_that_an_earlier_owner_declared_lost_are_given_up() -> None:
    """The earlier one wrote that the node is lost, and died before it gave the attempts up."""
    drive = Drive().own(OTHER).node("n2", "j1").commit()
    head = Head("node:n1", 2)
    drive.streams["n1"] = s.NodeLoaded(node="n1", head=head, incarnation="i1", gone=True)
    take_over(drive, two_tasks())
    assert given_again(drive) == [Attempt("r1", "a", 0, 2)]


def test_attempts_on_a_node_that_is_there_are_left_to_it() -> None:
    drive = Drive().own(OTHER).node("n1", "i1").node("n2", "j1").commit()
    take_over(drive, two_tasks())
    drive.node("n1", "i1", held=(FIRST,)).commit()
    assert given_again(drive) == []
