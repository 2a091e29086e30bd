"""Loops: instances of steps, conditions, items, outputs, bounds, and what goes wrong inside."""

import pytest

from events import definition as d
from events.definition import ForEachStep, Handler, SetStep, Step, UntilStep, WaitStep, WhileStep
from events.limits import FACTS_MAX, Limits
from events.policies import Retry
from events.run_facts import LoopAdvanced
from events.values import Value
from orchestrator.kernel.instances import index_of, inside, outside, prefix, static_of, suffix_of
from tests.builders import Play, Setting, copy, names, parallel, started, task, workflow

COUNT = SetStep(id="count", variables={"n": "${ vars.n + 1 }"})
ZERO = SetStep(id="zero", variables={"n": 0})


def each(items: Value, *steps: Step, iterations_max: int = 1000) -> ForEachStep:
    steps = steps or (task("a"),)
    return ForEachStep(id="each", items=items, steps=steps, iterations_max=iterations_max)


def code(play: Play) -> str:
    assert play.state.failure is not None
    return play.state.failure.code


# -- instances ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance", "step", "suffix"),
    [("a", "a", ""), ("a[3]", "a", "[3]"), ("a/end[2][0]", "a/end", "[2][0]"), ("", "", "")],
)
def test_an_instance_is_its_step_and_a_suffix(instance: str, step: str, suffix: str) -> None:
    assert (static_of(instance), suffix_of(instance)) == (step, suffix)


def test_suffixes_go_in_and_out() -> None:
    assert inside("[2]", 10) == "[2][10]"
    assert (outside("[2][10]"), outside("[2]"), outside("")) == ("[2]", "", "")
    assert index_of("[2][10]") == 10
    assert [prefix("[2][10][3]", depth) for depth in (0, 1, 2, 3)] == [
        "",
        "[2]",
        "[2][10]",
        "[2][10][3]",
    ]
    assert prefix("[2]", 2) == ""


def test_steps_inside_loops_have_the_numbers_of_their_iterations() -> None:
    inner = ForEachStep(id="inner", items="${ iteration.item }", steps=(task("a"),))
    play = started(workflow(each([[1, 2], [3]], inner)))
    for step in ("a[0][0]", "a[0][1]", "a[1][0]"):
        assert list(play.state.ready) == [step]
        assert play.attempt(step) not in (None,)
        play.run(step, output=step)
    assert play.state.status == "completed"
    assert play.state.output == [["a[0][0]", "a[0][1]"], ["a[1][0]"]]
    assert set(play.state.steps) == {
        "each",
        "inner[0]",
        "inner[1]",
        "a[0][0]",
        "a[0][1]",
        "a[1][0]",
    }
    play.check_replay()


# -- the three kinds ------------------------------------------------------------------------------


def test_while_looks_before_each_iteration() -> None:
    loop = WhileStep(
        id="loop", condition="vars.n < 2", steps=(task("a", inputs={"n": "${vars.n}"}), COUNT)
    )
    play = started(workflow(ZERO, loop, task("z")))
    assert play.step("a[0]").inputs == {"n": 0}
    play.run("a[0]", output=1)
    assert play.step("a[1]").inputs == {"n": 1}
    *_, advanced, left = play.run("a[1]", output=2)
    assert isinstance(left, LoopAdvanced)
    assert (left.index, left.when, left.values) == (None, "vars.n < 2", {"vars.n": 2})
    assert advanced.TYPE == "task.completed.v1"
    assert play.step("loop").output == {}, "a set has no output"
    assert list(play.state.ready) == ["z"]


def test_while_may_read_the_iteration_before_and_its_own_number() -> None:
    condition = "iteration.index < 5 && steps.a.output != 'stop'"
    loop = WhileStep(id="loop", condition=condition, steps=(task("a"),))
    play = started(workflow(loop))
    play.run("a[0]", output="go")
    play.run("a[1]", output="stop")
    assert (play.state.status, play.state.output) == ("completed", "stop")


def test_a_while_that_never_begins_has_no_output() -> None:
    play = started(workflow(WhileStep(id="loop", condition="false", steps=(task("a"),))))
    assert (play.state.status, play.state.output) == ("completed", None)


def test_until_looks_after_each_iteration() -> None:
    loop = UntilStep(id="loop", condition="steps.a.output.done", steps=(task("a"),))
    play = started(workflow(loop))
    play.run("a[0]", output={"done": False})
    play.run("a[1]", output={"done": True})
    assert (play.state.status, play.state.output) == ("completed", {"done": True})
    play.check_replay()


def test_for_each_goes_through_its_list_in_order() -> None:
    steps = (task("a", inputs={"x": "${iteration.item.x}", "at": "${iteration.index}"}),)
    play = started(workflow(each("${ input }", *steps)), value=[{"x": 7}, {"x": 8}])
    assert play.step("a[0]").inputs == {"x": 7, "at": 0}
    play.run("a[0]", output="p")
    assert play.step("a[1]").inputs == {"x": 8, "at": 1}
    play.run("a[1]", output="q")
    assert play.state.output == ["p", "q"]
    assert play.step("each").loop is None


def test_no_items_no_iterations() -> None:
    play = started(workflow(each([])))
    assert (play.state.status, play.state.output) == ("completed", [])


def test_steps_read_the_same_iteration_and_what_is_outside() -> None:
    body = (task("a"), task("b", inputs={"x": "${steps.a.output}", "o": "${steps.o.output}"}))
    play = started(workflow(task("o"), each([1, 2], *body)))
    play.run("o", output="outer")
    for index in (0, 1):
        play.run(f"a[{index}]", output=index)
        assert play.step(f"b[{index}]").inputs == {"x": index, "o": "outer"}
        play.run(f"b[{index}]", output=-index)
    assert play.state.output == [0, -1]


def test_choices_and_branches_inside_are_instances_too() -> None:
    choice = d.ChoiceStep(
        id="route",
        cases=(d.Case(when="iteration.item > 1", steps=(task("big"),)),),
        default=(task("small"),),
    )
    play = started(workflow(each([1, 2], choice, parallel(x=task("x"), y=task("y")))))
    play.run("small[0]", "x[0]", "y[0]", "big[1]", "y[1]", "x[1]")
    assert play.state.status == "completed"
    assert play.step("big[0]").status == play.step("small[1]").status == "skipped"
    assert play.step("p[1]").status == "completed"
    assert not play.state.tokens


def test_a_loop_that_is_skipped_leaves_no_trace_of_its_inside() -> None:
    loop = each([1])
    play = started(workflow(d.ForEachStep(id="e", items=[1], steps=loop.steps, when="false")))
    assert {name: s.status for name, s in play.state.steps.items()} == {"e": "skipped"}


def test_waits_inside_are_instances_too() -> None:
    play = started(
        workflow(each([1, 2], WaitStep(id="nap", duration=5.0), WaitStep(id="go", signal="go")))
    )
    for index in (0, 1):
        assert play.timers() == {f"wait:nap[{index}]": 5.0}
        play.due(5.0)
        assert play.state.awaiting == {f"go[{index}]": "go"}
        play.signal("go", index)
    assert play.state.output == [0, 1]


# -- what goes wrong ------------------------------------------------------------------------------


def test_a_task_inside_is_retried_in_its_iteration() -> None:
    play = started(workflow(each([1, 2], task("a", retry=Retry(attempts_max=2, initial_s=1.0)))))
    play.run("a[0]")
    play.place("a[1]")
    play.fail("a[1]")
    assert play.timers() == {"retry:a[1]": 1.0}
    play.due(1.0)
    play.run("a[1]")
    assert (play.step("a[1]").attempt, play.step("a[0]").attempt) == (2, 1)
    assert play.state.status == "completed"


def test_a_handler_inside_belongs_to_its_iteration() -> None:
    mend = task("mend", inputs={"code": "${steps.a.error.code}"})
    play = started(workflow(each([1, 2], task("a", on_error=(Handler(steps=(mend,)),)))))
    play.place("a[0]")
    play.fail("a[0]", "boom")
    assert play.step("mend[0]").inputs == {"code": "boom"}
    play.run("mend[0]", "a[1]")
    assert play.state.status == "completed"


def test_a_failure_inside_ends_the_run_and_names_the_instance() -> None:
    play = started(workflow(each([1, 2])))
    play.run("a[0]")
    play.place("a[1]")
    play.fail("a[1]")
    assert (play.state.status, play.state.failed_step) == ("failed", "a[1]")
    assert play.step("each").status == "cancelled"


def test_more_iterations_than_allowed_are_an_error_with_a_code() -> None:
    loop = WhileStep(id="loop", condition="true", steps=(task("a"),), iterations_max=2)
    play = started(workflow(loop))
    play.run("a[0]", "a[1]")
    assert code(play) == "too_many_iterations"
    assert play.state.failed_step == "loop"


def test_a_handler_takes_the_error_of_a_loop() -> None:
    handler = Handler(codes=("too_many_iterations",), steps=(task("mend"),))
    loop = UntilStep(
        id="loop", condition="false", steps=(task("a"),), iterations_max=1, on_error=(handler,)
    )
    play = started(workflow(loop))
    play.run("a[0]", "mend")
    assert play.state.status == "completed"


def test_a_list_that_is_too_long_is_refused_before_anything_is_done() -> None:
    play = started(workflow(each([1, 2, 3], iterations_max=2)))
    assert code(play) == "too_many_iterations"


@pytest.mark.parametrize("value", [None, 3, {"a": 1}, "text"])
def test_what_is_no_list_cannot_be_gone_through(value: Value) -> None:
    play = started(workflow(each("${ input }")), value=value)
    assert code(play) == "expression_failed"
    assert play.state.failure is not None
    assert "expected a list" in play.state.failure.message


def test_a_condition_that_is_none_fails_the_loop() -> None:
    play = started(workflow(WhileStep(id="loop", condition="1 + 1", steps=(task("a"),))))
    assert code(play) == "expression_failed"


def test_outputs_are_bounded_together() -> None:
    play = started(workflow(each([1, 2, 3])), Setting(limits=Limits(payload_bytes_max=100)))
    play.run("a[0]", output="x" * 60)
    play.run("a[1]", output="x" * 60)
    assert code(play) == "payload_too_large"


@pytest.mark.edge("Limits.instances_max")
def test_a_run_has_only_so_many_steps() -> None:
    play = started(workflow(each(list(range(50)))), Setting(limits=Limits(instances_max=20)))
    for index in range(19):
        play.run(f"a[{index}]")
    assert code(play) == "too_many_instances"


def test_a_cancelled_loop_gives_its_attempt_back() -> None:
    play = started(workflow(each([1, 2])))
    play.run("a[0]")
    play.place("a[1]")
    play.cancel()
    play.give_back("a[1]")
    assert play.state.status == "cancelled"
    assert play.step("each").status == "cancelled"
    play.check_replay()


def test_a_loop_without_tasks_is_cut_off_and_goes_on_when_due() -> None:
    loop = WhileStep(id="loop", condition="vars.n < 900", steps=(COUNT,))
    play = started(workflow(ZERO, loop))
    assert len(play.facts) == FACTS_MAX
    assert (play.state.status, play.state.next_due_at) == ("running", play.now)
    assert len(play.due()) < FACTS_MAX
    assert (play.state.status, play.state.variables) == ("completed", {"n": 900})


def test_a_cut_off_loop_can_be_cancelled_and_paused() -> None:
    for steer, status in ((Play.cancel, "cancelled"), (Play.pause, "paused")):
        play = started(workflow(ZERO, WhileStep(id="loop", condition="true", steps=(COUNT,))))
        steer(play)
        assert play.state.status == status


def test_a_fork_inside_an_iteration_goes_on_there() -> None:
    play = started(workflow(each([1, 2, 3])))
    play.run("a[0]", output="p")
    play.place("a[1]")
    fork = Play(play.net, Setting(run_id="run-2"), play.expressions)
    fork.state, fork.base, fork.now = copy(play.state), copy(play.state), play.now
    fork.fork("run-2", play.state.version)
    fork.run("a[1]", "a[2]", output="q")
    assert fork.state.output == ["p", "q", "q"]
    fork.check_replay()


def test_the_facts_of_a_loop_are_one_an_iteration() -> None:
    play = started(workflow(each([1, 2])))
    play.run("a[0]", "a[1]")
    assert names(play.facts) == [
        "run.started",
        "loop.advanced",
        "task.dispatched",
        "task.completed",
        "loop.advanced",
        "task.dispatched",
        "task.completed",
        "loop.advanced",
        "run.completed",
    ]
