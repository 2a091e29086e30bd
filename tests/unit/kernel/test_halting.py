"""What operators do to transactional tasks: it is settled first what became of the transaction."""

from collections.abc import Callable

import pytest

from events.definition import MapStep
from events.errors import Rejected
from events.facts import Fact
from events.limits import Limits
from events.messages import Cancel, Execute
from events.operator_facts import ResultGiven, RunHalted, RunRestored
from events.policies import Retry, Timeouts
from events.run_facts import RunFailed
from events.task_facts import AttemptFailed, TaskDeadLettered, TaskSettled, TaskSettling
from orchestrator.kernel.commands import command
from orchestrator.kernel.halting import open_transactions
from orchestrator.kernel.settling import ABANDONED, HALTED, UNSETTLED, may_be_placed
from tests.builders import Play, Setting, names, parallel, started, task, workflow

LIMITS = Limits(settling_delay_s=1.0, settling_delay_s_max=4.0, halt_s=10.0)
AGAIN = Retry(kind="fixed", attempts_max=5, initial_s=60.0)

ACTIONS: dict[str, Callable[..., list[Fact]]] = {
    "skip": lambda play: play.skip("a", 1),
    "complete": lambda play: play.complete_for("a", 1),
    "fail": lambda play: play.fail_for("a"),
    "restore": lambda play: play.restore(1),
    "terminate": lambda play: play.terminate(),
}


def with_node(**fields: object) -> Play:
    """A transactional task that a node has; another task is ready."""
    left = task("a", **({"retry": AGAIN} | fields))
    steps = workflow(parallel(left=left, right=task("b")))
    play = started(steps, Setting(limits=LIMITS))
    play.place("a", transactional=True)
    return play


def between_attempts() -> Play:
    play = with_node()
    play.fail("a")
    return play


def abandoned(play: Play) -> None:
    """A node puts the tombstone there."""
    play.place("a", "n2")
    play.fail("a", ABANDONED, retryable=False)


@pytest.mark.parametrize("begun", [with_node, between_attempts])
@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_done_while_a_transaction_may_commit(
    begun: Callable[[], Play], name: str
) -> None:
    play = begun()
    with pytest.raises(Rejected, match="not known what became of the transaction of a"):
        ACTIONS[name](play)
    play.halt()
    with pytest.raises(Rejected):
        ACTIONS[name](play)
    if "a" in play.state.outstanding:
        play.give_back("a", "recalled", started=True)
    with pytest.raises(Rejected):
        ACTIONS[name](play)
    abandoned(play)
    assert ACTIONS[name](play)
    play.check_replay()


def test_a_node_gives_its_attempt_back_before_it_is_settled() -> None:
    play = with_node()
    assert names(play.halt()) == ["run.halted", "task.recalled"]
    sent = command(play.state, play.net, "a", 0)
    assert isinstance(sent, Cancel)
    assert sent.code == HALTED
    (settling,) = play.give_back("a")
    assert isinstance(settling, TaskSettling)
    assert settling.renews
    play.place("a", "n2")
    again = command(play.state, play.net, "a", 0)
    assert isinstance(again, Execute)
    assert again.settle
    assert again.attempt.generation == 0, "the same row"


def test_what_was_abandoned_begins_anew_under_another_key_and_is_not_counted() -> None:
    play = with_node()
    play.halt()
    play.give_back("a", "recalled", started=True)
    play.place("a")
    (settled,) = play.fail("a", ABANDONED)
    assert isinstance(settled, TaskSettled)
    step = play.step("a")
    assert (step.generation, step.attempt, step.counted, step.transactional) == (1, 0, 0, False)
    play.due(10.0)
    play.place("a", transactional=True)
    assert str(play.attempt("a")) != "run-1/a/0/1"
    play.run("b")
    play.complete("a")
    assert play.state.status == "completed"
    play.check_replay()


def test_what_had_committed_has_completed_and_the_action_comes_too_late() -> None:
    play = between_attempts()
    play.halt()
    play.place("a")
    assert names(play.complete("a", {"paid": 3})) == ["task.completed"]
    with pytest.raises(Rejected, match="is completed: it cannot be skipped"):
        play.skip("a")
    assert names(play.restore(1)) == ["run.restored"]


def test_an_attempt_that_fails_when_asked_back_is_settled_too() -> None:
    play = with_node()
    play.halt()
    assert names(play.fail("a", "boom", retryable=False)) == ["task.settling"]


def test_an_attempt_that_completes_when_asked_back_has_completed() -> None:
    play = with_node()
    play.halt()
    assert names(play.complete("a")) == ["task.completed"]
    assert not open_transactions(play.state)


@pytest.mark.edge("Limits.halt_s")
def test_meanwhile_nothing_else_is_placed_and_without_a_question_the_run_goes_on() -> None:
    play = between_attempts()
    play.halt()
    assert may_be_placed(play.state, "a")
    assert not may_be_placed(play.state, "b")
    assert not play.due(9.9)
    (over,) = play.due(0.1)
    assert isinstance(over, RunHalted)
    assert over.due_at is None
    assert may_be_placed(play.state, "b")
    abandoned(play)
    assert may_be_placed(play.state, "a")
    play.finish()
    assert play.state.status == "completed"
    play.check_replay()


def test_asked_again_it_lasts_longer_and_is_recorded_seldom() -> None:
    play = between_attempts()
    assert names(play.halt()) == ["run.halted", "task.settling"]
    play.wait(4.9)
    assert play.halt() == []
    play.wait(0.2)
    assert names(play.halt()) == ["run.halted"]
    assert not play.due(9.9)
    assert names(play.due(0.1)) == ["run.halted"]


@pytest.mark.parametrize("name", ["skip", "complete", "restore"])
def test_the_action_ends_the_wait(name: str) -> None:
    play = between_attempts()
    play.halt()
    abandoned(play)
    ACTIONS[name](play)
    assert play.state.halted is None
    assert "halt" not in play.state.timers
    assert may_be_placed(play.state, "b")


def test_a_run_that_is_cancelled_meanwhile_gives_it_up() -> None:
    play = between_attempts()
    play.halt()
    play.cancel()
    play.place("a")
    assert names(play.fail("a", ABANDONED)) == ["task.cancelled", "run.cancelled"]
    play.check_replay()


def test_what_is_given_up_already_fails_as_decided() -> None:
    play = with_node()
    play.fail("a", retryable=False)
    play.halt()
    play.place("a")
    play.fail("a", ABANDONED)
    assert play.step("a").status == "failed"


def test_a_run_that_is_paused_settles_too_and_stays_paused() -> None:
    play = between_attempts()
    play.pause()
    play.halt()
    assert may_be_placed(play.state, "a")
    play.place("a")
    play.lose("a")
    play.wait(2.0)
    assert not play.due()
    assert names(play.halt()) == ["task.retry_due"]
    abandoned(play)
    play.restore(1)
    assert play.state.paused is not None
    play.check_replay()


def test_what_closes_by_its_schedule_goes_on_doing_so() -> None:
    play = with_node(timeouts=Timeouts(schedule_to_close_s=30.0), retry=Retry(attempts_max=2))
    play.fail("a")
    play.halt()
    abandoned(play)
    assert "task.failed" in names(play.due(30.0))


def test_items_of_maps_are_settled_alike() -> None:
    step = MapStep(id="m", task="work", items="${ input }", retry=AGAIN)
    play = started(workflow(step), Setting(limits=LIMITS), [1, 2, 3])
    for item in ("m[0]", "m[1]"):
        play.place(item, transactional=True)
    play.fail("m[0]")
    play.halt()
    play.give_back("m[1]")
    for item in ("m[0]", "m[1]"):
        play.place(item)
        play.fail(item, ABANDONED)
    play.skip("m[0]")
    play.finish()
    assert play.state.status == "completed"
    play.check_replay()


def test_other_tasks_need_no_settlement() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    assert play.halt() == []
    (given,) = play.skip("a")[:1]
    assert isinstance(given, ResultGiven)
    assert given.unsettled == ()


def test_who_does_not_wait_says_so_and_the_fact_names_what_was_open() -> None:
    play = between_attempts()
    (back,) = play.restore(1, unsettled=True)
    assert isinstance(back, RunRestored)
    assert back.unsettled == ("a",)
    play.place("a", transactional=True)
    given = play.fail_for("a", unsettled=True)[0]
    assert isinstance(given, ResultGiven)
    assert given.unsettled == ("a",)
    other = with_node()
    (ended,) = other.terminate(unsettled=True)
    assert isinstance(ended, RunFailed)
    assert ended.unsettled == ("a",)
    play.check_replay()
    other.check_replay()


def test_a_move_keeps_the_key_and_needs_no_settlement() -> None:
    play = with_node()
    play.move("a", off=("n1",))
    play.give_back("a", "recalled", started=True)
    play.place("a", "n2")
    assert play.step("a").generation == 0


# -- nobody can say -------------------------------------------------------------------------------


@pytest.mark.edge("Limits.settling_tries_max")
@pytest.mark.edge("Limits.settling_rest_s")
def test_what_nobody_can_say_is_a_dead_letter_and_asked_again_seldom() -> None:
    limits = Limits(settling_delay_s=1.0, settling_tries_max=3, settling_rest_s=500.0)
    play = started(workflow(task("a")), Setting(limits=limits))
    play.place("a", transactional=True)
    play.fail("a")
    delays, letters = [], []
    for _ in range(5):
        play.place("a")
        failed, *more = play.fail("a", "operational_error")
        assert isinstance(failed, AttemptFailed)
        delays.append(failed.delay_s)
        letters.append(more)
        play.due(failed.delay_s)
    assert delays == [1.0, 2.0, 500.0, 500.0, 500.0]
    (letter,) = letters.pop(2)
    assert isinstance(letter, TaskDeadLettered)
    assert (letter.code, letter.task) == (UNSETTLED, "work")
    assert letter.details == {
        "asked": 3,
        "last_answer": {"code": "operational_error", "message": ""},
    }
    assert not any(letters)
    play.place("a")
    play.complete("a")
    assert play.state.status == "completed"
    play.check_replay()


def test_an_operator_has_it_asked_at_once() -> None:
    limits = Limits(settling_tries_max=1, settling_rest_s=500.0)
    play = started(workflow(task("a")), Setting(limits=limits))
    play.place("a", transactional=True)
    play.fail("a")
    play.place("a")
    play.lose("a")
    assert names(play.halt()) == ["run.halted", "task.retry_due"]
    assert may_be_placed(play.state, "a")


def test_a_fork_of_a_halted_run_is_not_halted() -> None:
    play = with_node()
    assert "run.halted" in names(play.halt())
    play.fork("r2", play.state.version)
    assert play.state.halted is None
    assert may_be_placed(play.state, "a")


def test_the_time_of_a_task_stands_still_in_a_pause_also_while_it_is_to_be_settled() -> None:
    soon = Retry(kind="fixed", attempts_max=5, initial_s=5.0)
    play = with_node(timeouts=Timeouts(schedule_to_close_s=20.0), retry=soon)
    play.pause()
    play.fail("a")
    play.halt()
    play.wait(30.0).resume()
    abandoned(play)
    assert play.state.steps["a"].status == "ready"
    assert play.state.timers["close:a"] == play.state.started_at + 50_000_000
    play.check_replay()
