"""Where the values of a step come from."""

import pytest

from events import definition as d
from events.limits import CAUSES_MAX
from orchestrator.adapters.cel import CelExpressions
from orchestrator.insight.comparing.provenance import Origin, origins
from orchestrator.insight.comparing.told import tell
from tests.builders import Play, parallel, started, task, workflow
from tests.recordings import recorded

SUM = workflow(
    parallel(left=task("a", inputs={"n": "${ input.n }"}), right=task("b")),
    d.SetStep(id="keep", variables={"x": "${ steps.a.output.total + 1 }"}),
    task("sum", inputs={"a": "${ vars.x }", "b": "${ steps.b.output }", "c": 7}),
)


def played() -> Play:
    play = started(SUM, value={"n": 4})
    play.run("a", output={"total": 10})
    play.run("b", output=5)
    return play


def lines(found: Origin | None, depth: int = 0) -> list[str]:
    if found is None:
        return []
    note = f" ({found.note})" if found.note else ""
    inner = [line for one in found.origins for line in lines(one, depth + 1)]
    return [f"{'  ' * depth}{found.what} {found.value} @{found.version}{note}", *inner]


def traced(play: Play, step: str, at: int | None = None) -> list[str]:
    return lines(origins(tell(recorded(play), at), step, CelExpressions()))


def test_each_value_is_followed_to_the_input() -> None:
    assert traced(played(), "sum") == [
        "steps.sum.inputs {'a': 11, 'b': 5, 'c': 7} @5",
        "  vars.x 11 @5",
        "    steps.a.output.total 10 @3",
        "      input.n 4 @1",
        "  steps.b.output 5 @5",
    ]


def test_a_step_that_was_not_reached_was_given_nothing() -> None:
    assert traced(played(), "sum", at=3) == []


def test_a_choice_was_made_of_what_its_condition_read() -> None:
    case = d.Case(when="vars.n > 3", steps=(task("large"),))
    definition = workflow(
        d.SetStep(id="n", variables={"n": "${ input }"}),
        d.ChoiceStep(id="route", cases=(case,), default=()),
    )
    assert traced(started(definition, value=9), "route") == [
        "route large @1",
        "  vars.n 9 @1",
        "    input 9 @1",
    ]


def test_an_iteration_reads_its_own() -> None:
    inner = (
        task("x", inputs={"i": "${ iteration.item }"}),
        task("y", inputs={"x": "${ steps.x.output }"}),
    )
    play = started(workflow(d.ForEachStep(id="l", items=["a", "b"], steps=inner)))
    play.run("x[0]", output="A")
    play.run("y[0]")
    play.run("x[1]", output="B")
    assert traced(play, "y[1]")[1:] == [
        "  steps.x.output B @9",
        "    iteration.item b @1",
    ]


def test_what_an_operator_gave_is_said_to_be_that() -> None:
    play = started(SUM, value={"n": 4})
    play.run("a", output={"total": 10})
    play.complete_for("b", 5)
    assert traced(play, "sum")[-1] == "  steps.b.output 5 @4 (given by user:op)"


@pytest.mark.edge("CAUSES_MAX")
def test_values_are_not_followed_for_ever() -> None:
    names = [f"v{number}" for number in range(CAUSES_MAX + 20)]
    steps = [
        d.SetStep(id=f"set_{name}", variables={name: f"${{ {source} }}"})
        for name, source in zip(names, ["input", *(f"vars.{one}" for one in names)], strict=False)
    ]
    play = started(workflow(*steps, task("t", inputs={"x": f"${{ vars.{names[-1]} }}"})), value=1)
    assert len(traced(play, "t")) == CAUSES_MAX
