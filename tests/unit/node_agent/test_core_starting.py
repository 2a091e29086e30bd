"""When an attempt is started, and when not."""

import msgspec
import pytest

from events.messages import Cancel, Completed, Drop, Execute, Returned, Settle
from node_agent.journal import Accepted, Begun, Forgot
from node_agent.steps import Acknowledge, CancelExecution, Done, Journal, NotBegun, StartExecution
from tests.unit.node_agent.fakes import attempt, execute
from tests.unit.node_agent.rig import LEASE_TTL_S, WALL_AT_START, Rig, of, seconds, with_settings


def test_an_attempt_starts_when_its_shard_is_leased() -> None:
    rig = Rig()
    rig.command(execute())
    assert rig.started == []
    (start,) = of(rig.grant(), StartExecution)
    assert start.execute == execute()
    assert start.started_at == WALL_AT_START + rig.now_us
    assert start.lease_until_us == rig.now_us + seconds(LEASE_TTL_S - 0.5)


def test_the_journal_has_a_command_before_it_is_acknowledged_and_its_start() -> None:
    rig = Rig()
    rig.grant()
    outputs = rig.command(execute())
    kinds = [type(output) for output in outputs]
    assert kinds.index(Journal) < kinds.index(Acknowledge) < kinds.index(StartExecution)
    (journal,) = of(outputs, Journal)
    assert journal.records == (Accepted(attempt(), 0, WALL_AT_START + rig.now_us),)
    assert not journal.sync


def test_a_start_later_than_the_acceptance_has_a_record_of_its_own() -> None:
    rig = Rig()
    rig.command(execute())
    rig.grant()
    assert rig.records[1:] == [
        Accepted(attempt(), 0, 0),
        Begun(attempt(), WALL_AT_START + rig.now_us),
    ]


def test_a_lease_counts_from_the_heartbeat_that_was_answered() -> None:
    rig = Rig(with_settings(heartbeat_interval_s=60.0))
    rig.doze(LEASE_TTL_S - 0.6)
    rig.grant(sequence=1)
    rig.command(execute("a"))
    rig.doze(0.1)
    rig.command(execute("b"))
    assert rig.started == [attempt("a")]


def test_nothing_starts_under_a_lease_of_another_shard() -> None:
    rig = Rig()
    rig.grant(1, 2)
    rig.command(execute())
    assert rig.started == []


def test_an_answer_to_an_unknown_heartbeat_grants_nothing() -> None:
    rig = Rig()
    rig.grant(sequence=99)
    rig.command(execute())
    assert rig.started == []


def test_attempts_wait_for_a_slot_in_order() -> None:
    rig = Rig(with_settings(slots=2))
    rig.grant()
    rig.command(*(execute(step) for step in "abcd"))
    assert rig.started == [attempt("a"), attempt("b")]
    rig.end(attempt("b"))
    rig.end(attempt("a"))
    assert rig.started == [attempt(step) for step in "abcd"]


def test_an_attempt_that_waited_for_its_lease_goes_before_later_ones() -> None:
    rig = Rig(with_settings(slots=1))
    rig.command(execute("a"), execute("b"))
    rig.grant()
    rig.command(execute("c"))
    rig.end(attempt("a"))
    rig.end(attempt("b"))
    assert rig.started == [attempt("a"), attempt("b"), attempt("c")]


@pytest.mark.parametrize("leased", [False, True])
def test_an_attempt_that_cannot_start_within_its_window_is_refused(leased: bool) -> None:
    rig = Rig(with_settings(slots=1))
    if leased:
        rig.grant()
        rig.command(execute("busy"))
    rig.command(msgspec.structs.replace(execute("a"), start_within_s=3.0))
    rig.sleep(2.9)
    assert not rig.finals(attempt("a"))
    rig.sleep(0.2)
    report = rig.final(attempt("a"))
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("refused", False)
    rig.grant()
    rig.end(attempt("busy"))
    assert attempt("a") not in rig.started


def test_the_window_holds_even_when_the_agent_stood_still() -> None:
    rig = Rig()
    rig.command(msgspec.structs.replace(execute(), start_within_s=3.0))
    rig.doze(5.0)
    rig.grant(ttl_s=100.0)
    assert rig.started == []


def test_a_task_that_is_not_registered_is_refused() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute(task="nobody"))
    report = rig.final(attempt())
    assert isinstance(report, Returned)
    assert "no task 'nobody' is registered" in report.message


def test_a_second_command_for_a_held_attempt_is_ignored() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute(), execute())
    rig.command(execute())
    assert rig.started == [attempt()]


def test_a_command_for_an_ended_attempt_sends_its_report_again() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.end(attempt())
    rig.command(execute())
    first, second = rig.finals(attempt())
    assert first == second
    assert rig.started == [attempt()]


@pytest.mark.parametrize("ending", [Settle(attempts=(attempt(),)), Drop(attempts=(attempt(),))])
def test_a_command_for_a_forgotten_attempt_is_refused(ending: Settle | Drop) -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.end(attempt())
    rig.command(ending)
    assert rig.records[-1] == Forgot((attempt(),))
    rig.command(execute())
    assert rig.started == [attempt()]
    assert isinstance(rig.final(attempt()), Returned)


def test_a_drop_that_overtakes_its_command_prevents_it() -> None:
    rig = Rig()
    rig.grant()
    rig.command(Drop(attempts=(attempt(),)))
    rig.command(execute())
    assert rig.started == []


def test_a_cancel_that_overtakes_its_command_prevents_it() -> None:
    rig = Rig()
    rig.grant()
    rig.command(Cancel(attempt=attempt(), shard=0))
    report = rig.final(attempt())
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", False)
    rig.command(execute())
    rig.command(Settle(attempts=(attempt(),)))
    rig.command(execute())
    assert rig.started == []


def test_a_later_attempt_waits_until_the_earlier_has_ended() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute(number=1))
    outputs = rig.command(execute(number=2))
    assert of(outputs, CancelExecution) == [CancelExecution(attempt(), "superseded")]
    assert rig.started == [attempt()]
    rig.end(attempt())
    assert rig.started == [attempt(), attempt(number=2)]


def test_a_later_attempt_takes_the_place_of_a_waiting_one() -> None:
    rig = Rig()
    rig.command(execute(number=1), execute(number=2))
    rig.grant()
    assert rig.started == [attempt(number=2)]
    report = rig.final(attempt())
    assert isinstance(report, Returned)
    assert not report.started


def test_an_earlier_attempt_that_comes_late_is_refused() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute(number=2))
    rig.command(execute(number=1))
    assert rig.started == [attempt(number=2)]
    assert isinstance(rig.final(attempt()), Returned)


def test_other_generations_and_steps_run_side_by_side() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute("a"), execute("b"))
    assert len(rig.started) == 2


def test_an_execution_that_was_not_begun_waits_for_the_next_lease() -> None:
    rig = Rig()
    rig.grant()
    rig.command(execute())
    rig.doze(LEASE_TTL_S)
    rig.end(attempt(), NotBegun())
    assert not rig.finals(attempt())
    assert rig.started == [attempt()]
    rig.grant()
    assert rig.started == [attempt(), attempt()]


def test_commands_beyond_what_the_node_may_hold_are_refused_for_good() -> None:
    rig = Rig(with_settings(credits=1))
    rig.command(*(execute(str(number)) for number in range(4)))
    rig.command(execute("more"))
    report = rig.final(attempt("more"))
    assert isinstance(report, Returned)
    assert report.reason == "refused"
    rig.sleep(1.5)
    assert rig.beats[-1].credits == 0
    rig.command(Drop(attempts=tuple(attempt(str(number)) for number in range(4))))
    rig.grant()
    rig.command(execute("more"))
    assert attempt("more") not in rig.started


def _of_epoch(step: str, epoch: int) -> Execute:
    return msgspec.structs.replace(execute(step), epoch=epoch)


def test_what_an_earlier_owner_sent_waits_until_the_present_one_has_seen_it() -> None:
    """The earlier one may have given it to another node, and be the only one to know."""
    rig = Rig()
    rig.command(_of_epoch("early", 3))
    rig.grant(epoch=4)
    assert rig.started == []  # the heartbeat that was answered did not list it
    rig.sleep(1.0)
    rig.grant(epoch=4)
    assert rig.started == [attempt("early")]


def test_what_the_present_owner_sends_starts_at_once() -> None:
    rig = Rig()
    rig.grant(epoch=4)
    rig.command(_of_epoch("now", 4))
    assert rig.started == [attempt("now")]


def test_what_is_fenced_never_starts() -> None:
    rig = Rig()
    rig.command(_of_epoch("early", 3), _of_epoch("other", 3))
    rig.sleep(1.0)
    rig.grant(epoch=4, fenced=(attempt("early"),))
    assert rig.started == [attempt("other")]
    rig.command(_of_epoch("early", 3))
    assert rig.started == [attempt("other")]


def test_a_late_answer_of_an_earlier_owner_does_not_let_its_commands_start() -> None:
    rig = Rig()
    rig.grant(epoch=4)
    rig.grant(epoch=3)
    rig.command(_of_epoch("early", 3))
    assert rig.started == []


def dispatched(at: int, left: int) -> Execute:
    return msgspec.structs.replace(execute(left=left), dispatched_at=at)


def test_a_report_says_which_dispatch_it_is_of() -> None:
    rig = Rig()
    rig.grant()
    rig.command(dispatched(5, left=1))
    rig.end(attempt())
    assert [report.dispatched_at for report in rig.finals(attempt())] == [5]


def test_a_namesake_of_what_runs_waits_until_that_has_ended_whose_result_nobody_gets() -> None:
    """The log was restored from a backup, and has dispatched another attempt under this name."""
    rig = Rig()
    rig.grant()
    rig.command(dispatched(5, left=1))
    outputs = rig.command(dispatched(9, left=2))
    assert of(outputs, CancelExecution) == [CancelExecution(attempt(), "dropped")]
    assert of(outputs, StartExecution) == []
    (start,) = of(rig.end(attempt(), Done(output="old")), StartExecution)
    assert start.execute.inputs == {"left": 2}
    assert rig.finals(attempt()) == []
    rig.end(attempt(), Done(output="new"))
    (report,) = rig.finals(attempt())
    assert isinstance(report, Completed)
    assert (report.output, report.dispatched_at) == ("new", 9)


def test_the_result_of_a_namesake_is_not_sent_for_the_new_one() -> None:
    rig = Rig()
    rig.grant()
    rig.command(dispatched(5, left=1))
    rig.end(attempt(), Done(output="old"))
    (start,) = of(rig.command(dispatched(9, left=2)), StartExecution)
    assert start.execute.inputs == {"left": 2}


def test_an_earlier_dispatch_of_what_is_here_changes_nothing() -> None:
    rig = Rig()
    rig.grant()
    rig.command(dispatched(9, left=2))
    outputs = rig.command(dispatched(5, left=1))
    assert of(outputs, CancelExecution) == []
    assert of(outputs, StartExecution) == []
