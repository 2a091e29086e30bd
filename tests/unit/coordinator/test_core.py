"""The coordinator's step machine: what leaves when, and what becomes of a commit that fails."""

from events.api import CancelRun, Refused, RunAnswer, ShowRun, StartRun
from events.ids import Attempt, run_stream, shard_of
from events.messages import Cancel, Drop, Granted, Reset, Settle
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Appended, Conflicted, FencedOff
from tests.unit.coordinator.driving import SHARDS, Drive

FIRST = Attempt("r1", "a", 0, 1)


def types(batch_events: tuple[object, ...]) -> list[str]:
    return [getattr(event, "type", "") for event in batch_events]


def test_nothing_leaves_before_the_commit() -> None:
    drive = Drive().ready().start()
    (batch,) = drive.batches()
    assert types(batch.events) == ["run.started.v1", "task.dispatched.v1"]
    assert drive.take(s.Answer) == []
    assert drive.take(s.Publish) == []
    drive.step(s.AppendDone(batch_id=batch.id, outcome=Appended(position=9)))
    assert [a.reply_to for a in drive.take(s.Answer)] == ["client"]
    assert [e.attempt for e in drive.executes()] == [FIRST]
    assert drive.take(s.Announce)[0].position == 9


def test_arrivals_gather_while_a_commit_is_in_flight() -> None:
    drive = Drive().ready().start("r1").start("r2").start("r3")
    (first,) = drive.batches()
    drive.step(s.AppendDone(batch_id=first.id, outcome=Appended(position=1)))
    (second,) = drive.batches()
    assert {event.stream for event in second.events} == {"run:r2", "run:r3"}


def test_reports_are_settled_and_acknowledged_after_their_commit_only() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.step(drive.report(FIRST))
    assert drive.take(s.AcknowledgeReports) == []
    assert list(drive.commands()) == []
    drive.commit()
    assert [a.deliveries[0].sequence for a in drive.take(s.AcknowledgeReports)] == [1]
    assert Settle(attempts=(FIRST,)) in list(drive.commands())


def test_a_repeated_report_changes_nothing_and_is_settled_again() -> None:
    drive = Drive().ready().start().commit().step(Drive().report(FIRST)).commit()
    drive.outputs = []
    drive.step(drive.report(FIRST, sequence=2))
    assert drive.batches() == []
    assert list(drive.commands()) == [Settle(attempts=(FIRST,))]


def test_acknowledging_waits_for_earlier_deliveries() -> None:
    """A delivery whose run is still being loaded holds back the later ones of its shard."""
    drive = Drive().ready().start().commit()
    other = next(f"x{n}" for n in range(99) if shard_of(f"x{n}", SHARDS) == shard_of("r1", SHARDS))
    drive.outputs = []
    drive.step(drive.report(Attempt(other, "a", 0, 1), sequence=1))
    drive.step(drive.report(FIRST, sequence=2)).commit()
    assert drive.take(s.AcknowledgeReports) == []
    assert [load.run_id for load in drive.take(s.LoadRun)] == [other]
    drive.step(s.RunLoaded(run_id=other)).commit()
    drive.step()
    drive.start("r9").commit()
    assert [a.deliveries[0].sequence for a in drive.take(s.AcknowledgeReports)] == [2]


def test_a_conflict_isolates_one_run() -> None:
    drive = Drive().ready().start("r0")
    (held,) = drive.batches()
    drive.start("r1").start("r2")
    drive.step(s.AppendDone(batch_id=held.id, outcome=Appended(position=1)))
    (batch,) = drive.batches()
    lost = run_stream("r1")
    drive.step(s.AppendDone(batch_id=batch.id, outcome=Conflicted(streams=(lost,))))
    (again,) = drive.batches()
    assert {event.stream for event in again.events} == {"run:r2"}
    assert {row.run_id for row in again.index} == {"r2"}
    drive.step(s.AppendDone(batch_id=again.id, outcome=Appended(position=2)))
    assert [load.run_id for load in drive.take(s.LoadRun)] == ["r1"]


def test_an_unknown_outcome_is_asked_and_never_repeated_blindly() -> None:
    drive = Drive().ready().start()
    (batch,) = drive.batches()
    drive.step(s.AppendFailed(batch_id=batch.id, unknown=True))
    assert drive.batches() == []
    assert [ask.batch.id for ask in drive.take(s.AskLanded)] == [batch.id]
    drive.step(s.LandedKnown(batch_id=batch.id, landed=None))
    assert [ask.batch.id for ask in drive.take(s.AskLanded)] == [batch.id]
    drive.step(s.LandedKnown(batch_id=batch.id, landed=True))
    assert drive.batches() == []
    assert [e.attempt for e in drive.executes()] == [FIRST]


def test_a_batch_that_did_not_land_is_sent_again_as_it_was() -> None:
    drive = Drive().ready().start()
    (batch,) = drive.batches()
    drive.step(s.AppendFailed(batch_id=batch.id, unknown=True))
    drive.take(s.AskLanded)
    drive.step(s.LandedKnown(batch_id=batch.id, landed=False))
    (again,) = drive.batches()
    assert again.events == batch.events


def test_a_fenced_coordinator_forgets_and_says_nothing() -> None:
    drive = Drive().ready().start()
    (batch,) = drive.batches()
    drive.step(s.AppendDone(batch_id=batch.id, outcome=FencedOff(shards=tuple(range(SHARDS)))))
    assert drive.take(s.Answer) == []
    assert drive.take(s.Publish) == []
    assert drive.take(s.Serve)[-1].leases == ()
    drive.node()
    assert drive.take(s.AnswerHeartbeat) == []


def test_a_command_that_no_heartbeat_mentions_is_sent_again() -> None:
    drive = Drive().ready().start().commit()
    assert len(drive.executes()) == 1
    drive.node().commit()
    assert drive.executes() == []
    drive.wait(2.5).node().commit()
    assert [e.attempt for e in drive.executes()] == [FIRST]
    drive.wait(2.5).node(held=(FIRST,)).commit()
    assert drive.executes() == []


def test_what_a_node_holds_without_a_reason_is_dropped_or_settled() -> None:
    drive = Drive().ready()
    stray, done = Attempt("gone", "a", 0, 1), Attempt("gone", "b", 0, 1)
    drive.node(held=(stray,), unsettled=(done,)).commit()
    commands = list(drive.commands())
    assert Drop(attempts=(stray,)) in commands
    assert Settle(attempts=(done,)) in commands


def test_a_silent_node_is_lost_and_its_attempt_given_to_another() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    for _ in range(12):
        drive.wait(0.5).node("n2", "j1").commit()
    resent = [e for e in drive.executes() if e.attempt.number == 2]
    assert [e.attempt.step for e in resent] == ["a"]
    drive.outputs = []
    drive.node("n1", "i1")
    (answer,) = drive.take(s.AnswerHeartbeat)
    assert isinstance(answer.answer, Reset)


def test_time_in_which_the_observer_slept_is_nobodys_silence() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.at += 3_000_000
    drive.step()
    drive.node().commit()
    (answer,) = drive.take(s.AnswerHeartbeat)
    assert isinstance(answer.answer, Granted)


def test_a_restarted_node_loses_only_what_it_does_not_mention() -> None:
    drive = Drive().ready().start("r1").commit().start("r2").commit()
    drive.outputs = []
    kept = Attempt("r2", "a", 0, 1)
    drive.node("n1", "i2", unsettled=(kept,)).commit()
    numbers = {e.attempt.run_id: e.attempt.number for e in drive.executes()}
    assert numbers == {"r1": 2}


def test_cancelling_waits_for_the_node_and_then_ends() -> None:
    drive = Drive().ready().start().commit().expect()
    drive.outputs = []
    drive.ask(CancelRun(run_id="r1", reason="enough")).commit()
    assert any(isinstance(command, Cancel) for command in drive.commands())
    drive.step(drive.report(FIRST)).commit()
    answers = [a.answer for a in drive.take(s.Answer) if a.reply_to == "waiting"]
    assert [a.run.status for a in answers if isinstance(a, RunAnswer)] == ["cancelled"]


def test_unknown_runs_and_workflows_are_refused_by_name() -> None:
    drive = Drive().ready()
    drive.ask(ShowRun(run_id="nope"))
    drive.step(s.RunLoaded(run_id="nope"))
    drive.ask(StartRun(run_id="r1", workflow="missing"))
    refused = [a.answer for a in drive.take(s.Answer)]
    assert all(isinstance(answer, Refused) for answer in refused)
    texts = " ".join(a.message for a in refused if isinstance(a, Refused))
    assert "nope" in texts
    assert "missing" in texts


def test_a_parked_run_is_named_and_the_others_go_on() -> None:
    drive = Drive().ready()
    drive.ask(ShowRun(run_id="bad"))
    drive.step(s.RunLoaded(run_id="bad", parked="event 3 of run:bad is not readable"))
    (answer,) = drive.take(s.Answer)
    assert isinstance(answer.answer, Refused)
    assert answer.answer.code == "corrupt"
    assert "event 3" in answer.answer.message
    assert drive.start().batches()


def test_a_task_that_no_node_knows_waits_visibly() -> None:
    drive = Drive().own().register()
    drive.start().commit()
    drive.outputs = []
    drive.ask(ShowRun(run_id="r1"))
    (answer,) = drive.take(s.Answer)
    assert isinstance(answer.answer, RunAnswer)
    assert answer.answer.run.tasks[0].pending.startswith("no_node")


def test_a_lost_task_is_placed_before_newer_ones() -> None:
    """With all credits taken, a task that lost its node is first when one is free."""
    drive = Drive().ready()
    for number in range(12):
        drive.start(f"r{number}").commit()
    drive.outputs = []
    lost = Attempt("r3", "a", 0, 1)
    others = tuple(Attempt(f"r{n}", "a", 0, 1) for n in range(10) if n != 3)
    drive.node("n1", "i2", unsettled=others).commit()
    assert [e.attempt for e in drive.executes()] == [Attempt(lost.run_id, "a", 0, 2)]
