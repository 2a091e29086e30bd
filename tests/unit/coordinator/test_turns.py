"""What is decided while a commit is in flight, and what has to wait for it."""

from events.api import CancelRun, RegisterWorkflow, ShowRun, StartRun
from events.ids import Attempt, run_stream, shard_of
from events.messages import Heartbeat, Settle
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Appended, Batch, Conflicted
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, Drive, two_tasks

FIRST = Attempt("r1", "a", 0, 1)


def streams(batch: Batch) -> set[str]:
    return {event.stream for event in batch.events}


def land(drive: Drive, batch: Batch) -> Drive:
    return drive.step(s.AppendDone(batch_id=batch.id, outcome=Appended(position=1)))


def in_flight(*runs: str) -> tuple[Drive, Batch]:
    """r1 has an attempt under way; the start of these runs is being made durable."""
    drive = Drive().ready().start().commit()
    drive.step(
        *(
            s.RequestArrived(request=StartRun(run_id=run, workflow="two"), reply_to=run)
            for run in runs
        )
    )
    (batch,) = drive.batches()
    drive.outputs = []
    return drive, batch


def test_other_runs_are_decided_meanwhile_and_leave_with_the_next_commit() -> None:
    drive, first = in_flight("r2")
    drive.step(drive.report(FIRST))
    assert drive.batches() == [], "one commit at a time"
    land(drive, first)
    (second,) = drive.batches()
    assert streams(second) == {run_stream("r1")}
    assert [e.attempt.run_id for e in drive.executes()] == ["r2"], "what has landed, and no more"
    land(drive, second)
    assert [e.attempt for e in drive.executes()] == [Attempt("r1", "b", 0, 1)]


def test_a_run_in_flight_waits() -> None:
    drive, first = in_flight("r2")
    drive.step(s.RequestArrived(request=CancelRun(run_id="r2"), reply_to="cancel"))
    drive.start("r3")
    land(drive, first)
    (second,) = drive.batches()
    assert streams(second) == {run_stream("r3")}, "r2 has gathered nothing"
    land(drive, second)
    (third,) = drive.batches()
    assert streams(third) == {run_stream("r2")}


def test_a_look_at_a_run_in_flight_is_answered_after_its_commit() -> None:
    drive, first = in_flight("r2")
    drive.step(s.RequestArrived(request=ShowRun(run_id="r2"), reply_to="show"))
    assert drive.take(s.Answer) == []
    land(drive, first)
    assert [answer.reply_to for answer in drive.take(s.Answer)] == ["r2", "show"]


def test_what_concerns_more_than_one_run_holds_back_all_behind_it() -> None:
    drive, first = in_flight("r2")
    drive.start("r3")
    drive.step(
        s.RequestArrived(request=RegisterWorkflow(definition=two_tasks("two+")), reply_to="c"),
    ).start("r4")
    land(drive, first)
    (second,) = drive.batches()
    assert streams(second) == {run_stream("r3")}, "what came before it was gathered"
    drive.start("r5")
    land(drive, second).answer_loads()
    (third,) = drive.batches()
    assert streams(third) == {run_stream("r4"), run_stream("r5")}


def test_nothing_is_decided_behind_a_commit_that_others_rest_on() -> None:
    """A run must not begin with a version of its workflow that may never be durable."""
    drive = Drive().ready()
    drive.ask(RegisterWorkflow(definition=two_tasks("new")))
    (first,) = drive.batches()
    drive.start("r2")
    land(drive, first)
    (second,) = drive.batches()
    assert streams(second) == {run_stream("r2")}
    assert [e.attempt.run_id for e in drive.executes()] == []


def test_a_conflict_leaves_what_was_gathered_alone() -> None:
    drive, first = in_flight("r2", "r3")
    drive.step(drive.report(FIRST))
    lost = Conflicted(streams=(run_stream("r2"),))
    drive.step(s.AppendDone(batch_id=first.id, outcome=lost))
    (again,) = drive.batches()
    assert streams(again) == {run_stream("r3")}
    land(drive, again)
    (second,) = drive.batches()
    assert streams(second) == {run_stream("r1")}


def test_what_was_gathered_goes_with_its_shard() -> None:
    shard = shard_of("r1", SHARDS)
    drive, first = in_flight(next(r for r in "bcdefg" if shard_of(r, SHARDS) != shard))
    drive.step(drive.report(FIRST)).lose(shard)
    land(drive, first)
    assert drive.batches() == []
    assert Settle(attempts=(FIRST,)) not in list(drive.commands())


def test_a_node_is_not_told_what_is_still_in_flight() -> None:
    """Its result is recorded but not durable: if the commit fails, only the node has it."""
    drive = Drive().ready().start().commit()
    drive.step(drive.report(FIRST))
    (first,) = drive.batches()
    drive.outputs = []
    drive.beat(
        Heartbeat(
            node="n1", incarnation="i1", sequence=9, credits=10, tasks=("t",), unsettled=(FIRST,)
        )
    )
    drive.start("r2")
    assert list(drive.commands()) == []
    land(drive, first)
    assert Settle(attempts=(FIRST,)) in list(drive.commands())


def test_much_is_gathered_a_part_at_a_time() -> None:
    drive = Drive(Settings(gathered_at_once_max=2)).ready().start("r0")
    (first,) = drive.batches()
    now = s.Now(drive.at, drive.at)
    asked = [StartRun(run_id=f"r{n}", workflow="two") for n in range(1, 6)]
    drive.outputs += drive.core.step(
        [s.RequestArrived(request=one, reply_to="c") for one in asked], now
    )
    assert drive.core.next_look_at <= drive.at, "it goes on without waiting for anybody"
    land(drive, first)
    (second,) = drive.batches()
    assert streams(second) == {run_stream("r1"), run_stream("r2")}
    land(drive, second)
    assert len(streams(drive.batches()[0])) == 3
