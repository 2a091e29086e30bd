"""Leases and what was read under them: nothing that has ended comes back with an empty memory."""

import pytest

from events.api import RunAnswer, ShowRun
from events.envelope import Head
from events.ids import Attempt, shard_of
from events.messages import Granted, Heartbeat, HeartbeatAnswer, Reset
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import IndexRow, Lease
from tests.unit.coordinator.driving import SHARDS, Drive, two_tasks

OURS = shard_of("r1", SHARDS)
OTHER = next(shard for shard in range(SHARDS) if shard != OURS)
ALL = tuple(range(SHARDS))


def leases(*shards: int, epoch: int = 1) -> tuple[Lease, ...]:
    return tuple(Lease(shard=n, epoch=epoch, holder="c1") for n in shards)


def granted(drive: Drive) -> tuple[int, ...]:
    """On which shards a node that beats now may start attempts."""
    drive.take(s.AnswerHeartbeat)
    (answer,) = (out.answer for out in drive.node().take(s.AnswerHeartbeat))
    assert isinstance(answer, Granted)
    return answer.shards


def row(run_id: str) -> IndexRow:
    return IndexRow(
        run_id=run_id,
        shard=shard_of(run_id, SHARDS),
        workflow="two",
        workflow_version="v",
        status="running",
        version=1,
        outstanding=1,
    )


def later(drive: Drive, seconds: float) -> int:
    """Time passes in which the coordinator was not scheduled; returns when it began."""
    asked_at, drive.at = drive.at, drive.at + round(seconds * 1_000_000)
    return asked_at


# -- shard leases ---------------------------------------------------------------------------------


def test_an_acquisition_that_was_answered_too_late_is_none() -> None:
    drive = Drive().step(s.AttendanceTold(names=("c1",)))
    (ask,) = drive.step().take(s.AcquireLeases)
    asked_at = later(drive, ask.ttl_s)
    drive.step(s.LeasesAcquired(leases=leases(*ALL), asked_at=asked_at))
    assert drive.take(s.Serve) == []
    assert drive.take(s.FindActive) == []


def test_a_store_that_does_not_answer_is_not_asked_again() -> None:
    drive = Drive().step(s.AttendanceTold(names=("c1",)))
    asked = drive.step().take(s.AcquireLeases)
    for _ in range(100):
        drive.at += 100_000
        asked += drive.step().take(s.AcquireLeases)
    assert len(asked) == 1
    drive.step(s.LeasesUnknown())
    assert len(drive.take(s.AcquireLeases)) == 1


def test_a_renewal_that_was_answered_too_late_revives_nothing() -> None:
    drive = Drive().ready().start().commit()
    later(drive, drive.settings.lease_ttl_s)
    drive.step(s.LeasesRenewed(asked=leases(*ALL), leases=leases(*ALL), asked_at=drive.at))
    assert drive.take(s.Serve)[-1].leases == ()
    drive.node()
    assert drive.take(s.AnswerHeartbeat) == [], "who owns nothing grants nothing"


def test_what_was_dropped_is_not_renewed() -> None:
    drive = Drive().ready().lose(OURS)
    drive.step(s.LeasesRenewed(asked=leases(OURS), leases=leases(OURS), asked_at=drive.at))
    assert drive.take(s.Serve)[-1].leases == leases(OTHER)


# -- attempt leases -------------------------------------------------------------------------------


def test_no_attempt_lease_is_granted_while_a_shards_runs_are_loading() -> None:
    """An attempt that the node holds may be another's by now; that is known when all are loaded."""
    drive = Drive().own(OTHER).node().commit()
    assert granted(drive) == (OTHER,)
    drive.step(s.LeasesAcquired(leases=leases(OURS), asked_at=drive.at))
    (find,) = drive.take(s.FindActive)
    assert granted(drive) == (OTHER,)
    drive.step(s.ActiveFound(shards=find.shards, rows=(row("r1"),), more=False, era=find.era))
    (load,) = drive.take(s.LoadRun)
    assert granted(drive) == (OTHER,)
    drive.step(s.RunLoaded(run_id="r1", era=load.era))
    assert granted(drive) == tuple(sorted((OTHER, OURS)))


def test_none_is_granted_before_the_last_page_of_its_runs() -> None:
    drive = Drive().own(OTHER).node().commit()
    drive.step(s.LeasesAcquired(leases=leases(OURS), asked_at=drive.at))
    (find,) = drive.take(s.FindActive)
    drive.step(s.ActiveFound(shards=find.shards, rows=(row("r1"),), more=True, era=find.era))
    drive.step(s.RunLoaded(run_id="r1", era=find.era))
    assert [find.after for find in drive.take(s.FindActive)] == ["r1"]
    assert granted(drive) == (OTHER,)


# -- eras -----------------------------------------------------------------------------------------


def again(drive: Drive) -> Drive:
    """All shards are lost and won again: a new era, of which nothing has been read yet."""
    drive.lose().step(s.LeasesAcquired(leases=leases(*ALL, epoch=2), asked_at=drive.at))
    return drive


def test_a_run_that_was_read_in_an_earlier_era_is_read_again() -> None:
    """Another owner may have gone on with it in between."""
    other = Drive().ready().start().commit()
    early = other.rebuilt()
    other.step(other.report(Attempt("r1", "a", 0, 1))).commit()
    late = other.rebuilt()
    assert 0 < early.head.version < late.head.version

    drive = Drive().own().node().commit()
    drive.step(s.RequestArrived(request=ShowRun(run_id="r1"), reply_to="c"))
    (before,) = drive.take(s.LoadRun)
    again(drive)
    drive.outputs = []
    drive.step(s.RunLoaded(run_id="r1", era=before.era, rebuilt=early))
    assert drive.take(s.Answer) == []
    (after,) = drive.take(s.LoadRun)
    assert after.era > before.era
    drive.elsewhere(two_tasks())
    drive.step(s.RunLoaded(run_id="r1", era=after.era, rebuilt=late)).answer_loads().commit()
    (answer,) = [out.answer for out in drive.take(s.Answer) if out.reply_to == "c"]
    assert isinstance(answer, RunAnswer)
    assert answer.run.version == late.head.version


LATER = 1_000
"""A step after those of the acquisition."""


def beats(drive: Drive) -> list[HeartbeatAnswer]:
    """The answers to a heartbeat of a node that this coordinator knows, or knew."""
    drive.take(s.AnswerHeartbeat)
    beat = Heartbeat(node="n1", incarnation="i1", sequence=99, credits=10, tasks=("t",))
    drive.step(s.HeartbeatArrived(beat=beat, reply_to="beat"))
    return [out.answer for out in drive.take(s.AnswerHeartbeat)]


def lost_elsewhere(ask: s.LoadNode) -> s.NodeLoaded:
    """What another owner has written about the node while the shards were its own."""
    head = Head("node:n1", 2)
    return s.NodeLoaded(node="n1", head=head, incarnation="i1", gone=True, step=ask.step)


def test_a_node_is_believed_only_after_its_stream_was_read_in_this_ownership() -> None:
    """Its attempts may be with others since: a lease would start them beside their completion."""
    drive = again(Drive().own().node().commit())
    assert beats(drive) == []
    (ask,) = drive.take(s.LoadNode)
    drive.step(lost_elsewhere(ask))
    (answer,) = beats(drive)
    assert isinstance(answer, Reset)


def test_what_was_asked_about_a_node_in_an_earlier_ownership_is_asked_again() -> None:
    drive = Drive().own()
    assert beats(drive) == []
    (before,) = drive.take(s.LoadNode)
    again(drive)
    drive.step(s.NodeLoaded(node="n1", head=Head("node:n1"), step=before.step))
    (after,) = drive.take(s.LoadNode)
    assert beats(drive) == []
    drive.step(lost_elsewhere(after))
    (answer,) = beats(drive)
    assert isinstance(answer, Reset)


def test_a_node_whose_stream_was_read_before_it_was_heard_takes_part() -> None:
    drive = Drive().own()
    head = Head("node:n1", 1)
    drive.step(s.NodeLoaded(node="n1", head=head, incarnation="i1", step=LATER))
    (answer,) = beats(drive)
    assert isinstance(answer, Granted)
    assert drive.view("n1").status == "healthy"


@pytest.mark.parametrize("more", [False, True])
def test_a_list_of_runs_from_an_earlier_era_is_not_complete(more: bool) -> None:
    drive = Drive().step()
    drive.step(s.LeasesAcquired(leases=leases(*ALL), asked_at=drive.at))
    (before,) = drive.take(s.FindActive)
    again(drive)
    (after,) = drive.take(s.FindActive)
    drive.node()
    drive.outputs = []
    rows = (row("r1"),) if more else ()
    drive.step(s.ActiveFound(shards=ALL, rows=rows, more=more, era=before.era))
    assert [find.era for find in drive.take(s.FindActive)] == [after.era]
    assert drive.take(s.LoadRun) == []
    assert granted(drive) == ()
    drive.step(s.ActiveFound(shards=ALL, rows=(), more=False, era=after.era))
    assert granted(drive) == ALL


def test_a_shard_is_ready_once_its_own_runs_are_read_whatever_else_is() -> None:
    """Clients may look at runs that are not in memory without end."""
    drive = Drive().step()
    drive.step(s.LeasesAcquired(leases=leases(*ALL), asked_at=drive.at))
    drive.ask(ShowRun(run_id="x0")).commit().node().commit()
    assert granted(drive) == ()
    for n in range(1, 5):
        (asked,) = drive.take(s.LoadRun)
        drive.ask(ShowRun(run_id=f"x{n}")).step(s.RunLoaded(run_id=asked.run_id, era=asked.era))
    assert drive.take(s.LoadRun), "another one is still being read"
    assert granted(drive) == ALL


def test_a_delivery_of_an_earlier_ownership_acknowledges_nothing_of_this_one() -> None:
    """Its reports may still be waiting for their runs when it is delivered anew."""
    drive = Drive().ready()
    ours = [name for name in (f"r{n}" for n in range(20)) if shard_of(name, SHARDS) == OURS]
    here, late = ours[:2]
    for name in (here, late):
        drive.start(name).commit()
    attempts = Attempt(here, "a", 0, 1), Attempt(late, "a", 0, 1)
    for epoch in (2, 3):
        drive.lose(epoch=epoch - 1).own(epoch=epoch).step(drive.report(*attempts))
    drive.outputs = []
    read(drive, here, era=1)
    (asked,) = drive.take(s.LoadRun)
    read(drive, here, era=asked.era).commit()
    assert drive.rebuilt(here).state.steps["a"].status == "completed"
    assert drive.take(s.AcknowledgeReports) == [], "the other report is not recorded yet"
    read(drive, late, era=asked.era).commit()
    assert len(drive.take(s.AcknowledgeReports)) == 1


def read(drive: Drive, run_id: str, era: int) -> Drive:
    return drive.step(s.RunLoaded(run_id=run_id, era=era, rebuilt=drive.rebuilt(run_id)))
