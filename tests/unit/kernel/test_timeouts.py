"""The four timeouts of a task and the run's own; recalls and what follows from them."""

import pytest

from events import messages as m
from events.facts import Failure
from events.limits import FACTS_MAX, Limits
from events.policies import Retry, RunOptions, Timeouts
from events.task_facts import AttemptFailed, TaskFailed, TaskRecalled, TaskStarted
from tests.builders import NOW, Play, Setting, names, parallel, started, task, workflow

START = "schedule_to_start_timeout"
EXECUTE = "start_to_close_timeout"
CLOSE = "schedule_to_close_timeout"
AGAIN = Retry(kind="fixed", attempts_max=3, initial_s=1.0)


def timed(
    timeouts: Timeouts, retry: Retry | None = None, options: RunOptions = RunOptions()
) -> Play:
    limits = Limits(start_to_close_margin_s=1.0)
    step = task("a", timeouts=timeouts, retry=retry)
    return started(workflow(step), Setting(options=options, limits=limits))


def begin(play: Play) -> list[str]:
    """The node says that the attempt is executing."""
    return names(play.report(m.Started(attempt=play.attempt("a"), started_at=play.now)))


# -- schedule-to-start ----------------------------------------------------------------------------


def test_a_task_that_nobody_takes_in_time_fails() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0))
    assert play.due(4.9) == []
    failed, _ = play.due(0.1)
    assert isinstance(failed, TaskFailed)
    assert (failed.failure.code, failed.kind, failed.attempt) == (START, "timed_out", 0)


def test_not_started_in_time_is_retried_with_a_start_timeout_of_its_own() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0), AGAIN)
    (first,) = play.due(5.0)
    assert isinstance(first, AttemptFailed)
    assert first.counted
    assert play.timers() == {"retry:a": 1.0}
    play.due(1.0)
    assert play.timers() == {"start:a": 5.0}
    assert names(play.due(5.0)) == ["attempt.failed"]
    play.due(1.0)
    assert names(play.due(5.0)) == ["task.failed", "run.failed"]


def test_a_dispatched_attempt_is_recalled_first_and_counts_when_it_comes_back() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0), Retry(attempts_max=2, initial_s=1.0))
    play.place("a")
    (recalled,) = play.due(5.0)
    assert isinstance(recalled, TaskRecalled)
    assert recalled.code == START
    assert play.state.outstanding == {"a": 1}
    assert play.state.timers == {}
    (again,) = play.give_back("a")
    assert isinstance(again, AttemptFailed)
    assert (again.failure.code, again.counted, again.kind) == (START, True, "timed_out")
    play.due(1.0)
    play.place("a")
    play.due(5.0)
    failed, _ = play.give_back("a")
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == START


def test_a_started_attempt_is_not_recalled_for_its_start() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0))
    play.place("a")
    begin(play)
    assert play.state.timers == {}
    assert play.due(100.0) == []


# -- start-to-close -------------------------------------------------------------------------------


@pytest.mark.edge("Limits.start_to_close_margin_s")
def test_the_agent_enforces_start_to_close_and_the_coordinator_asks_after_a_margin() -> None:
    play = timed(Timeouts(start_to_close_s=10.0))
    play.place("a")
    assert play.due(60.0) == [], "nobody has said that it started"
    begin(play)
    assert play.timers() == {"execute:a": 11.0}
    assert names(play.due(11.0)) == ["task.recalled"]
    failed, _ = play.give_back("a", started=True)
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == EXECUTE


def test_the_agent_s_own_timeout_report_is_retried_by_policy() -> None:
    play = timed(Timeouts(start_to_close_s=10.0), AGAIN)
    play.place("a")
    report = m.Failed(attempt=play.attempt("a"), failure=Failure(code=EXECUTE), kind="timed_out")
    (fact,) = play.report(report)
    assert isinstance(fact, AttemptFailed)
    assert fact.kind == "timed_out"


def test_heartbeat_timeouts_are_the_agent_s_report_too() -> None:
    play = timed(Timeouts(heartbeat_s=1.0), AGAIN)
    play.place("a")
    failure = Failure(code="heartbeat_timeout")
    play.report(m.Failed(attempt=play.attempt("a"), failure=failure, kind="timed_out"))
    assert play.step("a").status == "retrying"


def test_a_second_started_report_does_not_prolong_the_timeout() -> None:
    play = timed(Timeouts(start_to_close_s=10.0))
    play.place("a")
    begin(play)
    play.wait(5.0)
    assert begin(play) == []
    assert play.timers() == {"execute:a": 6.0}


# -- schedule-to-close ----------------------------------------------------------------------------


def test_schedule_to_close_ends_a_ready_task() -> None:
    play = timed(Timeouts(schedule_to_close_s=5.0), AGAIN)
    failed, _ = play.due(5.0)
    assert isinstance(failed, TaskFailed)
    assert (failed.failure.code, failed.why) == (CLOSE, "schedule-to-close ended")


def test_schedule_to_close_ends_a_retry_wait() -> None:
    policy = Retry(kind="fixed", attempts_max=9, initial_s=4.0)
    play = timed(Timeouts(schedule_to_close_s=5.0), policy)
    play.place("a")
    play.fail("a")
    assert play.step("a").status == "retrying"
    play.wait(4.0).due()
    play.place("a")
    assert names(play.due(1.0)) == ["task.recalled"]
    assert names(play.give_back("a")) == ["task.failed", "run.failed"]


def test_no_attempt_is_begun_that_would_come_after_schedule_to_close() -> None:
    policy = Retry(kind="fixed", attempts_max=9, initial_s=4.0)
    play = timed(Timeouts(schedule_to_close_s=3.0), policy)
    play.place("a")
    failed, _ = play.fail("a")
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == "boom"
    assert failed.why == "the next attempt would come after schedule-to-close"


def test_schedule_to_close_recalls_what_is_outstanding_and_allows_no_other_attempt() -> None:
    play = timed(Timeouts(schedule_to_close_s=5.0), AGAIN)
    play.place("a")
    assert names(play.due(5.0)) == ["task.recalled"]
    assert names(play.lose("a")) == ["task.failed", "run.failed"]
    assert play.state.failure is not None
    assert play.state.failure.code == CLOSE


def test_schedule_to_close_comes_on_top_of_an_earlier_recall() -> None:
    play = timed(Timeouts(schedule_to_start_s=2.0, schedule_to_close_s=5.0), AGAIN)
    play.place("a")
    assert names(play.due(2.0)) == ["task.recalled"]
    (second,) = play.due(3.0)
    assert isinstance(second, TaskRecalled)
    assert second.code == CLOSE
    failed, _ = play.give_back("a")
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == CLOSE


# -- recalls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timeouts", [Timeouts(schedule_to_start_s=5.0), Timeouts(schedule_to_close_s=5.0)]
)
def test_a_completion_that_arrives_after_a_recall_is_the_result(timeouts: Timeouts) -> None:
    play = timed(timeouts)
    play.place("a")
    attempt = play.attempt("a")
    play.due(5.0)
    assert names(play.complete("a", "just in time")) == ["task.completed", "run.completed"]
    assert play.state.output == "just in time"
    assert play.report(m.Returned(attempt=attempt, reason="recalled")) == []


def test_a_failure_that_arrives_after_a_recall_keeps_its_own_code() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0), AGAIN)
    play.place("a")
    play.due(5.0)
    (fact,) = play.fail("a", "boom")
    assert isinstance(fact, AttemptFailed)
    assert fact.failure.code == "boom"


def test_a_recalled_attempt_that_is_lost_ends_as_what_it_was_recalled_for() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0), AGAIN)
    play.place("a")
    play.due(5.0)
    (fact,) = play.lose("a")
    assert isinstance(fact, AttemptFailed)
    assert (fact.failure.code, fact.counted, fact.loss) == (START, True, None)


def test_a_recalled_attempt_that_starts_after_all_sets_no_timer() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0, start_to_close_s=1.0))
    play.place("a")
    play.due(5.0)
    (fact,) = play.report(m.Started(attempt=play.attempt("a"), started_at=NOW))
    assert isinstance(fact, TaskStarted)
    assert play.state.timers == {}
    assert play.due(1000.0) == []


@pytest.mark.parametrize(
    "timeouts", [Timeouts(schedule_to_start_s=5.0), Timeouts(schedule_to_close_s=5.0)]
)
def test_a_recall_is_not_repeated(timeouts: Timeouts) -> None:
    play = timed(timeouts)
    play.place("a")
    play.due(5.0)
    assert play.due(1.0) == []
    assert play.due(1000.0) == []


def test_the_attempt_after_a_recalled_one_is_not_recalled() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0), AGAIN)
    play.place("a")
    play.due(5.0)
    play.give_back("a")
    play.due(1.0)
    play.place("a")
    assert play.step("a").recalled == ""
    (lost,) = play.lose("a")
    assert isinstance(lost, AttemptFailed)
    assert lost.failure.code == "node_lost"


# -- the run's own --------------------------------------------------------------------------------


def test_the_run_s_timeout_ends_it_at_once_when_nothing_is_outstanding() -> None:
    play = timed(Timeouts(), options=RunOptions(timeout_s=60.0))
    assert play.due(59.9) == []
    (fact,) = play.due(0.1)
    assert names([fact]) == ["run.timed_out"]
    assert play.state.status == "timed_out"
    assert play.step("a").status == "cancelled"
    assert play.state.failure is not None
    assert play.state.failure.code == "run_timeout"


def test_the_run_s_timeout_waits_for_what_is_outstanding() -> None:
    play = timed(Timeouts(), options=RunOptions(timeout_s=60.0))
    play.place("a")
    assert names(play.due(60.0)) == ["run.closing"]
    assert play.state.timers == {}
    assert names(play.give_back("a")) == ["task.cancelled", "run.timed_out"]


def test_a_run_without_a_timeout_has_no_timer() -> None:
    assert timed(Timeouts()).state.next_due_at is None


def test_the_task_s_timeouts_come_before_the_run_s() -> None:
    options = RunOptions(timeouts=Timeouts(schedule_to_start_s=9.0))
    assert timed(Timeouts(), options=options).timers() == {}
    of_the_run = started(workflow(task("a")), Setting(options=options))
    assert of_the_run.timers() == {"start:a": 9.0}


# -- time -----------------------------------------------------------------------------------------


def test_timers_fire_in_order_of_time_and_only_those_that_are_still_set() -> None:
    """The run's timeout at the same instant as the retry that comes after it in the alphabet."""
    play = timed(Timeouts(), AGAIN, RunOptions(timeout_s=10.0))
    play.place("a")
    play.wait(9.0)
    play.fail("a")
    assert play.timers() == {"run": 1.0, "retry:a": 1.0}
    assert names(play.due(1.0)) == ["task.retry_due", "run.timed_out"]


@pytest.mark.edge("FACTS_MAX")
def test_more_timers_than_a_decision_may_have_facts_fire_in_several() -> None:
    count = FACTS_MAX + 20
    branches = {f"b{k}": task(f"t{k}", retry=AGAIN) for k in range(count)}
    play = started(workflow(parallel(**branches)))
    play.place_all()
    for number in range(count):
        play.fail(f"t{number}")
    assert len(play.due(1.0)) == FACTS_MAX
    assert play.state.next_due_at is not None
    assert play.state.next_due_at <= play.now, "what is left must be asked for at once"
    assert len(play.due()) == 20
    assert len(play.state.ready) == count


@pytest.mark.parametrize(
    "zero", [Timeouts(schedule_to_start_s=0.0), Timeouts(schedule_to_close_s=0.0)]
)
def test_a_timeout_of_nothing_does_not_fire_for_ever(zero: Timeouts) -> None:
    play = timed(zero, Retry(kind="fixed", attempts_max=50, initial_s=0.0))
    rounds = 0
    while not play.state.terminal:
        rounds += 1
        assert play.due(), "due, and nothing follows: a busy loop"
    assert rounds <= 50


def test_time_that_goes_back_fires_nothing() -> None:
    play = timed(Timeouts(schedule_to_start_s=5.0), AGAIN)
    play.wait(-3600.0)
    assert play.due() == []
    play.place("a")
    play.fail("a")
    assert play.timers() == {"retry:a": 1.0}
