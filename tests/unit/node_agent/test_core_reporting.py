"""Reports until they are settled, heartbeats, drain, restart and reset."""

from itertools import pairwise

import msgspec
import pytest

from events.facts import HostSample, Usage
from events.limits import REPORT_MESSAGE_BYTES_MAX
from events.messages import (
    Cancel,
    Commands,
    Completed,
    Drain,
    Failed,
    Reset,
    Returned,
    Settle,
)
from node_agent.journal import Ended, Forgot, Incarnated, Live
from node_agent.steps import (
    Acknowledge,
    BeatRequested,
    CancelExecution,
    Ceased,
    CommandsArrived,
    Done,
    DrainRequested,
    ExecutionEnded,
    HeartbeatAnswered,
    HostSampled,
    Journal,
    JournalSynced,
    NewIncarnation,
    PublishFailed,
    PublishRejected,
    PublishReports,
    ReportsPublished,
    SendHeartbeat,
    Stopped,
)
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.rig import Rig, of, with_settings

A = attempt()


def ended(*steps: str) -> Rig:
    """A rig whose attempts of these steps have ended durably; nothing answers any more."""
    rig = Rig(with_settings(slots=100, credits=1000))
    rig.grant()
    rig.command(*(execute(step) for step in steps))
    rig.answers = False
    (journal,) = of(rig.feed(*(ExecutionEnded(attempt(s), Done()) for s in steps)), Journal)
    rig.feed(JournalSynced(journal.batch))
    return rig


def test_a_report_is_sent_again_more_and_more_seldom_until_it_is_settled() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.end(A)
    instants_s = [rig.now_us // 1_000_000]
    while len(instants_s) < 6:
        if of(rig.sleep(1), PublishReports):
            instants_s.append(rig.now_us // 1_000_000)
    assert [after - before for before, after in pairwise(instants_s)] == [5, 10, 20, 30, 30]
    rig.command(Settle(attempts=(A,)))
    rig.sleep(120)
    assert len(rig.finals(A)) == 6


def test_a_settlement_is_journalled_and_settles_only_what_has_ended() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute("a"), execute("b"))
    rig.end(attempt("a"))
    rig.command(Settle(attempts=(attempt("a"), attempt("b"), attempt("never"))))
    assert rig.records[-1] == Forgot((attempt("a"),))
    rig.end(attempt("b"))
    assert isinstance(rig.final(attempt("b")), Completed)


def test_a_message_that_could_not_be_handed_over_goes_again_later_and_later() -> None:
    rig = ended("a")
    (parcel,) = rig.all(PublishReports)
    waits = []
    for _ in range(3):
        rig.feed(PublishFailed(parcel.number))
        before_us = rig.now_us
        while not (found := of(rig.sleep(0.01), PublishReports)):
            pass
        waits.append(round((rig.now_us - before_us) / 1e6, 1))
        parcel = found[0]
    assert waits == [0.2, 0.4, 0.8]
    rig.feed(ReportsPublished(parcel.number))
    assert len(rig.finals(attempt("a"))) == 4


def test_what_gathers_while_a_message_is_under_way_goes_in_the_next() -> None:
    rig = ended("a")
    rig.answers = True
    (parcel,) = rig.all(PublishReports)
    rig.command(execute("b"), execute("c"))
    rig.end(attempt("b"))
    rig.end(attempt("c"))
    assert len(rig.all(PublishReports)) == 1
    (second,) = of(rig.feed(ReportsPublished(parcel.number)), PublishReports)
    assert [r.attempt for r in second.reports.reports] == [attempt("b"), attempt("c")]


@pytest.mark.edge("REPORT_MESSAGE_BYTES_MAX")
def test_large_reports_do_not_share_a_message() -> None:
    rig = Rig()
    rig.grant()
    rig.command(*(execute(step) for step in "abc"))
    usage = Usage(output_bytes=REPORT_MESSAGE_BYTES_MAX // 2)
    rig.feed(*(ExecutionEnded(attempt(step), Done(usage=usage)) for step in "abc"))
    sizes = [len(output.reports.reports) for output in rig.all(PublishReports)]
    assert sizes == [1, 1, 1]


def test_a_message_that_is_too_large_is_taken_apart_to_find_the_offender() -> None:
    rig = ended("a", "b", "c")
    (parcel,) = rig.all(PublishReports)
    rig.feed(PublishRejected(parcel.number))
    while (parcel := rig.all(PublishReports)[-1]).reports.reports[0].attempt != attempt("b"):
        rig.feed(ReportsPublished(parcel.number))
    assert len(parcel.reports.reports) == 1
    rig.answers = True
    rig.feed(PublishRejected(parcel.number))
    report = rig.final(attempt("b"))
    assert isinstance(report, Failed)
    assert (report.failure.code, report.retryable) == ("payload_too_large", False)
    assert any(isinstance(r, Ended) and r.report == report for r in rig.records)


def test_reports_of_each_shard_go_to_their_shard() -> None:
    rig = Rig(with_settings(slots=100))
    rig.grant(*range(10))
    rig.answers = False
    commands = [msgspec.structs.replace(execute(f"s{n}"), shard=n) for n in range(10)]
    rig.command(*commands)
    rig.answers = True
    rig.feed(*(ExecutionEnded(attempt(f"s{n}"), Done()) for n in range(10)))
    told = {(o.shard, o.reports.reports[0].attempt.step) for o in rig.all(PublishReports)}
    assert told == {(n, f"s{n}") for n in range(10)}


# -- heartbeats -----------------------------------------------------------------------------------


def test_the_first_heartbeat_goes_at_once_and_says_what_the_node_is() -> None:
    rig = Rig(with_settings(labels={"zone": "a"}, build_id="b7"))
    (beat,) = rig.beats
    assert (beat.sequence, beat.incarnation, beat.tasks) == (1, "inc1", ("t", "u"))
    assert (beat.labels, beat.build_id, beat.slots, beat.credits) == ({"zone": "a"}, "b7", 4, 16)


def test_heartbeats_hurry_until_the_first_answer() -> None:
    rig = Rig()
    rig.sleep(1.1)
    assert len(rig.beats) == 5
    rig.grant()
    rig.sleep(3.3)
    assert len(rig.beats) == 5 + 4
    assert [beat.sequence for beat in rig.beats] == list(range(1, 10))


def test_heartbeats_come_three_times_a_lease_however_slow_they_are_configured() -> None:
    """A node whose lease ended between two of them would be lost and found again for ever."""
    rig = Rig(with_settings(heartbeat_interval_s=60.0))
    rig.grant(ttl_s=3.0)
    rig.sleep(0.25)
    rig.grant(ttl_s=3.0)
    before = len(rig.beats)
    rig.sleep(3.0)
    assert len(rig.beats) == before + 3
    rig.reset()
    rig.sleep(0.6)
    assert len(rig.beats) == before + 6


def test_heartbeats_list_what_is_held_and_what_is_unsettled() -> None:
    rig = Rig(with_settings(slots=1))
    rig.grant()
    rig.command(execute("done"), execute("runs"), execute("waits"))
    rig.end(attempt("done"))
    rig.feed(HostSampled(HostSample(load=2.5)))
    rig.sleep(1.1)
    beat = rig.beats[-1]
    assert beat.held == (attempt("runs"), attempt("waits"))
    assert beat.unsettled == (attempt("done"),)
    assert beat.host.load == 2.5


# -- drain ----------------------------------------------------------------------------------------


def test_a_draining_node_takes_nothing_new_and_gives_back_what_waits() -> None:
    rig = Rig(with_settings(slots=1))
    rig.grant()
    rig.command(execute("runs"), execute("waits"))
    outputs = rig.command(Drain(reason="maintenance"))
    (heartbeat,) = of(outputs, SendHeartbeat)
    assert heartbeat.beat.draining
    assert not heartbeat.beat.leaving
    rig.command(execute("new"))
    for step in ("waits", "new"):
        report = rig.final(attempt(step))
        assert isinstance(report, Returned)
        assert (report.reason, report.message) == ("refused", "maintenance")
    rig.end(attempt("runs"))
    assert isinstance(rig.final(attempt("runs")), Completed)
    rig.sleep(60)
    assert not rig.all(Stopped)


def test_a_leaving_node_ends_what_runs_hands_over_and_says_goodbye() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.feed(DrainRequested())
    rig.sleep(10)
    assert not rig.all(Stopped)
    rig.end(A)
    assert not rig.all(Stopped)
    outputs = rig.command(Settle(attempts=(A,)))
    assert of(outputs, SendHeartbeat)[-1].beat.leaving
    assert outputs[-1] == Stopped(clean=True)
    assert rig.core.next_due() is None
    assert rig.sleep(5) == []


def test_a_leaving_node_does_not_wait_for_ever_to_be_settled() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.end(A)
    rig.feed(DrainRequested())
    rig.sleep(2.9)
    assert not rig.all(Stopped)
    rig.sleep(0.2)
    assert rig.all(Stopped) == [Stopped(clean=True)]


def test_a_leaving_node_that_is_asked_for_one_more_report_waits_for_it_in_peace() -> None:
    """The wait to be settled ends while a report is on its way: nothing is due by that."""
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.end(A)
    rig.feed(DrainRequested())
    rig.answers = False
    rig.command(Cancel(attempt=attempt("unknown"), shard=0))
    rig.doze(3.5)
    rig.sleep(0.0)
    assert (rig.core.next_due() or 0) > rig.now_us
    assert not rig.all(Stopped)


def test_what_runs_longer_than_the_drain_is_cancelled_and_given_back() -> None:
    rig = Rig(with_settings(drain_timeout_s=5.0))
    rig.grant()
    rig.command(execute())
    rig.feed(DrainRequested())
    assert of(rig.sleep(5.1), CancelExecution) == [CancelExecution(A, "drained")]
    rig.end(A, Ceased())
    report = rig.final(A)
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", True)


def test_a_second_request_to_stop_does_not_wait() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.feed(DrainRequested())
    assert of(rig.feed(DrainRequested()), CancelExecution)


def test_an_agent_that_cannot_end_in_good_order_ends_all_the_same() -> None:
    rig = Rig(with_settings(drain_timeout_s=5.0, cancel_grace_s=1.0))
    rig.grant()
    rig.command(execute())
    rig.answers = False
    rig.feed(DrainRequested())
    rig.sleep(12)
    assert rig.all(Stopped) == [Stopped(clean=False)]


# -- restart and reset ----------------------------------------------------------------------------


def test_a_new_process_sends_what_was_not_settled_and_returns_what_was_cut_short() -> None:
    done = Completed(attempt=attempt("done"), output=7)
    live = [
        Live(attempt("done"), 3, 1, done),
        Live(attempt("ran"), 0, 5),
        Live(attempt("waited"), 0, 0),
    ]
    rig = Rig(live=live)
    assert rig.final(attempt("done")) == done
    for step, started in (("ran", True), ("waited", False)):
        report = rig.final(attempt(step))
        assert isinstance(report, Returned)
        assert (report.reason, report.started) == ("node_restarted", started)
    assert set(rig.beats[0].unsettled) == {attempt(step) for step in ("done", "ran", "waited")}
    rig.grant()
    rig.command(execute("ran"), execute("done"))
    assert rig.started == []


def test_what_was_cut_short_is_journalled_before_it_is_told() -> None:
    rig = Rig(live=[Live(A, 0, 5)])
    kinds = [type(output) for output in rig.outputs]
    assert kinds.index(Journal) < kinds.index(PublishReports)
    (first, *_) = rig.all(Journal)
    assert first.sync
    assert isinstance(first.records[0], Incarnated)


def test_a_reset_drops_everything_and_begins_a_new_incarnation() -> None:
    rig = Rig(with_settings(slots=1))
    rig.grant()
    rig.command(execute("done"), execute("runs"), execute("waits"))
    rig.end(attempt("done"))
    outputs = rig.reset()
    assert of(outputs, NewIncarnation) == [NewIncarnation("inc2")]
    assert of(outputs, CancelExecution) == [CancelExecution(attempt("runs"), "reset")]
    (journal,) = of(outputs, Journal)
    assert journal.records == (Incarnated("inc2", True),)
    (heartbeat,) = of(outputs, SendHeartbeat)
    beat = heartbeat.beat
    assert (beat.incarnation, beat.sequence, beat.held, beat.unsettled) == ("inc2", 1, (), ())
    rig.end(attempt("runs"), Done("late"))
    count = len(rig.reports)
    rig.sleep(60)
    assert len(rig.reports) == count


def test_a_reset_of_an_earlier_incarnation_is_out_of_date() -> None:
    rig = Rig()
    old = rig.core.incarnation
    rig.reset()
    rig.feed(HeartbeatAnswered(Reset(coordinator="c", sequence=1, incarnation=old)))
    assert rig.core.incarnation == "inc2"


def test_leases_and_commands_of_an_earlier_incarnation_count_for_nothing() -> None:
    rig = Rig()
    rig.grant()
    rig.reset()
    rig.command(execute("new"))
    batch = Commands(coordinator="c", commands=(execute("old"),))
    outputs = rig.feed(CommandsArrived("inc1", batch, "token"))
    assert rig.started == []
    rig.grant()
    assert rig.started == [attempt("new")]
    assert outputs == [Acknowledge("token")]


def test_a_task_that_still_runs_after_a_reset_blocks_its_next_attempt() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute(number=1))
    rig.reset()
    rig.grant()
    rig.command(execute(number=2))
    assert rig.started == [A]
    rig.end(A, Ceased())
    assert rig.started == [A, attempt(number=2)]


@pytest.mark.parametrize("late", [JournalSynced(1), ReportsPublished(1), PublishFailed(1)])
def test_answers_that_come_after_a_reset_do_nothing(
    late: JournalSynced | ReportsPublished | PublishFailed,
) -> None:
    rig = ended("a")
    rig.reset()
    assert not of(rig.feed(late), PublishReports)


def test_a_heartbeat_that_is_asked_for_goes_at_once_and_the_next_is_counted_from_it() -> None:
    rig = Rig()
    rig.grant()
    rig.sleep(0.5)
    before = len(rig.beats)
    rig.feed(BeatRequested())
    assert len(rig.beats) == before + 1
    rig.sleep(0.9)
    assert len(rig.beats) == before + 1


def test_heartbeats_are_no_work() -> None:
    rig = Rig()
    rig.grant()
    assert rig.core.next_work_due() is None
    assert rig.core.next_due() is not None
    rig.command(execute())
    assert rig.started
    due_us = rig.core.next_work_due()
    assert due_us is not None
    assert due_us > (rig.core.next_due() or 0)
