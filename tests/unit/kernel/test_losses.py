"""Attempts that end without a result: lost with their node, refused, given back."""

import pytest

from events import messages as m
from events.definition import Handler
from events.facts import LossReason
from events.limits import Limits
from events.policies import Retry, Timeouts
from events.task_facts import AttemptFailed, TaskFailed
from orchestrator.kernel import inputs as i
from tests.builders import Play, Setting, names, started, task, workflow

LIMITS = Limits(losses_max=3, refused_delay_s=0.2, refused_delay_s_max=1.0, killed_delay_s=0.0)


def one_task(**fields: object) -> Play:
    play = started(workflow(task("a", **fields)), Setting(limits=LIMITS))
    play.place("a")
    return play


@pytest.mark.parametrize("reason", ["node_lost", "node_restarted", "node_reset", "recalled"])
def test_a_lost_attempt_is_repeated_at_once_and_not_counted(reason: LossReason) -> None:
    play = one_task()
    (fact,) = play.lose("a", reason)
    assert isinstance(fact, AttemptFailed)
    assert (fact.kind, fact.loss, fact.counted, fact.delay_s) == ("lost", reason, False, 0.0)
    assert fact.failure.code == reason
    assert list(play.state.ready) == ["a"]
    assert play.step("a").excluded == {"n1": reason}
    play.place("a", "n2")
    assert names(play.complete("a")) == ["task.completed", "run.completed"]


@pytest.mark.edge("Limits.losses_max")
def test_losses_are_bounded() -> None:
    play = one_task(retry=Retry(attempts_max=10))
    for _ in range(LIMITS.losses_max):
        assert names(play.lose("a")) == ["attempt.failed"]
        play.place("a")
    failed, _ = play.lose("a")
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == "lost"
    assert "node_lost" in failed.failure.message
    assert failed.why == "4 attempts were lost, 3 are allowed"


def test_a_loss_can_be_handled_by_its_code() -> None:
    handled = task("a", on_error=(Handler(codes=("lost",)),))
    play = started(workflow(handled), Setting(limits=Limits(losses_max=0)))
    play.place("a")
    assert names(play.lose("a")) == ["task.failed", "run.completed"]


@pytest.mark.edge("Limits.refused_delay_s")
@pytest.mark.edge("Limits.refused_delay_s_max")
def test_a_refused_attempt_waits_longer_each_time_in_a_row() -> None:
    play = one_task()
    delays = []
    for _ in range(5):
        (fact,) = play.give_back("a", "refused")
        assert isinstance(fact, AttemptFailed)
        delays.append(fact.delay_s)
        assert names(play.due(fact.delay_s)) == ["task.retry_due"]
        play.place("a")
    assert delays == [0.2, 0.4, 0.8, 1.0, 1.0]
    assert play.step("a").losses == 0


def test_refusals_and_retries_do_not_spoil_each_other_s_backoff() -> None:
    play = one_task(retry=Retry(kind="decorrelated", attempts_max=9, initial_s=30.0))
    play.fail("a")
    waited = play.step("a").delay_s
    assert waited >= 30.0
    play.due(waited)
    play.place("a")
    (refused,) = play.give_back("a", "refused")
    assert isinstance(refused, AttemptFailed)
    assert refused.delay_s == 0.2
    assert play.step("a").delay_s == waited


def test_another_end_ends_the_row_of_refusals() -> None:
    play = one_task()
    for _ in range(3):
        play.give_back("a", "refused")
        play.due(10)
        play.place("a")
    play.lose("a")
    play.place("a")
    (fact,) = play.give_back("a", "refused")
    assert isinstance(fact, AttemptFailed)
    assert fact.delay_s == 0.2


def test_refusals_do_not_end_a_task_but_its_timeout_does() -> None:
    play = one_task(timeouts=Timeouts(schedule_to_close_s=30.0))
    for _ in range(200):
        if play.state.terminal:
            break
        play.give_back("a", "refused")
        play.due(1.0)
        if "a" in play.state.ready:
            play.place("a")
    assert play.state.failure is not None
    assert play.state.failure.code == "schedule_to_close_timeout"


def test_a_lost_attempt_s_report_changes_nothing() -> None:
    play = one_task()
    lost = play.attempt("a")
    play.lose("a")
    before = play.states[-1]
    assert play.report(m.Completed(attempt=lost, output=1)) == []
    play.place("a")
    now = play.states[-1]
    assert play.report(m.Completed(attempt=lost, output=1)) == []
    assert play.report(m.Returned(attempt=lost, reason="recalled")) == []
    assert play.lose("a") != []
    assert before != now


def test_the_loss_of_an_attempt_that_is_over_changes_nothing() -> None:
    play = one_task()
    first = i.AttemptLost(attempt=play.attempt("a"), reason="node_lost")
    play.give(first)
    play.place("a")
    assert play.give(first) == []
    assert play.state.outstanding == {"a": 2}


def test_an_agent_that_does_not_count_is_believed_in_order_of_arrival() -> None:
    play = one_task()
    for row in (1, 2):
        play.report(m.Progressed(attempt=play.attempt("a"), details=row))
    assert play.step("a").details == 2


def test_the_next_attempt_counts_anew() -> None:
    play = one_task()
    play.report(m.Progressed(attempt=play.attempt("a"), details="old", sequence=7))
    play.lose("a")
    play.place("a")
    play.report(m.Progressed(attempt=play.attempt("a"), details="new", sequence=1))
    assert play.step("a").details == "new"


def test_heartbeat_details_are_handed_to_the_next_attempt() -> None:
    play = one_task(retry=Retry(kind="fixed", attempts_max=3, initial_s=0.0))
    play.report(m.Progressed(attempt=play.attempt("a"), details={"row": 5}, fraction=0.5))
    play.fail("a")
    play.place("a")
    assert play.step("a").details == {"row": 5}
    play.lose("a")
    play.place("a")
    assert play.step("a").details == {"row": 5}
