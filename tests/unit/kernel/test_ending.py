"""How runs end: completion, failure, closing, cancel; and that nothing follows."""

from collections.abc import Sequence

import msgspec
import pytest

from events import messages as m
from events import run_facts as r
from events.definition import Handler, ParallelStep, Step
from events.errors import InvariantViolation, Rejected
from events.facts import Failure
from events.ids import Attempt
from events.policies import Retry, RunOptions, Timeouts
from events.task_facts import TaskCancelled, TaskCompleted
from orchestrator.kernel import inputs as i
from orchestrator.kernel.evolve import evolve
from tests.builders import Play, Setting, index, names, parallel, started, task, workflow

FINISH_OTHERS = Setting(options=RunOptions(error_policy="finish_others"))


def beside(*branches: Step | Sequence[Step]) -> ParallelStep:
    return parallel(**{f"b{k}": branch for k, branch in enumerate(branches)})


def two(setting: Setting = Setting()) -> Play:
    """Two tasks beside each other, both with a node."""
    play = started(workflow(beside(task("a"), task("b")), task("after")), setting)
    play.place_all()
    return play


# -- failure --------------------------------------------------------------------------------------


def test_fail_fast_gives_back_what_is_outstanding_and_then_fails() -> None:
    play = two()
    failed, closing = play.fail("a")
    assert isinstance(closing, r.RunClosing)
    assert (closing.status, closing.step) == ("failed", "a")
    assert names([failed]) == ["task.failed"]
    assert play.state.status == "running"
    assert names(play.give_back("b")) == ["task.cancelled", "run.failed"]
    assert (play.state.failed_step, play.state.status) == ("a", "failed")


def test_a_completion_in_a_closing_run_is_recorded_and_nothing_follows_from_it() -> None:
    play = two()
    play.fail("a")
    completed, ended = play.complete("b", 1)
    assert isinstance(completed, TaskCompleted)
    assert completed.flow.tokens == {}
    assert names([ended]) == ["run.failed"]
    assert play.step("b").output == 1


def test_a_failure_in_a_closing_run_is_no_second_failure() -> None:
    play = two()
    play.fail("a", "first")
    cancelled, _ = play.fail("b", "second")
    assert isinstance(cancelled, TaskCancelled)
    assert cancelled.why == "second"
    assert play.state.failure is not None
    assert play.state.failure.code == "first"


def test_a_loss_in_a_closing_run_ends_the_wait() -> None:
    play = two()
    play.fail("a")
    assert names(play.lose("b")) == ["task.cancelled", "run.failed"]


def test_a_closing_run_starts_nothing() -> None:
    play = started(workflow(beside(task("a"), task("b"), task("c"))))
    play.place("a")
    play.place("b")
    play.fail("a")
    assert play.step("c").status == "cancelled"
    assert play.place("c") == []
    assert play.give(i.Unplaced(step="c", obstacle="no_slot")) == []
    assert play.due(1000.0) == []


def test_fail_fast_cancels_retry_waits() -> None:
    again = Retry(kind="fixed", attempts_max=9, initial_s=60.0)
    play = started(workflow(beside(task("a"), task("b", retry=again))))
    play.place_all()
    play.fail("b")
    assert names(play.fail("a")) == ["task.failed", "run.failed"]
    assert play.step("b").status == "cancelled"


def test_finish_others_lets_them_finish_and_unblocks_no_dependant() -> None:
    play = two(FINISH_OTHERS)
    assert names(play.fail("a")) == ["task.failed"]
    assert names(play.complete("b")) == ["task.completed", "run.failed"]
    assert "after" not in play.state.steps


def test_finish_others_waits_for_the_others_retries() -> None:
    again = Retry(kind="fixed", attempts_max=2, initial_s=60.0)
    play = started(workflow(beside(task("a"), task("b", retry=again))), FINISH_OTHERS)
    play.place_all()
    play.fail("b")
    assert names(play.fail("a", "first")) == ["task.failed"]
    play.due(60.0)
    play.place("b")
    assert names(play.fail("b", "second")) == ["task.failed", "run.failed"]
    assert play.state.failed_step == "a"


def test_finish_others_goes_on_along_branches_that_need_nothing_of_the_failed_one() -> None:
    play = started(workflow(beside(task("a"), (task("b"), task("c")))), FINISH_OTHERS)
    play.place_all()
    play.fail("a")
    play.complete("b")
    assert list(play.state.ready) == ["c"]
    play.place("c")
    assert names(play.complete("c")) == ["task.completed", "run.failed"]


# -- error arcs -----------------------------------------------------------------------------------


def handled(*handlers: Handler) -> Play:
    play = started(workflow(task("a", on_error=handlers), task("b")))
    play.place("a")
    return play


def test_an_error_arc_leads_on_and_the_run_completes() -> None:
    play = handled(Handler(steps=(task("mend", inputs={"code": "${steps.a.error.code}"}),)))
    (failed,) = play.fail("a", "boom")
    assert names([failed]) == ["task.failed"]
    assert play.step("mend").inputs == {"code": "boom"}
    play.run("mend")
    assert names(play.run("b")) == ["task.completed", "run.completed"]
    assert play.step("a").status == "failed"
    assert play.step("a").handled
    assert play.state.failure is None


def test_the_first_handler_that_takes_the_code_runs() -> None:
    handlers = (
        Handler(codes=("x", "y"), steps=(task("on_xy"),)),
        Handler(codes=("y",), steps=(task("on_y"),)),
        Handler(steps=(task("on_any"),)),
    )
    for code, step in (("x", "on_xy"), ("y", "on_xy"), ("z", "on_any")):
        play = handled(*handlers)
        play.fail("a", code)
        assert list(play.state.ready) == [step]


def test_a_code_that_no_handler_takes_fails_the_run() -> None:
    play = handled(Handler(codes=("x",)))
    assert names(play.fail("a", "z")) == ["task.failed", "run.failed"]


def test_a_failure_in_a_handler_fails_the_run() -> None:
    play = handled(Handler(steps=(task("mend"),)))
    play.fail("a")
    play.place("mend")
    assert names(play.fail("mend")) == ["task.failed", "run.failed"]
    assert play.state.failed_step == "mend"


def test_retries_come_before_the_error_arc() -> None:
    again = Retry(kind="fixed", attempts_max=2, initial_s=0.0)
    play = started(workflow(task("a", retry=again, on_error=(Handler(),))))
    play.place("a")
    assert names(play.fail("a")) == ["attempt.failed"]
    play.place("a")
    assert names(play.fail("a")) == ["task.failed", "run.completed"]


def test_the_error_of_a_task_that_completed_in_the_end_is_null() -> None:
    again = Retry(kind="fixed", attempts_max=2, initial_s=0.0)
    play = started(workflow(task("a", retry=again), output={"error": "${steps.a.error}"}))
    play.place("a")
    play.fail("a")
    play.run("a")
    assert play.state.output == {"error": None}


# -- cancel ---------------------------------------------------------------------------------------


def test_cancel_with_nothing_outstanding_ends_at_once() -> None:
    play = started(workflow(task("a")))
    (fact,) = play.cancel("no longer needed")
    assert isinstance(fact, r.RunCancelled)
    assert (fact.reason, fact.cancelled) == ("no longer needed", ("a",))
    assert play.state.reason == "no longer needed"


def test_cancel_waits_until_every_attempt_has_come_back() -> None:
    play = two()
    (closing,) = play.cancel("enough")
    assert isinstance(closing, r.RunClosing)
    assert names(play.give_back("a")) == ["task.cancelled"]
    assert play.state.status == "running"
    assert names(play.lose("b")) == ["task.cancelled", "run.cancelled"]
    assert (play.state.status, play.state.reason) == ("cancelled", "enough")


def test_cancelling_twice_is_cancelling_once() -> None:
    play = two()
    play.cancel("first")
    assert play.cancel("second") == []
    assert play.state.closing is not None
    assert play.state.closing.reason == "first"


def test_cancelling_an_ended_run_is_refused_and_names_its_end() -> None:
    play = started(workflow(task("a"))).finish()
    with pytest.raises(Rejected, match="run run-1 is completed already"):
        play.cancel()


def test_cancelling_a_run_that_was_never_started_is_refused() -> None:
    with pytest.raises(Rejected, match="no such run"):
        Play(index(workflow(task("a")))).cancel()


def test_a_cancel_does_not_change_an_end_that_is_already_decided() -> None:
    play = two()
    play.fail("a")
    assert play.cancel() == []
    play.give_back("b")
    assert play.state.status == "failed"


def test_a_cancelled_run_says_what_nobody_will_run() -> None:
    play = started(workflow(task("z"), beside(task("a"), task("b"))))
    play.run("z")
    play.place("a")
    (closing,) = play.cancel()
    assert isinstance(closing, r.RunClosing)
    assert set(closing.cancelled) == {"p", "b"}


# -- late comers ----------------------------------------------------------------------------------


def test_reports_of_attempts_that_are_over_change_nothing() -> None:
    play = started(
        workflow(task("a", retry=Retry(kind="fixed", attempts_max=3, initial_s=0.0)), task("b"))
    )
    play.place("a")
    first = play.attempt("a")
    play.fail("a")
    play.place("a")
    second = play.attempt("a")
    for fenced in (first, with_fields(second, number=9), with_fields(second, generation=1)):
        for report in every_report(fenced):
            assert play.report(report) == []
    play.complete("a")
    for report in every_report(second):
        assert play.report(report) == []


def test_reports_after_the_end_change_nothing() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    attempt = play.attempt("a")
    play.complete("a")
    for report in every_report(attempt):
        assert play.report(report) == []
    assert play.due(1e9) == []
    assert play.place("a") == []
    assert play.give(i.AttemptLost(attempt=attempt, reason="node_lost")) == []


def test_a_report_about_a_step_that_was_never_reached_changes_nothing() -> None:
    play = started(workflow(task("a"), task("b")))
    play.place("a")
    unknown = with_fields(play.attempt("a"), step="b")
    assert play.report(m.Completed(attempt=unknown)) == []


def test_no_fact_follows_the_end() -> None:
    play = started(workflow(task("a"))).finish()
    with pytest.raises(InvariantViolation, match="follows the end"):
        evolve(play.state, r.RunCancelled(), play.now)


def every_report(attempt: Attempt) -> list[m.Report]:
    return [
        m.Started(attempt=attempt, started_at=1),
        m.Progressed(attempt=attempt, details=1),
        m.Completed(attempt=attempt, output="other"),
        m.Failed(attempt=attempt, failure=Failure(code="late")),
        m.Returned(attempt=attempt, reason="recalled"),
    ]


def with_fields(attempt: Attempt, **fields: object) -> Attempt:
    return msgspec.structs.replace(attempt, **fields)


# -- completion -----------------------------------------------------------------------------------


def test_an_empty_workflow_completes_at_once() -> None:
    assert started(workflow()).state.status == "completed"


def test_the_output_is_the_last_step_s() -> None:
    play = started(workflow(task("a"), task("b")))
    play.run("a", output=1)
    play.run("b", output=2)
    assert play.state.output == 2


def test_the_output_of_several_last_steps_is_by_name() -> None:
    play = started(workflow(beside(task("a"), task("b"))))
    play.place_all()
    play.complete("b", 2)
    play.complete("a", 1)
    assert play.state.output == {"a": 1, "b": 2}


def test_an_output_that_cannot_be_evaluated_fails_the_run() -> None:
    play = started(workflow(task("a"), output={"x": "${steps.a.output.nope}"}))
    assert names(play.run("a", output={})) == ["task.completed", "run.failed"]
    assert play.state.failure is not None
    assert play.state.failure.code == "expression_failed"
    assert "output:" in play.state.failure.message


def test_a_closing_run_sets_no_timer_for_an_attempt_that_only_now_says_it_has_started() -> None:
    """The timer would be due for ever: in a closing run nothing follows from it."""
    limited = task("a", timeouts=Timeouts(start_to_close_s=1.0))
    play = started(workflow(limited))
    play.place("a")
    play.cancel()
    play.report(m.Started(attempt=play.attempt("a"), started_at=play.now))
    assert play.state.next_due_at is None
    assert play.due(1000.0) == []


def test_timers_of_a_closing_run_are_gone() -> None:
    play = started(
        workflow(beside(task("a", timeouts=Timeouts(schedule_to_close_s=5.0)), task("b"))),
        Setting(options=RunOptions(timeout_s=5.0)),
    )
    play.place_all()
    play.fail("b")
    assert play.state.timers == {}
    assert play.state.next_due_at is None
