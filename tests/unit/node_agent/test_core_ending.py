"""How attempts end: results, cancellation, timeouts, and what is reported of each."""

import msgspec
import pytest

from events.facts import Failure, Usage
from events.messages import Cancel, Completed, Drop, Execute, Failed, Progressed, Returned, Started
from node_agent.journal import Ended
from node_agent.steps import (
    Broke,
    CancelExecution,
    Ceased,
    Done,
    ExecutionEnded,
    ExecutionProgressed,
    Journal,
    JournalSynced,
    NotBegun,
    PublishReports,
    Result,
)
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.rig import WALL_AT_START, Rig, of, with_settings

A = attempt()
CANCEL = Cancel(attempt=A, shard=0)
BROKE = Broke(Failure(code="boom", message="it broke"))


def running(rig: Rig | None = None, command: Execute | None = None) -> Rig:
    rig = rig or Rig()
    rig.grant()
    rig.command(command or execute())
    assert rig.started == [A]
    return rig


def with_limits(start_to_close_s: float | None = None, heartbeat_s: float | None = None) -> Execute:
    return msgspec.structs.replace(
        execute(), start_to_close_s=start_to_close_s, heartbeat_s=heartbeat_s
    )


def test_a_result_is_reported_with_its_stamps() -> None:
    rig = running()
    began_at = WALL_AT_START + rig.now_us
    rig.doze(0.5)
    usage = Usage(wall_s=0.5, output_bytes=3)
    rig.end(A, Done("out", "late", usage))
    assert rig.final(A) == Completed(
        attempt=A,
        output="out",
        outcome="late",
        started_at=began_at,
        ended_at=began_at + 500_000,
        usage=usage,
    )


def test_a_failure_is_reported_with_its_code() -> None:
    rig = running()
    rig.end(A, msgspec.structs.replace(BROKE, retryable=False))
    report = rig.final(A)
    assert isinstance(report, Failed)
    assert (report.kind, report.failure.code, report.retryable) == ("failed", "boom", False)


def test_no_report_leaves_before_its_batch_is_durable() -> None:
    rig = running()
    rig.answers = False
    (journal,) = of(rig.end(A), Journal)
    assert journal.sync
    assert isinstance(journal.records[0], Ended)
    assert not rig.reports
    assert not of(rig.feed(JournalSynced(journal.batch - 1)), PublishReports)
    assert of(rig.feed(JournalSynced(journal.batch)), PublishReports)


def test_one_sync_is_under_way_and_the_next_covers_all_that_gathered() -> None:
    rig = Rig()
    rig.grant()
    rig.command(*(execute(step) for step in "abcd"))
    rig.answers = False
    (first,) = of(rig.end(attempt("a")), Journal)
    assert first.sync
    for step in "bc":
        (journal,) = of(rig.end(attempt(step)), Journal)
        assert journal.records
        assert not journal.sync
    outputs = rig.feed(JournalSynced(first.batch), ExecutionEnded(attempt("d"), Done()))
    (second,) = of(outputs, Journal)
    assert second.sync
    (published,) = of(outputs, PublishReports)
    assert [r.attempt for r in published.reports.reports] == [attempt("a")]
    rig.feed(JournalSynced(second.batch))
    assert {r.attempt for r in rig.reports} == {attempt("a")}  # one message of a shard at a time


def test_a_cancelled_handler_is_returned_once_it_has_ended() -> None:
    rig = running()
    assert of(rig.command(CANCEL), CancelExecution) == [CancelExecution(A, "recalled")]
    assert not rig.finals(A)
    rig.end(A, Ceased())
    report = rig.final(A)
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", True)


def test_a_completion_that_beats_its_cancellation_counts() -> None:
    rig = running()
    rig.command(CANCEL)
    rig.end(A, Done("made it"))
    assert isinstance(rig.final(A), Completed)


def test_a_failure_under_cancellation_is_a_return() -> None:
    rig = running()
    rig.command(CANCEL)
    rig.end(A, BROKE)
    report = rig.final(A)
    assert isinstance(report, Returned)
    assert "it broke" in report.message


def test_a_cancelled_attempt_that_was_not_begun_has_not_started() -> None:
    rig = running()
    rig.command(CANCEL)
    rig.end(A, NotBegun())
    report = rig.final(A)
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", False)


def test_a_waiting_attempt_is_given_back_at_once() -> None:
    rig = Rig()
    rig.command(execute())
    rig.command(CANCEL)
    report = rig.final(A)
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", False)
    rig.grant()
    assert rig.started == []


def test_a_handler_that_ignores_its_cancellation_keeps_its_slot_and_key() -> None:
    rig = running(Rig(with_settings(slots=1, cancel_grace_s=2.0)))
    rig.command(CANCEL)
    rig.sleep(1.9)
    assert not rig.finals(A)
    rig.sleep(0.2)
    report = rig.final(A)
    assert isinstance(report, Returned)
    assert report.started
    rig.grant()
    rig.command(execute("b"), execute(number=2))
    assert rig.started == [A]
    rig.end(A, Done("much too late"))
    assert rig.started == [A, attempt("b")]
    assert rig.final(A) == report


def test_a_cancel_for_an_ended_attempt_sends_its_report_again() -> None:
    rig = running()
    rig.end(A)
    rig.command(CANCEL)
    assert [type(report) for report in rig.finals(A)] == [Completed, Completed]


def test_a_dropped_attempt_is_cancelled_and_never_reported() -> None:
    rig = running()
    outputs = rig.command(Drop(attempts=(A,)))
    assert of(outputs, CancelExecution) == [CancelExecution(A, "dropped")]
    rig.end(A, Done())
    rig.sleep(60)
    assert not rig.finals(A)


@pytest.mark.parametrize("result", [Ceased(), Done("late"), BROKE])
def test_start_to_close(result: Result) -> None:
    rig = running(command=with_limits(start_to_close_s=3.0))
    assert not of(rig.sleep(2.9), CancelExecution)
    assert of(rig.sleep(0.2), CancelExecution) == [CancelExecution(A, "start_to_close_timeout")]
    rig.end(A, result)
    report = rig.final(A)
    assert isinstance(report, Failed)
    assert (report.kind, report.failure.code) == ("timed_out", "start_to_close_timeout")


def test_a_task_may_be_stricter_than_its_step() -> None:
    rig = running(Rig(with_settings(timeouts_s={"t": 1.0})), with_limits(start_to_close_s=3.0))
    assert of(rig.sleep(1.1), CancelExecution)


def test_a_timed_out_handler_that_ignores_it_is_reported_after_the_grace() -> None:
    rig = running(Rig(with_settings(cancel_grace_s=1.0)), with_limits(start_to_close_s=1.0))
    rig.sleep(2.1)
    report = rig.final(A)
    assert isinstance(report, Failed)
    assert report.kind == "timed_out"


def test_a_silent_handler_times_out() -> None:
    rig = running(command=with_limits(heartbeat_s=2.0))
    rig.sleep(1.5)
    rig.feed(ExecutionProgressed(A))
    assert not of(rig.sleep(1.9), CancelExecution)
    assert of(rig.sleep(0.2), CancelExecution) == [CancelExecution(A, "heartbeat_timeout")]
    rig.end(A, Ceased())
    report = rig.final(A)
    assert isinstance(report, Failed)
    assert (report.kind, report.failure.code) == ("timed_out", "heartbeat_timeout")


def test_only_an_attempt_that_runs_for_a_while_is_reported_as_started() -> None:
    rig = Rig(with_settings(started_report_after_s=2.0))
    rig.grant()
    rig.command(execute("quick"), execute())
    started_at = WALL_AT_START + rig.now_us
    rig.end(attempt("quick"))
    rig.sleep(2.1)
    assert [r for r in rig.reports if isinstance(r, Started)] == [
        Started(attempt=A, started_at=started_at)
    ]


def test_progress_is_reported_at_most_once_an_interval_and_the_last_wins() -> None:
    rig = running()
    for number in range(5):
        rig.feed(ExecutionProgressed(A, {"at": number}, True, 8, number / 10))
    rig.sleep(1.1)
    told = [r for r in rig.reports if isinstance(r, Progressed)]
    assert [(r.details, r.fraction) for r in told] == [({"at": 0}, 0.0), ({"at": 4}, 0.4)]


def test_progress_is_numbered_within_its_attempt() -> None:
    rig = running()
    rig.command(execute("other"))
    for _ in range(3):
        rig.feed(ExecutionProgressed(A, "mark", True, 4))
        rig.sleep(1.1)
    rig.feed(ExecutionProgressed(attempt("other"), "mark", True, 4))
    told = [(r.attempt, r.sequence) for r in rig.reports if isinstance(r, Progressed)]
    assert told == [(A, 1), (A, 2), (A, 3), (attempt("other"), 1)]


def test_a_fraction_does_not_wipe_the_details() -> None:
    rig = running()
    rig.feed(ExecutionProgressed(A, "mark", True, 4))
    rig.feed(ExecutionProgressed(A, fraction=0.5))
    rig.sleep(1.1)
    last = [r for r in rig.reports if isinstance(r, Progressed)][-1]
    assert (last.details, last.fraction) == ("mark", 0.5)


def test_the_last_details_go_before_a_failure() -> None:
    rig = running()
    rig.feed(ExecutionProgressed(A, "first", True, 5))
    rig.feed(ExecutionProgressed(A, "second", True, 6))
    rig.end(A, BROKE)
    kinds = [(type(r), getattr(r, "details", None)) for r in rig.reports]
    assert kinds == [(Progressed, "first"), (Progressed, "second"), (Failed, None)]


def test_progress_of_an_unknown_attempt_is_ignored() -> None:
    rig = Rig()
    rig.feed(ExecutionProgressed(A, "x", True, 1, 0.5))
    rig.sleep(2)
    assert not rig.reports
