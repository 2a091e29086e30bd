"""Loops as authors write them: read, built, checked, compiled, written again."""

import pytest

from events.definition import ForEachStep, Handler, SetStep, TaskStep, UntilStep, WhileStep
from events.net import Loop, Scope
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Workflow, check, compile_net, dump, read_yaml

HEAD = "workflow: w\nsteps:\n"
TEXT = HEAD + (
    "  - {id: zero, set: {n: 0}}\n"
    "  - id: poll\n"
    "    while: vars.n < 3\n"
    "    max: 9\n"
    "    steps:\n"
    "      - {id: a, task: t, with: {i: '${ iteration.index }', z: '${ input.z }'}}\n"
    "      - {id: up, set: {n: '${ vars.n + 1 }'}}\n"
    "    on_error: [{codes: [too_many_iterations], steps: [{id: h, set: {late: true}}]}]\n"
    "  - id: again\n"
    "    until: steps.b.output.ok\n"
    "    steps: [{id: b, task: t}]\n"
    "  - id: each\n"
    "    for_each: ${ steps.again.output.list }\n"
    "    steps: [{id: c, task: t, with: {x: '${ iteration.item.x }'}}]\n"
    "output: ${ steps.each.output }\n"
)
STEPS = (
    SetStep(id="zero", variables={"n": 0}),
    WhileStep(
        id="poll",
        condition="vars.n < 3",
        iterations_max=9,
        steps=(
            TaskStep(id="a", task="t", inputs={"i": "${ iteration.index }", "z": "${ input.z }"}),
            SetStep(id="up", variables={"n": "${ vars.n + 1 }"}),
        ),
        on_error=(
            Handler(
                codes=("too_many_iterations",),
                steps=(SetStep(id="h", variables={"late": True}),),
            ),
        ),
    ),
    UntilStep(id="again", condition="steps.b.output.ok", steps=(TaskStep(id="b", task="t"),)),
    ForEachStep(
        id="each",
        items="${ steps.again.output.list }",
        steps=(TaskStep(id="c", task="t", inputs={"x": "${ iteration.item.x }"}),),
    ),
)


def test_every_form_of_a_loop_is_read_and_written_again() -> None:
    definition = read_yaml(TEXT).definition
    assert definition.steps == STEPS
    assert read_yaml(dump(definition)).definition == definition
    assert check(definition, CelExpressions()).problems == ()


def test_the_builder_says_the_same() -> None:
    flow = Workflow("w")
    flow.set("zero", n=0)
    poll = flow.repeat_while("poll", flow.vars.n < 3, most=9)
    with poll.body():
        flow.task("a", "t", i=poll.index, z=flow.input.z)
        flow.set("up", n=flow.vars.n + 1)
    with poll.on_error("too_many_iterations"):
        flow.set("h", late=True)
    again = flow.repeat_until("again")
    with again.body():
        found = flow.task("b", "t")
    again.until(found.output.ok)
    each = flow.for_each("each", again.output.list)
    with each.body():
        flow.task("c", "t", x=each.item.x)
    flow.output(each.output)
    assert flow.definition() == read_yaml(TEXT).definition


def test_the_body_of_a_loop_is_a_scope_that_repeats() -> None:
    net = compile_net(read_yaml(TEXT).definition, CelExpressions())
    assert net.scopes == (
        Scope(id=""),
        Scope(id="poll", parent="", repeats=True),
        Scope(id="again", parent="", repeats=True),
        Scope(id="each", parent="", repeats=True),
    )
    steps = {step.id: step for step in net.steps}
    assert steps["again"].action == Loop(
        kind="until", when="steps.b.output.ok", iterations_max=1000, sinks=("b",)
    )
    assert {step.id for step in net.steps if step.scope == "poll"} == {
        "poll/start",
        "a",
        "up",
        "poll/end",
    }
    inside = [arc.id for arc in net.arcs if steps[arc.source].scope == "poll"]
    assert inside == ["a>up", "poll/start>a", "up>poll/end"]
    crossing = [arc for arc in net.arcs if steps[arc.source].scope != steps[arc.target].scope]
    assert crossing == []


def problems(steps: str, rest: str = "") -> str:
    authored = read_yaml(HEAD + steps + rest)
    report = check(authored.definition, CelExpressions(), places=authored.places)
    assert all(problem.place for problem in report.problems)
    return "\n".join(f"{problem.where}: {problem.message}" for problem in report.problems)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("  - {id: l, while: 'true', steps: []}\n", "steps[0].steps: no steps: a loop needs"),
        ("  - {id: l, while: 'true', max: 0, steps: [{id: a, task: t}]}\n", "steps[0].max: 0 iter"),
        ("  - {id: l, while: 'true', max: 10001, steps: [{id: a, task: t}]}\n", "1 to 10000"),
        ("  - {id: l, for_each: 3, steps: [{id: a, task: t}]}\n", "for_each: expected a list"),
        ("  - {id: l, while: 'a b', steps: [{id: a, task: t}]}\n", "steps[0].while: "),
        (
            "  - {id: l, while: vars.n < 1, steps: [{id: a, set: {n: 1}}]}\n",
            "vars.n is set by `a` only, which does not come before",
        ),
        (
            "  - {id: l, while: iteration.item > 1, steps: [{id: a, task: t}]}\n",
            "`l` goes through no list",
        ),
        (
            "  - {id: a, task: t, with: {x: '${ iteration.index }'}}\n",
            "`iteration.index` is there only in what a while, until, for_each or map repeats",
        ),
        (
            "  - {id: l, for_each: '${ iteration.item }', steps: [{id: a, task: t}]}\n",
            "is there only in what a while, until, for_each or map repeats",
        ),
        (
            (
                "  - {id: l, for_each: [1], steps: [{id: a, task: t}]}\n"
                "  - {id: z, task: t, with: {x: '${ steps.a.output }'}}\n"
            ),
            "steps.a runs in every iteration of `l`: read steps.l.output",
        ),
        (
            (
                "  - {id: l, for_each: [1], steps: [{id: a, task: t, "
                "with: {x: '${ steps.l.output }'}}]}\n"
            ),
            "`l` is not over while it repeats this",
        ),
        (
            "  - {id: l, for_each: '${ steps.a.output }', steps: [{id: a, task: t}]}\n",
            "runs only after `l` has read this",
        ),
        (
            "  - {id: a, task: t, depends_on: [b]}\n  - {id: b, task: t}\n",
            "what is to repeat goes into while, until or for_each",
        ),
        ("  - {id: 'a[0]', task: t}\n", "the step's id 'a[0]' is not valid"),
    ],
)
def test_a_wrong_loop_is_refused_at_its_place(steps: str, words: str) -> None:
    assert words in problems(steps)


def test_an_output_cannot_read_inside_a_loop() -> None:
    steps = "  - {id: l, for_each: [1], steps: [{id: a, task: t}]}\n"
    assert "read steps.l.output" in problems(steps, "output: ${ steps.a.output }\n")


@pytest.mark.parametrize(
    "steps",
    [
        "  - {id: l, until: vars.n > 1, steps: [{id: a, set: {n: 1}}]}\n",
        "  - {id: l, while: steps.a.output != 1, steps: [{id: a, task: t}]}\n",
        (
            "  - id: l\n    for_each: [[1]]\n    steps:\n"
            "      - {id: m, for_each: '${ iteration.item }', steps: [{id: a, task: t}]}\n"
            "      - {id: z, task: t, with: {x: '${ steps.m.output }', y: '${ iteration.item }'}}\n"
        ),
    ],
)
def test_what_loops_may_read_is_accepted(steps: str) -> None:
    assert problems(steps) == ""
