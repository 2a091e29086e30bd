"""Groups of steps with a limit of time: in time, late, with nodes, children, maps, loops inside."""

import pytest

from events.definition import (
    CallStep,
    Definition,
    ForEachStep,
    Handler,
    MapStep,
    ParallelStep,
    SetStep,
    Step,
    WaitStep,
    WithinStep,
)
from events.net import Scope
from events.policies import Retry, RunOptions
from events.run_facts import GroupGivenUp, RunFailed
from events.task_facts import TaskCancelled, TaskCompleted, TaskFailed
from orchestrator.kernel.state import RunState
from tests.builders import Play, copy, index, names, parallel, started, task, workflow


def within(*steps: Step, on_error: tuple[Handler, ...] = ()) -> WithinStep:
    return WithinStep(id="offer", timeout_s=30.0, steps=steps, on_error=on_error)


LATE = Handler(codes=("within_timeout",), steps=(task("late"),))
AB = (task("a"), task("b"))


def failure_of(play: Play) -> tuple[str, str]:
    assert play.state.failure is not None
    return play.state.failure.code, play.state.failed_step


# -- in time --------------------------------------------------------------------------------------


def test_a_group_that_is_over_in_time_leaves_nothing_behind() -> None:
    play = started(workflow(within(*AB), task("after"), output="${ steps.b.output }"))

    assert play.timers() == {"within:offer": 30.0}
    assert play.step("offer").status == "entered"
    play.run("a")
    play.run("b", output=7)
    assert play.timers() == {}
    assert play.step("offer").status == "completed"
    play.run("after")
    assert (play.state.status, play.state.output) == ("completed", 7)
    play.check_replay()


def test_a_group_in_which_nothing_waits_is_over_at_once() -> None:
    play = started(workflow(within(SetStep(id="s", variables={"x": 1})), task("after")))

    assert play.timers() == {}
    assert list(play.state.ready) == ["after"]


def test_the_output_of_a_workflow_that_ends_with_a_group_is_that_of_its_last_step() -> None:
    play = started(workflow(within(*AB, on_error=(LATE,))))
    play.run("a")
    play.run("b", output={"n": 3})

    assert play.state.output == {"n": 3}


def test_its_net_has_a_scope_that_does_not_repeat() -> None:
    net = index(workflow(within(*AB))).net

    assert net.scopes == (Scope(id=""), Scope(id="offer", parent="", timeout_s=30.0))


# -- late -----------------------------------------------------------------------------------------


def test_a_late_group_without_a_handler_fails_its_run() -> None:
    play = started(workflow(within(*AB), task("after")))
    facts = play.due(30.0)

    assert [type(fact) for fact in facts] == [TaskFailed, RunFailed]
    assert failure_of(play) == ("within_timeout", "offer")
    assert play.state.failure is not None
    assert play.state.failure.message == "offer was not over within 30 s"
    assert (play.step("a").status, play.step("offer").status) == ("cancelled", "failed")
    assert "b" not in play.state.steps
    play.check_replay()


def test_a_handler_takes_the_run_on_and_nothing_of_the_group_follows() -> None:
    play = started(workflow(within(*AB, on_error=(LATE,)), task("after")))
    play.run("a")
    play.due(30.0)

    assert (play.step("a").status, play.step("b").status) == ("completed", "cancelled")
    assert list(play.state.ready) == ["late"]
    play.run("late")
    play.run("after")
    assert play.state.status == "completed"
    assert play.state.tokens == {}
    play.check_replay()


def test_a_moment_before_it_is_not_late() -> None:
    play = started(workflow(within(*AB)))

    assert play.due(29.999_999) == []
    assert names(play.due(0.000_001))[0] == "task.failed"


def test_what_a_node_has_is_asked_back_first() -> None:
    play = started(workflow(within(parallel(x=task("a"), y=task("b")), on_error=(LATE,))))
    attempt = play.place("a")
    (given_up,) = play.due(30.0)

    assert isinstance(given_up, GroupGivenUp)
    assert given_up.recalled == ("a",)
    assert set(given_up.cancelled) == {"b", "p"}
    assert play.step("a").recalled == "within_timeout"
    assert not play.state.ready
    assert attempt is not None
    back = play.give_back("a")
    assert [type(fact) for fact in back] == [TaskCancelled, TaskFailed]
    assert list(play.state.ready) == ["late"]
    play.run("late")
    assert play.state.status == "completed"
    play.check_replay()


def test_a_result_that_comes_late_is_recorded_and_leads_nowhere() -> None:
    play = started(workflow(within(*AB, on_error=(LATE,))))
    play.place("a")
    play.due(30.0)
    facts = play.complete("a", output=5)

    assert [type(fact) for fact in facts] == [TaskCompleted, TaskFailed]
    assert play.step("a").output == 5
    assert list(play.state.ready) == ["late"]
    play.check_replay()


@pytest.mark.parametrize("end", ["fail", "lose"])
def test_an_attempt_that_fails_or_is_lost_late_is_not_tried_again(end: str) -> None:
    play = started(workflow(within(task("a", retry=Retry(attempts_max=5)), on_error=(LATE,))))
    play.place("a")
    play.due(30.0)
    if end == "fail":
        play.fail("a", "x")
    else:
        play.lose("a")

    assert play.step("a").status == "cancelled"
    assert list(play.state.ready) == ["late"]


def test_the_group_waits_for_the_last_that_somebody_has() -> None:
    both = within(parallel(x=task("a"), y=task("b")), on_error=(LATE,))
    play = started(workflow(both))
    play.place("a")
    play.place("b")
    play.due(30.0)

    assert names(play.give_back("b")) == ["task.cancelled"]
    assert not play.state.ready
    play.give_back("a")
    assert list(play.state.ready) == ["late"]


def test_what_is_beside_a_late_group_goes_on() -> None:
    group = within(*AB, on_error=(LATE,))
    play = started(workflow(parallel(x=group, y=(task("c"), task("d")))))
    play.place("a")
    play.place("c")
    play.due(30.0)
    play.complete("c")
    play.run("d")
    play.give_back("a")
    play.run("late")

    assert play.state.status == "completed"
    play.check_replay()


# -- what may be inside ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside",
    [
        WaitStep(id="w", duration=3600.0),
        WaitStep(id="w", signal="go"),
        ForEachStep(id="w", items=[1, 2], steps=(task("x"),)),
        MapStep(id="w", items=[1, 2, 3], task="t", concurrency=2),
        ParallelStep(id="w", branches={"l": (task("x"),), "r": (WaitStep(id="y", duration=99.0),)}),
    ],
)
def test_whatever_is_idle_inside_ends_with_the_group(inside: Step) -> None:
    play = started(workflow(within(inside, task("never"), on_error=(LATE,)), task("after")))
    play.due(30.0)

    assert play.step("w").status == "cancelled"
    assert play.timers() == {}
    play.run("late")
    play.run("after")
    assert play.state.status == "completed"
    play.check_replay()


def test_items_of_a_map_are_asked_back_and_the_map_ends_with_its_last() -> None:
    scale = MapStep(id="scale", items=[1, 2, 3], task="t", concurrency=2)
    play = started(workflow(within(scale, on_error=(LATE,))))
    play.place("scale[0]")
    (given_up,) = play.due(30.0)

    assert isinstance(given_up, GroupGivenUp)
    assert (given_up.recalled, given_up.cancelled) == (("scale[0]",), ("scale[1]",))
    play.complete("scale[0]")
    assert play.step("scale").status == "cancelled"
    assert list(play.state.ready) == ["late"]
    play.check_replay()


def test_a_child_run_is_asked_to_end_and_not_followed_by_another() -> None:
    call = CallStep(id="ship", workflow="ship", retry=Retry(attempts_max=3))
    play = started(workflow(within(call, on_error=(LATE,))))
    play.due(30.0)

    assert play.state.is_recalled("ship")
    assert play.state.gives_up
    child = RunState(run_id=play.state.calls["ship"], status="cancelled", version=1)
    play.end_child("ship", child)
    assert play.step("ship").status == "cancelled"
    assert list(play.state.ready) == ["late"]
    play.check_replay()


def test_each_iteration_of_a_loop_has_a_limit_of_its_own() -> None:
    group = within(*AB, on_error=(Handler(),))
    play = started(workflow(ForEachStep(id="each", items=[1, 2], steps=(group,))))
    play.wait(20.0)
    play.run("a[0]")
    play.run("b[0]")

    assert play.timers() == {"within:offer[1]": 30.0}
    play.place("a[1]")
    (given_up,) = play.due(30.0)
    assert isinstance(given_up, GroupGivenUp)
    assert (given_up.step, given_up.recalled) == ("offer[1]", ("a[1]",))
    play.give_back("a[1]")
    assert play.state.status == "completed"
    play.check_replay()


def test_steps_of_a_group_in_a_loop_read_the_loop() -> None:
    group = within(task("a", inputs={"i": "${ iteration.index }", "x": "${ iteration.item }"}))
    play = started(workflow(ForEachStep(id="each", items=["p", "q"], steps=(group,))))
    play.run("a[0]")

    assert play.step("a[1]").inputs == {"i": 1, "x": "q"}


def test_a_loop_in_a_group_is_left_in_the_middle() -> None:
    loop = ForEachStep(id="each", items=[1, 2, 3], steps=(task("a"),))
    play = started(workflow(within(loop, on_error=(LATE,))))
    play.run("a[0]")
    play.place("a[1]")
    play.due(30.0)
    play.complete("a[1]")

    assert list(play.state.ready) == ["late"]
    assert play.step("each").status == "cancelled"


def inner(*handlers: Handler) -> WithinStep:
    return WithinStep(id="inner", timeout_s=5.0, steps=(task("a"),), on_error=handlers)


def test_a_group_inside_a_group_fails_by_itself() -> None:
    small = inner(Handler())
    play = started(workflow(within(small, task("b"), on_error=(LATE,))))
    play.due(5.0)

    assert list(play.state.ready) == ["b"]
    assert play.timers() == {"within:offer": 25.0}


def test_an_outer_group_takes_over_what_an_inner_one_waits_for() -> None:
    small = inner(Handler(steps=(task("sorry"),)))
    play = started(workflow(within(small, task("b"), on_error=(LATE,))))
    play.place("a")
    play.due(5.0)
    assert list(play.state.given_up) == ["inner"]
    play.due(25.0)
    assert list(play.state.given_up) == ["offer"]
    play.give_back("a")

    assert list(play.state.ready) == ["late"]
    assert play.step("inner").status == "cancelled"
    play.check_replay()


# -- with what else happens to runs ---------------------------------------------------------------


def test_a_failure_inside_is_not_the_group_s() -> None:
    play = started(workflow(within(*AB, on_error=(LATE,))))
    play.place("a")
    play.fail("a", "gone", retryable=False)

    assert failure_of(play) == ("gone", "a")


def test_the_limit_of_a_group_does_not_keep_a_run_open_that_has_failed() -> None:
    definition = Definition(
        name="w", steps=(within(*AB),), options=RunOptions(error_policy="finish_others")
    )
    play = started(definition)
    play.place("a")
    play.fail("a", "gone", retryable=False)

    assert play.state.status == "failed"


def test_a_pause_stops_the_clock_of_a_group() -> None:
    play = started(workflow(within(*AB)))
    play.wait(10.0)
    play.pause()
    assert play.due(100.0) == []
    play.resume()

    assert play.timers() == {"within:offer": 20.0}


def test_cancelling_a_run_whose_group_is_late_ends_it_with_the_last_attempt() -> None:
    play = started(workflow(within(*AB, on_error=(LATE,))))
    play.place("a")
    play.due(30.0)
    play.cancel("enough")
    play.give_back("a")

    assert play.state.status == "cancelled"
    assert play.state.given_up == {}
    play.check_replay()


def forked(play: Play) -> Play:
    fork = Play(play.net, play.setting, play.expressions)
    fork.state, fork.base = copy(play.state), copy(play.state)
    fork.now = play.now
    fork.fork("fork", play.state.version)
    return fork


def test_a_fork_has_all_the_time_again() -> None:
    play = started(workflow(within(*AB)))
    play.wait(10.0)
    fork = forked(play)

    assert fork.timers() == {"within:offer": 30.0}
    fork.run("a")
    fork.run("b")
    assert fork.state.status == "completed"
    fork.check_replay()


def test_a_fork_of_a_run_whose_group_is_late_need_not_wait_for_the_others_nodes() -> None:
    play = started(workflow(within(*AB, on_error=(LATE,))))
    play.place("a")
    play.due(30.0)
    fork = forked(play)

    assert list(fork.state.ready) == ["late"]
    assert fork.step("a").status == "cancelled"
    fork.check_replay()
