"""The Python builder gives the same definitions as YAML."""

import pytest

from events.definition import Definition
from events.errors import InvalidValue
from events.policies import Retry, RunOptions
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import (
    InvalidDefinition,
    Term,
    Workflow,
    call,
    check,
    has,
    is_in,
    read_yaml,
    size,
)
from orchestrator.authoring.making import Condition

TEXT = """\
workflow: greet
description: says hello
options: {timeout: 10m, priority: 2}
steps:
  - id: fetch
    task: demo.fetch
    with: {url: "${ input.url }", parts: ["n ${ input.n + 1 }", {deep: "${ input.x }"}], n: 3}
    retry: {attempts: 3}
    timeouts: {start_to_close: 5m, heartbeat: 10}
    needs: {cpu: 1, memory: 1GiB}
    labels: {zone: a}
    on_error:
      - codes: [timeout]
        steps: [{id: sorry, set: {why: "${ steps.fetch.error.message }"}}]
      - steps: []
  - id: route
    choice:
      - when: (steps.fetch.output.size > 1000) && (!has(input.all))
        steps:
          - {id: shorten, task: demo.shorten, with: {text: "${ steps.fetch.output }"}}
      - default:
          - {id: keep, set: {text: "${ steps.fetch.output }"}}
  - id: both
    parallel:
      left: [{id: l, task: t}]
      right: [{id: r, task: t, when: input.x == "y"}]
    depends_on: [fetch]
  - {id: stop, fail: {code: bad, message: "of ${ run.id }"}, depends_on: []}
output: {text: "${ size(steps.r.output) * 2 }"}
"""


def built() -> Definition:
    flow = Workflow("greet", RunOptions(priority=2), description="says hello", timeout="10m")
    page = flow.task(
        "fetch",
        "demo.fetch",
        url=flow.input.url,
        parts=[f"n {flow.input.n + 1}", {"deep": flow.input.x}],
        n=3,
    )
    page.retry(3).timeouts("5m", heartbeat=10).needs(cpu=1, memory="1GiB").labels(zone="a")
    with page.on_error("timeout"):
        flow.set("sorry", why=page.error.message)
    with page.on_error():
        pass
    route = flow.choice("route")
    with route.case((page.output.size > 1000) & ~has(flow.input.all)):
        flow.task("shorten", "demo.shorten", text=page.output)
    with route.default():
        flow.set("keep", text=page.output)
    both = flow.parallel("both").after(page)
    with both.branch("left"):
        flow.task("l", "t")
    with both.branch("right"):
        right = flow.task("r", "t").when(flow.input.x == "y")
    flow.fail("stop", "bad", f"of {flow.run.id}").after()
    flow.output(text=size(right.output) * 2)
    return flow.definition()


def test_the_builder_and_yaml_give_the_same_definition() -> None:
    assert built() == read_yaml(TEXT).definition


def test_what_it_builds_is_accepted() -> None:
    assert check(built(), CelExpressions()).problems == ()


@pytest.mark.parametrize(
    ("term", "source"),
    [
        (Term("input").a.b, "input.a.b"),
        (Term("input")["a-b"]["c"][0], 'input["a-b"].c[0]'),
        (Term("input")["in"], 'input["in"]'),
        (Term("input")["_x"], 'input["_x"]'),
        (Term("input").a == None, "input.a == null"),  # noqa: E711
        (Term("input").a != "q\"'", 'input.a != "q\\"\'"'),
        (Term("input").a >= 1.0, "input.a >= 1.0"),
        (Term("input").a <= -5, "input.a <= -5"),
        (Term("input").a < Term("vars").b, "input.a < vars.b"),
        ((Term("input").a + 1) * 2, "(input.a + 1) * 2"),
        (2 * Term("input").a - 1, "(2 * input.a) - 1"),
        ("x" + Term("input").a, '"x" + input.a'),
        (10 - Term("input").a, "10 - input.a"),
        (10 / Term("input").a, "10 / input.a"),
        (Term("input").a / 2 % 3, "(input.a / 2) % 3"),
        (~(Term("input").a | Term("input").b), "!(input.a || input.b)"),
        ((Term("input").a + {}).b, "(input.a + {}).b"),
        (has(Term("input").a), "has(input.a)"),
        (size(Term("input").a + "x"), 'size(input.a + "x")'),
        (is_in("x", Term("input").a), '"x" in input.a'),
        (call("math.greatest", Term("input").a, 3), "math.greatest(input.a, 3)"),
    ],
)
def test_a_term_is_an_expression(term: Term, source: str) -> None:
    assert str(term) == f"${{ {source} }}"
    assert repr(term) == f"Term({source!r})"
    CelExpressions().paths(source)


def test_a_condition_may_be_text_or_a_term() -> None:
    conditions: list[Condition] = ["input.x > 1", Term("input").x > 1]
    steps = []
    for condition in conditions:
        flow = Workflow("w")
        flow.task("a", "t").when(condition)
        steps.append(flow.definition().steps)

    assert steps[0] == steps[1]


def test_a_term_is_no_truth_of_python() -> None:
    with pytest.raises(TypeError, match=r"use `&`, `\|` and `~`"):
        bool(Term("input").x > 1)


def test_a_term_cannot_be_iterated_over() -> None:
    with pytest.raises(TypeError):
        iter(Term("input"))


def test_a_private_name_is_no_field() -> None:
    with pytest.raises(AttributeError, match=r"write \['_x'\]"):
        _ = Term("input")._x


def test_the_output_may_be_one_value() -> None:
    flow = Workflow("w")
    first = flow.task("a", "t")
    flow.output(first.output)

    assert flow.definition().output == "${ steps.a.output }"


def test_a_branch_may_be_opened_again() -> None:
    flow = Workflow("w")
    both = flow.parallel("both")
    for id_ in ("a", "b"):
        with both.branch("one"):
            flow.task(id_, "t")

    assert (
        flow.definition()
        == read_yaml(
            "workflow: w\n"
            "steps: [{id: both, parallel: {one: [{id: a, task: t}, {id: b, task: t}]}}]"
        ).definition
    )


def test_a_retry_policy_can_be_given_in_full() -> None:
    flow = Workflow("w")
    flow.task("a", "t").retry(Retry(attempts_max=5, kind="fixed"))

    assert (
        flow.definition().steps[0]
        == read_yaml(
            "workflow: w\nsteps: [{id: a, task: t, retry: {attempts: 5, kind: fixed}}]"
        ).definition.steps[0]
    )


def test_a_retry_is_said_in_few_words() -> None:
    flow = Workflow("w")
    flow.task("a", "t").retry(5, initial="200ms", cap="1m", factor=3.0)
    said = "retry: {attempts: 5, initial: 200ms, cap: 1m, factor: 3}"

    assert (
        flow.definition().steps[0]
        == read_yaml(f"workflow: w\nsteps: [{{id: a, task: t, {said}}}]").definition.steps[0]
    )


def test_a_choice_without_default_is_refused() -> None:
    flow = Workflow("w")
    with flow.choice("route").case("true"):
        flow.task("a", "t")

    with pytest.raises(InvalidDefinition, match="choice `route` needs a default"):
        flow.definition()


def test_a_block_is_closed_also_by_an_error() -> None:
    flow = Workflow("w")
    route = flow.choice("route")
    with pytest.raises(KeyError), route.default():
        raise KeyError
    flow.task("a", "t")

    assert [step.id for step in flow.definition().steps] == ["route", "a"]


def test_values_that_are_no_json_are_refused_where_they_are_written() -> None:
    with pytest.raises(InvalidValue):
        Workflow("w").task("a", "t", x=object())
    with pytest.raises(InvalidValue):
        _ = Term("input").x > b"bytes"  # type: ignore[operator]


def test_a_wrong_duration_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="'soon' is no duration"):
        Workflow("w", timeout="soon")
