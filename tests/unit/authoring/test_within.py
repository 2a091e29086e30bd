"""Groups with a limit of time, as they are written: nets, what may be read, mistakes, plans."""

import pytest

from events.definition import WithinStep
from events.net import Join, Within
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import Steps, Workflow, check, compile_net, read_yaml, steps
from orchestrator.authoring.plan import plan

HEAD = "workflow: w\nsteps:\n"
GROUP = """\
  - id: offer
    within: 90s
    steps: [{id: ask, task: t}, {id: weigh, task: t, with: {x: "${ steps.ask.output }"}}]
    on_error: [{codes: [within_timeout], steps: [{id: late, task: t}]}]
"""


def problems(text: str) -> str:
    authored = read_yaml(HEAD + text)
    report = check(authored.definition, CelExpressions(), places=authored.places)
    assert all(problem.place for problem in report.problems)
    return "\n".join(f"{problem.where}: {problem.message}" for problem in report.problems)


def test_a_group_leads_into_its_scope_and_out_of_it_by_a_join() -> None:
    net = compile_net(read_yaml(HEAD + GROUP).definition, CelExpressions())
    found = {step.id: (step.action, step.scope) for step in net.steps}

    assert found["offer"] == (Within(), "")
    assert found["offer/end"] == (Join(closes="offer"), "offer")
    assert [found[step][1] for step in ("ask", "weigh", "late", "offer/after")] == [
        "offer",
        "offer",
        "",
        "",
    ]
    assert [f"{arc.kind} {arc.id}" for arc in net.arcs if "offer" in arc.source] == [
        "normal offer>ask",
        "normal offer/end>offer/after",
        "error offer>late",
        "normal offer/after>/end",
    ]


def test_what_is_inside_can_be_read_behind_it() -> None:
    after = "  - {id: use, task: t, with: {x: '${ steps.weigh.output }'}}\n"

    assert problems(GROUP + after) == ""
    assert problems(GROUP + after.replace("weigh.output", "offer.error")) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  - {id: o, within: 5s, steps: []}\n", "steps[0].steps: no steps: a group needs"),
        (
            "  - {id: o, within: 0, steps: [{id: a, task: t}]}\n",
            "steps[0].within: 0 s: expected more than 0",
        ),
        (
            GROUP + "  - {id: use, task: t, with: {x: '${ steps.offer.output }'}}\n",
            "`offer` has no output: read its tasks, or set a variable",
        ),
        (
            GROUP.replace("steps.ask.output", "steps.offer.error"),
            "`offer` is not over while it does this",
        ),
        (
            GROUP + "  - {id: use, task: t, with: {x: '${ steps.late.output }'}}\n",
            "steps.late is in an error handler of `offer` that may not have run",
        ),
        (
            GROUP.replace(
                "{id: late, task: t}", "{id: late, task: t, with: {x: '${ A }'}}"
            ).replace("A", "steps.ask.output"),
            "steps.ask is in a branch of `offer` that does not run with this one",
        ),
    ],
)
def test_what_is_wrong_is_said_in_its_place(text: str, words: str) -> None:
    assert words in problems(text)


def test_the_plan_tells_the_limit() -> None:
    rows = plan(read_yaml(HEAD + GROUP).definition, CelExpressions())

    assert [row.what for row in rows] == [
        "all within 90 s",
        "in this time",
        "task t",
        "task t",
        "on error within_timeout",
        "task t",
    ]


def test_a_handler_of_several_steps_takes_the_limit_of_a_group_among_them() -> None:
    both: Steps = steps.task("a", "t").then(steps.task("b", "t"))
    flow = Workflow("w")
    flow.add(both.with_timeout("30s").on_error(steps.task("sorry", "t"), "within_timeout"))
    definition = flow.definition()
    (group,) = (step for step in definition.steps if isinstance(step, WithinStep))

    assert check(definition, CelExpressions()).problems == ()
    assert [handler.codes for handler in group.on_error] == [("within_timeout",)]
