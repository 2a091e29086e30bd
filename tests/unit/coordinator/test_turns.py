"""What is decided while a commit is in flight, and what has to wait for it."""

import pytest

from events.api import (
    CancelRun,
    PauseRun,
    Refused,
    RegisterWorkflow,
    ResumeRun,
    ShowRun,
    StartRun,
)
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


def in_flight(*runs: str, settings: Settings | None = None) -> tuple[Drive, Batch]:
    """r1 has an attempt under way; the start of these runs is being made durable."""
    drive = Drive(settings).ready().start().commit()
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


def test_a_node_keeps_a_result_of_which_the_record_has_left_its_commit() -> None:
    drive = Drive().ready().start().commit()
    drive.step(drive.report(FIRST))
    (first,) = drive.batches()
    drive.outputs = []
    drive.node(unsettled=(FIRST,)).start("r2")
    drive.step(
        s.AppendDone(batch_id=first.id, outcome=Conflicted(streams=(run_stream("r1"),)))
    ).commit()
    assert Settle(attempts=(FIRST,)) not in list(drive.commands())


@pytest.mark.edge("EngineLimits.gathered_at_once_max")
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


@pytest.mark.edge("EngineLimits.turn_works_max")
def test_what_gathers_is_no_more_than_one_turn() -> None:
    """The log may be away for long, and looks at runs write nothing that would fill the turn."""
    drive, _ = in_flight("r2", settings=Settings(turn_works_max=3, intake_max=5))
    for n in range(20):
        drive.ask(ShowRun(run_id="r1"), f"{n}")
    refused = [out.reply_to for out in drive.take(s.Answer) if isinstance(out.answer, Refused)]
    assert refused == [f"{n}" for n in range(8, 20)]


def test_what_writes_nothing_does_not_wait_for_the_next_look() -> None:
    drive = Drive(Settings(turn_works_max=1)).ready().start().commit()
    drive.outputs = []
    drive.step(*(s.RequestArrived(request=ShowRun(run_id="r1"), reply_to=f"{n}") for n in range(3)))
    assert [answer.reply_to for answer in drive.take(s.Answer)] == ["0", "1", "2"]


def test_heartbeats_do_not_pile_up_while_the_log_is_away() -> None:
    drive, first = in_flight("r2")
    for _ in range(10):
        drive.node(unsettled=(Attempt("r9", "a", 0, 1),))
    land(drive, first)
    settles = [one for one in drive.commands() if isinstance(one, Settle)]
    assert 1 <= len(settles) <= 2, "the first, and the newest"


def test_reasons_to_wait_do_not_pile_up_while_the_log_is_away() -> None:
    """They are found anew at every poll, and those of runs in flight cannot be decided."""
    drive = Drive(Settings(intake_max=20)).own().node(room=0).commit().register()
    for n in range(4):
        drive.start(f"r{n}").commit()
    asked = [kind(run_id=f"r{n}", reason="?") for kind in (PauseRun, ResumeRun) for n in range(4)]
    drive.step(*(s.RequestArrived(request=one, reply_to="steering") for one in asked))
    (first,) = drive.batches()
    assert len(streams(first)) == 4
    for _ in range(20):
        drive.wait(1.0).node(room=0)
    drive.outputs = []
    drive.start("r9")
    assert drive.take(s.Answer) == [], "it waits for its commit, and is not refused"
    land(drive, first).commit()
    assert [answer.reply_to for answer in drive.take(s.Answer)] == ["steering"] * 8 + ["client"]


def test_works_of_one_run_stay_in_order_when_its_commit_is_in_conflict() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.step(
        s.RequestArrived(request=PauseRun(run_id="r1", reason="first"), reply_to="pause"),
        s.RequestArrived(request=StartRun(run_id="r2", workflow="two"), reply_to="start"),
    )
    (first,) = drive.batches()
    drive.ask(ResumeRun(run_id="r1", reason="then"), "resume")
    drive.step(
        s.AppendDone(batch_id=first.id, outcome=Conflicted(streams=(run_stream("r1"),))),
        s.RequestArrived(request=CancelRun(run_id="r1"), reply_to="cancel"),
    )
    assert drive.read_runs() == ["r1"]
    drive.commit()
    replies = [answer.reply_to for answer in drive.take(s.Answer)]
    assert replies == ["start", "pause", "resume", "cancel"]
