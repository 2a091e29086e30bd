"""The token game: sequence, dependencies, choice, parallel, set, fail; what has no value."""

import pytest

from events.definition import Case, ChoiceStep, FailStep, Handler, SetStep, Step
from events.facts import Choice
from events.limits import FACTS_MAX
from events.policies import RunOptions
from events.run_facts import RunFailed, RunStarted
from events.task_facts import TaskCompleted, TaskFailed
from events.values import Value
from tests.builders import Play, Setting, names, parallel, started, task, workflow

FINISH_OTHERS = Setting(options=RunOptions(error_policy="finish_others"))


def by_status(play: Play, status: str) -> set[str]:
    return {name for name, step in play.state.steps.items() if step.status == status}


# -- order ----------------------------------------------------------------------------------------


def test_steps_of_a_list_run_one_after_the_other() -> None:
    play = started(workflow(task("a"), task("b"), task("c")))
    seen = []
    while not play.state.terminal:
        (step,) = play.state.ready
        seen.append(step)
        play.run(step)
    assert seen == ["a", "b", "c"]


def test_a_task_starts_as_soon_as_what_it_depends_on_is_done() -> None:
    play = started(
        workflow(
            task("a"),
            task("b", depends_on=()),
            task("c", depends_on=("a",)),
            task("d", depends_on=("a", "b")),
        )
    )
    assert list(play.state.ready) == ["a", "b"]
    play.run("a")
    assert set(play.state.ready) == {"b", "c"}
    play.run("b")
    assert set(play.state.ready) == {"c", "d"}


def test_reading_an_output_is_depending_on_it() -> None:
    play = started(
        workflow(task("a"), task("b", depends_on=(), inputs={"x": "${steps.a.output.n}"}))
    )
    assert list(play.state.ready) == ["a"]
    play.run("a", output={"n": 5})
    assert play.step("b").inputs == {"x": 5}


def test_inputs_are_those_of_the_moment_and_never_evaluated_again() -> None:
    play = started(
        workflow(task("a", inputs={"n": "${input.n}", "run": "${run.id}"})), value={"n": 3}
    )
    play.place("a")
    play.lose("a")
    assert play.step("a").inputs == {"n": 3, "run": "run-1"}


# -- parallel -------------------------------------------------------------------------------------


def test_branches_run_side_by_side_and_the_step_ends_with_the_last() -> None:
    branches = {"l": (task("a"), task("b")), "r": (task("c"),), "empty": ()}
    play = started(workflow(parallel(**branches), task("z")))
    assert list(play.state.ready) == ["a", "c"]
    assert play.step("p").status == "entered"
    play.run("c")
    play.run("a")
    assert "z" not in play.state.ready
    play.run("b")
    assert play.step("p").status == "completed"
    assert list(play.state.ready) == ["z"]
    assert play.state.order == ["c", "a", "b", "p"]


@pytest.mark.parametrize(
    "order", [range(20), range(19, -1, -1), [*range(0, 20, 2), *range(1, 20, 2)]]
)
def test_a_join_waits_for_every_branch_whatever_their_order(order: range) -> None:
    branches = {f"b{k}": (task(f"t{k}"),) for k in range(20)}
    play = started(workflow(parallel(**branches)))
    play.place_all()
    for number in order:
        assert not play.state.terminal
        play.complete(f"t{number}")
    assert play.state.status == "completed"


# -- choice ---------------------------------------------------------------------------------------


def choosing(*conditions: str, default: tuple[Step, ...] = ()) -> ChoiceStep:
    cases = tuple(Case(when=when, steps=(task(f"t{k}"),)) for k, when in enumerate(conditions))
    return ChoiceStep(id="c", cases=cases, default=default)


def choice_of(play: Play) -> Choice:
    for fact in play.facts:
        if isinstance(fact, (RunStarted, TaskCompleted)) and fact.flow.choices:
            return fact.flow.choices[0]
    raise AssertionError("no choice was recorded")


@pytest.mark.parametrize(("n", "taken"), [(1, "t0"), (5, "t1"), (9, "d")])
def test_the_first_condition_that_holds_decides_else_the_default(n: int, taken: str) -> None:
    step = choosing("input.n < 3", "input.n < 6", default=(task("d"),))
    play = started(workflow(step, task("z")), value={"n": n})
    assert list(play.state.ready) == [taken]
    assert by_status(play, "skipped") == {"t0", "t1", "d"} - {taken}
    play.run(taken)
    assert play.step("c").status == "completed"
    play.run("z")
    assert play.state.status == "completed"


def test_a_choice_is_recorded_with_the_values_that_it_saw() -> None:
    step = choosing("input.n > 3", "input.m > 3 && input.n > 0")
    found = choice_of(started(workflow(step), value={"n": 1, "m": 4}))
    assert (found.step, found.when) == ("c", "input.m > 3 && input.n > 0")
    assert found.values == {"input.n": 1, "input.m": 4}


def test_the_default_is_recorded_without_a_condition() -> None:
    found = choice_of(started(workflow(choosing("input.n > 3")), value={"n": 1}))
    assert (found.when, found.arc) == ("", "c>c/end")


def test_a_choice_inside_a_choice_skips_all_that_lies_behind_the_other_arcs() -> None:
    inner = ChoiceStep(
        id="inner", cases=(Case(when="true", steps=(task("a"),)),), default=(task("b"),)
    )
    outer = ChoiceStep(
        id="outer", cases=(Case(when="input", steps=(inner,)),), default=(task("c"),)
    )
    play = started(workflow(outer), value=False)
    assert by_status(play, "skipped") == {"inner", "a", "b"}
    assert by_status(started(workflow(outer), value=True), "skipped") == {"b", "c"}


@pytest.mark.parametrize(("value", "ready"), [(True, "a"), (False, "b")])
def test_when_skips_a_step_and_not_what_follows(value: bool, ready: str) -> None:
    play = started(workflow(task("a", when="input"), task("b")), value=value)
    assert list(play.state.ready) == [ready]


def test_the_output_of_a_skipped_step_is_null() -> None:
    steps = (task("a", when="false"), task("b", inputs={"x": "${steps.a.output.y}"}))
    play = started(workflow(*steps))
    assert play.step("b").inputs == {"x": None}


# -- set ------------------------------------------------------------------------------------------


def test_set_reads_all_before_it_sets_any() -> None:
    play = started(
        workflow(
            SetStep(id="one", variables={"a": 1, "b": 2}),
            SetStep(id="two", variables={"a": "${vars.b}", "b": "${vars.a}"}),
            output={"a": "${vars.a}", "b": "${vars.b}"},
        )
    )
    assert play.state.output == {"a": 2, "b": 1}
    assert names(play.facts) == ["run.started", "run.completed"]


def test_a_text_with_expressions_is_a_text_and_a_single_one_keeps_its_type() -> None:
    play = started(
        workflow(
            SetStep(id="s", variables={"n": "${input.n}", "t": "n=${input.n}"}), output="${vars.t}"
        ),
        value={"n": 3},
    )
    assert play.state.variables == {"n": 3, "t": "n=3"}
    assert play.state.output == "n=3"


# -- fail -----------------------------------------------------------------------------------------


def test_a_fail_step_ends_the_run_with_its_code_and_message() -> None:
    step = FailStep(id="f", code="no_stock", message="only ${input.n} left")
    play = started(workflow(step), value={"n": 2})
    failed, ended = play.facts[1:]
    assert isinstance(failed, TaskFailed)
    assert isinstance(ended, RunFailed)
    assert (ended.failure.code, ended.failure.message, ended.step) == (
        "no_stock",
        "only 2 left",
        "f",
    )


def test_a_fail_step_beside_a_running_task_gives_that_back_first() -> None:
    branches = {"l": (task("a"),), "r": (task("b"), FailStep(id="f", code="x"))}
    play = started(workflow(parallel(**branches)))
    play.place_all()
    assert names(play.complete("b")) == ["task.completed", "task.failed", "run.closing"]
    assert names(play.give_back("a")) == ["task.cancelled", "run.failed"]


# -- what cannot be evaluated ---------------------------------------------------------------------


def test_an_input_without_a_value_fails_the_task_before_any_attempt() -> None:
    play = started(workflow(task("a"), task("b", inputs={"x": "${steps.a.output.nope}"})))
    completed, failed, ended = play.run("a", output={"yes": 1})
    assert isinstance(failed, TaskFailed)
    assert (failed.step, failed.attempt, failed.why) == ("b", 0, "the step could not act")
    assert failed.failure.code == "expression_failed"
    assert "nope" in failed.failure.message
    assert names([completed, ended]) == ["task.completed", "run.failed"]


def test_it_can_be_handled_like_any_other_failure() -> None:
    bad = task("b", inputs={"x": "${input.nope}"}, on_error=(Handler(steps=(task("mend"),)),))
    play = started(workflow(bad), value={})
    assert list(play.state.ready) == ["mend"]
    assert play.step("b").handled


@pytest.mark.parametrize(
    "when", ["input.nope > 3", "1 / 0 > 1", "input.n", "'text'", "input.n > 'x'"]
)
def test_a_condition_that_is_not_true_or_false_fails_the_choice(when: str) -> None:
    play = started(workflow(choosing(when)), value={"n": 1})
    assert names(play.facts) == ["run.started", "task.failed", "run.failed"]
    assert (play.state.failed_step, play.step("c").status) == ("c", "failed")


@pytest.mark.parametrize("setting", [Setting(), FINISH_OTHERS])
def test_two_steps_that_cannot_act_at_once_are_both_handled(setting: Setting) -> None:
    bad = {"inputs": {"x": "${input.nope}"}, "on_error": (Handler(),)}
    branches = {"l": (task("a", **bad),), "r": (task("b", **bad),)}
    play = started(workflow(parallel(**branches)), setting, {})
    assert play.state.status == "completed"
    assert by_status(play, "failed") == {"a", "b"}


def test_with_fail_fast_the_first_of_two_that_cannot_act_ends_the_run() -> None:
    bad = {"inputs": {"x": "${input.nope}"}}
    branches = {"l": (task("a", **bad),), "r": (task("b", **bad),)}
    play = started(workflow(parallel(**branches)), value={})
    assert (play.state.status, play.state.failed_step) == ("failed", "a")


def test_with_finish_others_both_fail() -> None:
    bad = {"inputs": {"x": "${input.nope}"}}
    branches = {"l": (task("a", **bad),), "r": (task("b", **bad),), "ok": (task("c"),)}
    play = started(workflow(parallel(**branches)), FINISH_OTHERS, {})
    assert play.state.status == "running"
    play.run("c")
    assert (play.state.status, play.state.failed_step) == ("failed", "a")
    assert by_status(play, "failed") == {"a", "b"}


def test_a_long_chain_of_handled_failures_is_decided_in_parts() -> None:
    """All facts of a decision are appended together, so there may not be any number of them."""
    count = FACTS_MAX + FACTS_MAX // 2
    bad = {"inputs": {"x": "${input.nope}"}, "on_error": (Handler(),)}
    play = started(workflow(*(task(f"t{k}", **bad) for k in range(count))), value={})
    assert len(play.facts) == FACTS_MAX
    assert play.state.next_due_at == play.now, "what is left must be asked for at once"
    rest = play.due()
    assert names(rest)[-1] == "run.completed"
    assert len(play.facts) == count + 2


def test_a_cut_off_decision_goes_on_with_any_end_and_can_be_cancelled() -> None:
    bad = {"inputs": {"x": "${input.nope}"}, "on_error": (Handler(),)}
    steps = [task(f"t{k}", **bad) for k in range(FACTS_MAX + 50)]
    play = started(workflow(*steps), value={})
    assert names(play.cancel()) == ["run.cancelled"]
    assert play.state.stuck == {}


# -- values that grow -----------------------------------------------------------------------------


def growing(value: Value, each: list[str], steps: int) -> Play:
    first = SetStep(id="s0", variables={"v0": value})
    others = [
        SetStep(id=f"s{k}", variables={f"v{k}": [one.format(k - 1) for one in each]})
        for k in range(1, steps)
    ]
    return started(workflow(first, *others))


def test_variables_that_double_with_every_step_are_stopped() -> None:
    play = growing("x" * 100, ["${{vars.v{0}}}"] * 2, 60)
    assert play.state.failure is not None
    assert play.state.failure.code == "payload_too_large"


def test_variables_that_nest_with_every_step_are_stopped() -> None:
    play = growing([], ["${{vars.v{0}}}"], 200)
    assert play.state.failure is not None
    assert play.state.failure.code == "payload_too_large"
    assert "nested deeper" in play.state.failure.message
    play.check_replay()


@pytest.mark.edge("FLOW_PAYLOADS_MAX")
@pytest.mark.parametrize(("count", "status"), [(16, "running"), (17, "failed")])
def test_one_large_value_for_many_tasks_is_stopped_before_the_event_is_too_large(
    count: int, status: str
) -> None:
    inputs = {"all": "${input}"}
    branches = {f"b{k}": (task(f"t{k}", inputs=inputs),) for k in range(count)}
    play = started(workflow(parallel(**branches)), value="x" * 500_000)
    assert play.state.status == status
    if play.state.failure is not None:
        assert play.state.failure.code == "payload_too_large"


def test_an_output_that_is_too_large_fails_the_run() -> None:
    twice: list[Value] = ["${input}", "${input}"]
    play = started(workflow(output=twice), value="x" * 600_000)
    assert play.state.failure is not None
    assert play.state.failure.code == "payload_too_large"


def test_a_task_s_output_that_is_too_large_fails_the_attempt_for_good() -> None:
    play = started(workflow(task("a")))
    assert names(play.run("a", output="x" * 1_100_000)) == ["task.failed", "run.failed"]
    assert play.state.failure is not None
    assert play.state.failure.code == "payload_too_large"
