"""Steps as values: what combining refuses, names, and errors that reach their handlers."""

import pytest

from events.definition import Definition, SetStep, Step, WithinStep
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import InvalidDefinition, Steps, Workflow, check, read_yaml, steps
from orchestrator.authoring.walk import spots
from tests.builders import started

A, B, C = (steps.task(id_, "work") for id_ in ("a", "b", "c"))


def defined(*expressions: Steps) -> Definition:
    flow = Workflow("w")
    for expression in expressions:
        flow.add(expression)
    return flow.definition()


def list_of(text: str) -> tuple[Step, ...]:
    return read_yaml(f"workflow: w\nsteps: {text}").definition.steps


def test_combining_leaves_what_is_combined_as_it_is() -> None:
    before = defined(A)
    A.then(B).par_with(C).on_error(B).repeat_while("true")
    A.retry(3).when("true").with_timeout("5m").on_error(C)

    assert defined(A) == before


def test_equal_expressions_may_be_written_in_different_lines() -> None:
    one = steps.task("a", "work").then(B)
    other = steps.task("a", "work").then(B)

    assert one == other
    assert one.place != other.place
    assert one != B.then(steps.task("a", "work"))


@pytest.mark.parametrize("twice", [A.then(A), A.par_with(A), A.then(B).par_with(A.then(C))])
def test_a_step_in_two_places_is_refused(twice: Steps) -> None:
    """It would run twice: so neither `a.par_with(a)` nor distributing `a` is a law."""
    (problem,) = check(defined(twice), CelExpressions()).problems

    assert problem.code == "duplicate_id"
    assert "id `a` twice" in problem.message


def test_steps_are_mixed_with_those_of_the_builder() -> None:
    flow = Workflow("w")
    first = flow.task("first", "work")
    both = flow.parallel("both")
    with both.branch("one"):
        flow.add(A.then(B))
        flow.task("last", "work", value=A.output)
    with both.branch("two"):
        flow.add(steps.task("other", "work", value=first.output).retry(2))

    assert flow.definition().steps == list_of("""
  - {id: first, task: work}
  - id: both
    parallel:
      one:
        - {id: a, task: work}
        - {id: b, task: work}
        - {id: last, task: work, with: {value: "${ steps.a.output }"}}
      two: [{id: other, task: work, with: {value: "${ steps.first.output }"}, retry: {attempts: 2}}]
""")


def test_names_are_those_of_the_first_step_or_given() -> None:
    made = defined(
        A.par_with(B).repeat_while("false").when("true", C).par_with(steps.sleep("s", 1))
    )
    named = defined(A.par_with(B).named("both").repeat_while("false").named("again"))

    assert [step.id for step in made.steps] == ["a-parallel-while-choice-parallel"]
    assert [step.id for step in named.steps] == ["again"]
    assert A.for_each([1]).output is not None
    assert str(A.for_each([1]).named("each").output) == "${ steps.each.output }"


@pytest.mark.parametrize("unnamed", [A, A.then(B), A.then(B).on_error(C), steps.nothing])
def test_what_has_names_already_cannot_be_named(unnamed: Steps) -> None:
    with pytest.raises(InvalidDefinition, match="cannot be named x: only") as refused:
        unnamed.named("x")

    assert refused.value.problems[0].place is not None


def test_a_named_parallel_stays_a_step_of_its_own() -> None:
    both = A.par_with(B)

    assert both.par_with(C) == A.par_with(B, C)
    assert defined(steps.together(both, C)) == defined(A.par_with(B, C))
    assert defined(steps.parallel("two", x=A, y=B).par_with(C)).steps == list_of("""
  - id: two-parallel
    parallel:
      two: [{id: two, parallel: {x: [{id: a, task: work}], y: [{id: b, task: work}]}}]
      c: [{id: c, task: work}]
""")


def test_conditions_add_up() -> None:
    assert defined(A.when("input.x").when("input.y")).steps == list_of(
        "[{id: a, task: work, when: (input.y) && (input.x)}]"
    )


@pytest.mark.parametrize(
    "timed", [A.with_timeout("5m").with_timeout(60), A.with_timeout(60).with_timeout("5m")]
)
def test_the_shortest_timeout_counts(timed: Steps) -> None:
    assert defined(timed).steps == list_of(
        "[{id: a, task: work, timeouts: {schedule_to_close: 60}}]"
    )


@pytest.mark.parametrize(
    "group",
    [
        *(A.then(B), A.par_with(B), A.when("true", B), A.for_each([1]), A.then(B).on_error(C)),
        *(steps.sleep("s", 5), steps.set("s", x=1), steps.map("m", "t", []), steps.call("x", "y")),
    ],
)
def test_a_timeout_of_what_has_no_time_of_its_own_is_that_of_a_group(group: Steps) -> None:
    (made,) = defined(group.with_timeout("5m").with_timeout("7m")).steps

    assert isinstance(made, WithinStep)
    assert made == WithinStep(
        id=f"{group.first}-within", timeout_s=300.0, steps=defined(group).steps
    )
    assert group.with_timeout("5m").with_timeout("7m") == group.with_timeout(300)
    assert steps.nothing.with_timeout("5m") == steps.nothing


def test_a_group_has_the_name_that_it_is_given() -> None:
    offer = A.then(B).with_timeout("5m").named("offer")

    assert [step.id for step in defined(offer).steps] == ["offer"]
    assert offer == A.then(B).with_timeout("9m").named("offer").with_timeout("5m")


def test_what_was_added_already_cannot_be_combined() -> None:
    flow = Workflow("w")
    added = flow.task("x", "work")

    with pytest.raises(TypeError, match=r"then takes steps as values, found TaskHandle: make them"):
        A.then(added)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"flow\.add takes steps as values, found str"):
        flow.add("a")  # type: ignore[arg-type]


def test_a_handler_is_told_the_error_of_several_steps() -> None:
    said = A.then(B).on_error(lambda error: steps.set("said", why=error.code), "gone")
    flow = Workflow("w")
    flow.add(steps.set("first", why=None).then(said))
    flow.output(flow.vars.why)
    play = started(flow.definition())
    play.run("a")
    play.place("b")
    play.fail("b", "gone", retryable=False)

    assert play.state.status == "completed"
    assert play.state.output == "gone"


def test_what_no_handler_takes_ends_the_run() -> None:
    play = started(defined(A.then(B).on_error(C, "gone")))
    play.place("a")
    play.fail("a", "odd", retryable=False)

    assert play.state.status == "failed"


def test_a_loop_that_goes_on_for_too_long_is_handled() -> None:
    flow = Workflow("w")
    flow.add(A.repeat_while("true", most=1).on_error(C, "too_many_iterations"))
    play = started(flow.definition())
    play.run("a[0]", "c")

    assert play.state.status == "completed"


def test_one_handler_can_surround_another() -> None:
    inner = A.then(B).on_error(C, "gone")
    outer = inner.then(steps.task("d", "work")).on_error(steps.task("e", "work"))
    play = started(defined(outer))
    play.place("a")
    play.fail("a", "gone", retryable=False)
    play.place("c")
    play.fail("c", "odd", retryable=False)
    play.run("e")

    assert play.state.status == "completed"
    assert play.step("d").status == "skipped"


def test_names_that_are_made_do_not_collide() -> None:
    """With `a`, `b`, `a-b` and `a-1` around them, as functions that make steps give such ids."""
    joined, numbered = (steps.task(id_, "work") for id_ in ("a-b", "a-1"))
    inner = numbered.then(steps.task("n", "work")).on_error(steps.nothing)
    both = inner.par_with(steps.task("m", "work"))
    whole = (
        A.then(B, both).on_error(C).then(joined.then(steps.sleep("s", 1)).on_error(steps.nothing))
    )

    assert check(defined(whole), CelExpressions()).problems == ()
    variables = [
        name
        for spot in spots(defined(whole))
        if isinstance(spot.step, SetStep) and spot.step.id.startswith("try-a")
        for name, value in spot.step.variables.items()
        if value is None
    ]
    assert len(variables) == len(set(variables)) == 5
