"""Transactional tasks that are given up: their failure follows what became of the transaction."""

import pytest

from events.definition import Handler, MapStep, WithinStep
from events.facts import LossReason
from events.limits import Limits
from events.messages import Cancel, Execute
from events.policies import Retry, RunOptions, Timeouts
from events.task_facts import AttemptFailed, TaskFailed, TaskSettling
from orchestrator.kernel.commands import command
from orchestrator.kernel.placement import Chosen, NodeSlots, Obstructed, Wishes, place
from orchestrator.kernel.settling import ABANDONED
from tests.builders import Play, Setting, index, names, parallel, started, task, workflow

LIMITS = Limits(settling_delay_s=1.0, settling_delay_s_max=3.0)


def one_task(**fields: object) -> Play:
    play = started(workflow(task("a", **fields)), Setting(limits=LIMITS))
    play.place("a", transactional=True)
    return play


def given_up() -> Play:
    """Its only attempt has failed."""
    play = one_task()
    assert names(play.fail("a")) == ["task.settling"]
    return play


def sent(play: Play) -> Execute | Cancel:
    found = command(play.state, play.net, "a", 0)
    assert isinstance(found, (Execute, Cancel))
    return found


def test_a_task_is_executed_until_it_is_given_up() -> None:
    play = one_task(retry=Retry(attempts_max=2, initial_s=0.0))
    assert names(play.fail("a")) == ["attempt.failed"]
    play.place("a")
    ordinary = sent(play)
    assert isinstance(ordinary, Execute)
    assert not ordinary.settle
    (fact,) = play.fail("a", "late")
    assert isinstance(fact, TaskSettling)
    assert (fact.failure.code, fact.why) == ("late", "attempt 2 of 2 was the last")
    play.place("a", "n2")
    settling = sent(play)
    assert isinstance(settling, Execute)
    assert settling.settle
    assert settling.attempt.number == 3
    play.check_replay()


def test_it_fails_as_decided_once_the_tombstone_is_there() -> None:
    play = given_up()
    play.place("a")
    failed, _ = play.fail("a", ABANDONED, retryable=False)
    assert isinstance(failed, TaskFailed)
    assert (failed.failure.code, failed.why) == ("boom", "attempt 1 of 1 was the last")
    assert play.state.status == "failed"
    play.check_replay()


def test_it_completes_if_it_had_committed() -> None:
    play = given_up()
    play.place("a")
    assert names(play.complete("a", {"paid": 3})) == ["task.completed", "run.completed"]
    assert play.state.output == {"paid": 3}
    play.check_replay()


def test_an_error_arc_is_taken_only_then() -> None:
    play = one_task(on_error=(Handler(codes=("boom",), steps=(task("undo"),)),))
    assert names(play.fail("a")) == ["task.settling"]
    assert "undo" not in play.state.steps
    play.place("a")
    play.fail("a", ABANDONED)
    assert "undo" in play.state.ready


@pytest.mark.edge("Limits.settling_delay_s")
@pytest.mark.edge("Limits.settling_delay_s_max")
@pytest.mark.parametrize("reason", ["node_lost", "node_restarted", "refused", "recalled"])
def test_it_is_asked_again_later_each_time_and_never_guessed(reason: LossReason) -> None:
    play = given_up()
    delays = []
    for _ in range(5):
        play.place("a")
        (fact,) = play.lose("a", reason)
        assert isinstance(fact, AttemptFailed)
        delays.append(fact.delay_s)
        play.due(fact.delay_s)
    assert delays == [1.0, 2.0, 3.0, 3.0, 3.0]
    play.check_replay()


def test_it_waits_for_a_node_however_soon_the_task_was_to_start() -> None:
    play = one_task(timeouts=Timeouts(schedule_to_start_s=0.3))
    play.fail("a")
    for _ in range(2):
        play.place("a")
        (asked_again,) = play.lose("a", "refused")
        assert isinstance(asked_again, AttemptFailed)
        assert names(play.due(asked_again.delay_s)) == ["task.retry_due"]
        assert play.due(60.0) == []
    play.check_replay()


def test_a_node_without_reach_is_told_and_another_asked() -> None:
    play = given_up()
    play.place("a")
    (fact,) = play.fail("a", "operational_error")
    assert isinstance(fact, AttemptFailed)
    assert fact.failure.code == "operational_error"
    assert not fact.counted
    play.due(1.0)
    play.place("a", "n2")
    play.complete("a")
    assert play.state.status == "completed"


def test_schedule_to_close_is_settled_too() -> None:
    limits = Timeouts(schedule_to_close_s=5.0)
    play = one_task(retry=Retry(attempts_max=9, initial_s=2.0), timeouts=limits)
    play.lose("a")
    assert names(play.due(5.0)) == ["task.settling"]
    assert "close:a" not in play.state.timers
    play.place("a")
    failed, _ = play.fail("a", ABANDONED)
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == "schedule_to_close_timeout"


def test_a_task_that_never_was_with_a_node_needs_no_settlement() -> None:
    play = started(workflow(task("a", timeouts=Timeouts(schedule_to_start_s=1.0))))
    assert names(play.due(1.0)) == ["task.failed", "run.failed"]


# -- runs that end --------------------------------------------------------------------------------


def test_a_cancelled_run_settles_what_a_node_has() -> None:
    play = one_task()
    assert names(play.cancel()) == ["run.closing"]
    assert isinstance(sent(play), Cancel)
    assert names(play.give_back("a")) == ["task.settling"]
    play.place("a")
    assert isinstance(sent(play), Execute)
    assert names(play.fail("a", ABANDONED)) == ["task.cancelled", "run.cancelled"]
    play.check_replay()


def test_a_cancelled_run_settles_what_waits_for_its_next_attempt() -> None:
    play = one_task(retry=Retry(attempts_max=9, initial_s=60.0))
    play.fail("a")
    assert names(play.cancel()) == ["task.settling", "run.closing"]
    play.place("a")
    assert names(play.complete("a", 1)) == ["task.completed", "run.cancelled"]
    play.check_replay()


def test_a_run_that_ends_while_it_is_asked_again_goes_on_asking() -> None:
    play = given_up()
    play.place("a")
    play.lose("a")
    assert names(play.cancel()) == ["run.closing"]
    play.place("a")
    (fact,) = play.lose("a")
    assert isinstance(fact, AttemptFailed)
    play.due(fact.delay_s)
    play.place("a")
    assert names(play.fail("a", ABANDONED)) == ["task.cancelled", "run.cancelled"]
    play.check_replay()


def test_others_of_a_run_that_ends_are_not_placed() -> None:
    setting = Setting(options=RunOptions(error_policy="fail_fast"))
    play = started(workflow(parallel(left=task("a"), right=task("b"))), setting)
    play.place("a", transactional=True)
    play.place("b")
    play.fail("b")
    play.give_back("a")
    assert play.state.closing is not None
    assert list(play.state.ready) == ["a"]
    play.place("a")
    play.fail("a", ABANDONED)
    assert play.state.status == "failed"


def test_a_fork_begins_without_it() -> None:
    play = given_up()
    play.fork("r2", play.state.version)
    assert not play.state.settling
    assert not play.step("a").transactional
    assert list(play.state.ready) == ["a"]


# -- who may be asked -----------------------------------------------------------------------------


def test_a_node_that_would_run_it_blindly_is_refused() -> None:
    wanted = index(workflow(task("a"))).task("a")
    knows = NodeSlots("n1", "i1", frozenset({"work"}), 1, transactional=frozenset({"work"}))
    blind = NodeSlots("n2", "i2", frozenset({"work"}), 9)
    first = place(wanted, [blind, knows], Wishes())
    assert isinstance(first, Chosen)
    assert (first.node, first.transactional) == ("n2", False)
    later = place(wanted, [blind, knows], Wishes(transactional=True))
    assert isinstance(later, Chosen)
    assert (later.node, later.transactional) == ("n1", True)
    nobody = place(wanted, [blind], Wishes(transactional=True))
    assert isinstance(nobody, Obstructed)
    assert "n2: does not run work in a transaction" in nobody.detail


# -- maps and groups ------------------------------------------------------------------------------

AGAIN = Retry(kind="fixed", attempts_max=9, initial_s=60.0)


def test_a_map_that_is_decided_settles_what_waits_for_its_next_attempt() -> None:
    """Three items: one completes, which decides it; one is with a node; one waits."""
    step = MapStep(id="m", task="work", items="${ input }", complete_when="any", retry=AGAIN)
    play = started(workflow(step), Setting(limits=LIMITS), [1, 2, 3])
    for item in ("m[0]", "m[1]", "m[2]"):
        play.place(item, transactional=True)
    play.fail("m[2]")
    facts = play.complete("m[0]", 1)
    assert names(facts) == ["task.completed", "task.settling", "map.decided"]
    play.give_back("m[1]")
    assert set(play.state.ready) == {"m[1]", "m[2]"}
    for item in ("m[1]", "m[2]"):
        play.place(item)
        play.fail(item, ABANDONED)
    assert play.state.status == "completed"
    play.check_replay()


def test_a_group_that_is_late_settles_what_waits_for_its_next_attempt() -> None:
    late = Handler(codes=("within_timeout",), steps=(task("usual"),))
    group = WithinStep(id="g", timeout_s=30.0, steps=(task("a", retry=AGAIN),), on_error=(late,))
    play = started(workflow(group), Setting(limits=LIMITS))
    play.place("a", transactional=True)
    play.fail("a")
    assert names(play.due(30.0)) == ["task.settling", "group.given_up"]
    play.place("a")
    assert isinstance(sent(play), Execute)
    assert "usual" not in play.state.steps
    assert names(play.fail("a", ABANDONED)) == ["task.cancelled", "task.failed"]
    assert "usual" in play.state.ready
    play.check_replay()


def test_a_fork_of_a_group_that_is_late_settles_nothing_of_it() -> None:
    group = WithinStep(id="g", timeout_s=30.0, steps=(task("a", retry=AGAIN),))
    play = started(workflow(group), Setting(limits=LIMITS))
    play.place("a", transactional=True)
    play.fail("a")
    play.due(30.0)
    facts = play.fork("r2", play.state.version)
    assert names(facts) == ["run.forked", "task.failed", "run.failed"]
    assert play.step("a").settling is None


def test_a_fork_of_a_group_that_is_late_has_nothing_that_began_to_settle_meanwhile() -> None:
    both = parallel(x=task("a"), y=task("b"))
    group = WithinStep(id="g", timeout_s=30.0, steps=(both,))
    play = started(workflow(group, task("after")), Setting(limits=LIMITS))
    play.place("a", transactional=True)
    play.place("b")
    assert names(play.due(30.0)) == ["group.given_up"]
    assert names(play.fail("a")) == ["task.settling"]
    play.place("a")
    facts = play.fork("r2", play.state.version)
    assert names(facts) == ["run.forked", "task.failed", "run.failed"]
    assert (play.step("a").status, play.step("b").status) == ("cancelled", "cancelled")


def test_a_fork_of_a_late_group_ends_the_item_of_a_map_that_was_to_be_settled() -> None:
    items = MapStep(id="m", items="${input}", task="work", concurrency=2)
    group = WithinStep(id="g", timeout_s=30.0, steps=(items,))
    play = started(workflow(group), Setting(limits=LIMITS), [1, 2])
    play.place("m[0]", transactional=True)
    play.place("m[1]")
    play.fail("m[0]")
    assert names(play.due(30.0))[-1] == "group.given_up"
    facts = play.fork("r2", play.state.version)
    assert names(facts)[0] == "run.forked"
    assert play.state.terminal
