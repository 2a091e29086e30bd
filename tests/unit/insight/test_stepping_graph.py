"""A workflow as a graph of text."""

import pytest

from events import definition as d
from events.policies import Retry
from orchestrator.insight.stepping.graph import Graph, Line
from tests.builders import Play, index, parallel, started, task, workflow


def drawn(play: Play) -> list[str]:
    lines = of(play)
    return [f"{line.drawn} {line.status} {line.note}".rstrip() for line in lines]


def of(play: Play) -> list[Line]:
    return Graph(play.net.net).lines(play.state)


def test_one_step_after_the_other_is_one_column() -> None:
    play = started(workflow(task("a"), task("b")))
    play.place("a", node="north")
    assert drawn(play) == ["▶ a dispatched north", "· b"]


def test_branches_part_and_meet_and_a_token_waits_for_the_others() -> None:
    play = started(
        workflow(parallel(x=task("a"), y=(task("b"), task("c")), z=task("e")), task("f"))
    )
    play.run("a")
    play.place("b")
    assert drawn(play) == [
        "◇ p entered",
        "├─┬─╮",
        "✓ │ │ a completed",
        "│ ▶ │ b dispatched n1",
        "│ · │ c",
        "│ │ ○ e ready",
        "●─┴─╯",
        "· f",
    ]


def test_a_choice_shows_what_was_passed_by() -> None:
    case = d.Case(when="input > 3", steps=(task("large"),))
    definition = workflow(d.ChoiceStep(id="route", cases=(case,), default=(task("small"),)))
    assert drawn(started(definition, value=9)) == [
        "◇ route entered",
        "├─╮",
        "○ │ large ready",
        "│ ↷ small skipped",
        "├─╯",
    ]


def test_a_handler_is_a_branch_that_is_taken_when_the_step_fails() -> None:
    handler = d.Handler(steps=(task("mend"),))
    play = started(workflow(task("a", on_error=(handler,)), task("b")))
    play.place("a")
    play.fail("a", code="broken", retryable=False)
    assert drawn(play) == [
        "✗ a failed broken",
        "├─╮",
        "│ ○ mend ready",
        "├─╯",
        "· b",
    ]


def test_what_is_inside_a_loop_stands_further_in_with_its_iteration() -> None:
    loop = d.ForEachStep(id="each", items=[1, 2, 3], steps=(task("x"), task("y")))
    play = started(workflow(loop, task("last")))
    play.run("x[0]", "y[0]")
    assert drawn(play) == [
        "◇ each entered iteration 1",
        "│ ○ x ready [1], 2 instances",
        "│ ✓ y completed [0]",
        "· last",
    ]


def test_a_map_is_one_step_that_counts() -> None:
    play = started(workflow(d.MapStep(id="m", items=[1, 2, 3], task="t")))
    play.run("m[0]")
    assert drawn(play) == ["◇ m entered 1 of 3 over, 2 under way"]


def test_a_retry_says_which_attempt_and_why() -> None:
    play = started(workflow(task("a", retry=Retry(attempts_max=3))))
    play.place("a")
    play.fail("a", code="busy")
    assert drawn(play) == ["↻ a retrying busy"]
    play.due(3600)
    play.place("a")
    assert drawn(play) == ["▶ a dispatched n1, attempt 2"]


@pytest.mark.parametrize("width", [3, 12, 60])
def test_wide_nets_keep_every_step_in_a_column_of_its_own(width: int) -> None:
    branches = {f"b{number}": task(f"t{number}") for number in range(width)}
    net = index(workflow(parallel(**branches), task("last"))).net
    rows = Graph(net).rows
    steps = [row for row in rows if row.kind == "step" and row.step.startswith("t")]
    assert [row.at for row in steps] == list(range(width))
    assert [row.kind for row in rows if row.kind != "step"] == ["part", "meet"]
    assert rows[-1].at == 0, "what follows is in the first column again"
