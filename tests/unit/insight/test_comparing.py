"""Where two runs part, and what that comes from."""

import pytest

from events import definition as d
from events.limits import CAUSES_MAX, COMPARED_CHANGES_MAX
from events.values import Value
from orchestrator.adapters.cel import CelExpressions
from orchestrator.insight.comparing.blaming import GIVEN, OTHER_INPUTS, SAME_INPUTS, Cause
from orchestrator.insight.comparing.runs import Comparison, compare
from orchestrator.insight.comparing.told import name_of
from orchestrator.replay.recording import Recording
from tests.builders import Play, Setting, parallel, started, task, workflow
from tests.recordings import forked, recorded

SUM = workflow(
    parallel(left=task("a", inputs={"n": "${ input.n }"}), right=task("b")),
    d.SetStep(id="keep", variables={"a": "${ steps.a.output.total }"}),
    task("sum", inputs={"a": "${ vars.a }", "b": "${ steps.b.output }"}),
    task("check", inputs={"sum": "${ steps.sum.output }"}),
    output="${ steps.sum.output }",
)


def played(n: int = 1, a: int = 10, b: int = 5, right_first: bool = False) -> Play:
    """The total of both, which is checked to be below 100."""
    play = started(SUM, value={"n": n})
    play.place_all()
    for step in ("b", "a") if right_first else ("a", "b"):
        play.complete(step, {"total": a} if step == "a" else b)
    play.run("sum", output=a + b)
    play.place("check")
    if a + b < 100:
        play.complete("check", "right")
    else:
        play.fail("check", code="too_much", retryable=False)
    return play


def against(a: Play | Recording, b: Play | Recording) -> Comparison:
    sides = [recorded(one) if isinstance(one, Play) else one for one in (a, b)]
    return compare(sides[0], sides[1], CelExpressions())


def lines(cause: Cause | None, depth: int = 0) -> list[str]:
    if cause is None:
        return []
    note = f" ({cause.note})" if cause.note else ""
    inner = [line for one in cause.causes for line in lines(one, depth + 1)]
    return [f"{'  ' * depth}{cause.what} {cause.a} {cause.b}{note}", *inner]


def test_runs_that_say_the_same_are_the_same_however_their_branches_overtook_each_other() -> None:
    found = against(played(), played(right_first=True))
    assert found.same
    assert (found.first, found.cause) == (None, None)


def test_a_result_is_followed_back_to_the_input() -> None:
    found = against(played(), played(n=2, a=200))
    assert found.first is not None
    assert found.then is not None
    assert (name_of(found.first.key), name_of(found.then.key)) == ("input", "steps.a.output")
    assert [name_of(one.key) for one in found.path] == ["check", "the run"]
    failed: Value = {"status": "failed", "code": "too_much"}
    assert lines(found.cause) == [
        f"check {{'status': 'completed'}} {failed}",
        "  steps.sum.output 15 205",
        "    vars.a 10 200",
        "      steps.a.output.total 10 200",
        f"        input.n 1 2 ({GIVEN})",
    ]


def test_what_reads_nothing_else_is_the_origin() -> None:
    found = against(played(), played(b=300, right_first=True))
    assert lines(found.cause)[1:] == [
        "  steps.sum.output 15 310",
        f"    steps.b.output 5 300 ({SAME_INPUTS})",
    ]
    assert found.first is not None
    assert name_of(found.first.key) == "steps.b.output"
    assert found.first.a is not None
    assert found.first.b is not None
    assert (found.first.a.version, found.first.b.version) == (5, 4)


def test_on_one_path_the_result_is_what_is_explained() -> None:
    found = against(played(), played(a=11))
    assert found.path == ()
    assert [name_of(one.key) for one in found.data if one.key.kind != "inputs"] == [
        "steps.a.output",
        "vars.a",
        "steps.sum.output",
        "output",
    ]
    assert lines(found.cause)[:2] == ["output 15 16", "  steps.sum.output 15 16"]


CHOICE = workflow(
    task("look"),
    d.ChoiceStep(
        id="route",
        cases=(d.Case(when="steps.look.output > 3", steps=(task("large"),)),),
        default=(task("small"),),
    ),
)


def test_a_branch_is_taken_because_of_what_its_condition_read() -> None:
    plays = []
    for value in (1, 7):
        play = started(CHOICE)
        play.run("look", output=value)
        plays.append(play.finish())
    found = against(*plays)
    assert lines(found.cause) == [
        "route small large",
        f"  steps.look.output 1 7 ({SAME_INPUTS})",
    ]
    shown = [(name_of(one.key), one.how, one.key.kind) for one in found.path]
    assert shown == [
        ("route", "both", "choice"),
        ("small", "only_a", "outcome"),
        ("large", "only_b", "outcome"),
    ]


def test_what_an_open_run_has_not_come_to_yet_is_no_difference() -> None:
    play = started(SUM, value={"n": 1})
    play.run("a", output={"total": 10})
    assert against(played(), play).same
    assert against(play, played()).same


def test_iterations_part_by_what_was_read_before_each() -> None:
    body = (d.SetStep(id="next", variables={"n": "${ vars.n + input.step }"}),)
    loop = d.WhileStep(id="loop", condition="vars.n < 4", steps=body)
    definition = workflow(d.SetStep(id="first", variables={"n": 0}), loop)
    plays = [started(definition, value={"step": step}).finish() for step in (1, 2)]
    found = against(*plays)
    first = found.path[0]
    assert (first.key.kind, first.key.number) == ("iteration", 2)
    told = lines(found.cause)
    assert told[0].startswith("loop 2 left")
    assert told[1].split()[0] == "vars.n"


def test_of_a_map_the_items_that_differ_are_named() -> None:
    definition = workflow(
        d.MapStep(id="m", items="${ input }", task="t", inputs={"x": "${ iteration.item }"}),
        task("last", inputs={"all": "${ steps.m.output }"}),
    )
    plays = []
    for second in (2, 9):
        play = started(definition, value=[1, second, 3])
        for number, item in enumerate((1, second, 3)):
            play.run(f"m[{number}]", output=item * 10)
        play.run("last", output="done" if second == 9 else "Done")
        plays.append(play)
    found = against(*plays)
    told = lines(found.cause)
    assert told[0] == "output Done done"
    assert f"      input [1, 2, 3] [1, 9, 3] ({GIVEN})" in told
    assert any(line.strip().startswith("steps.m[1].output 20 90") for line in told)


def test_a_definition_that_was_changed_is_blamed() -> None:
    old = workflow(task("a"), task("b", inputs={"x": "${ steps.a.output }"}))
    new = workflow(task("a"), task("b", inputs={"x": "${ steps.a.output + 1 }"}))
    plays = []
    for definition, result in ((old, 1), (new, 2)):
        play = started(definition)
        play.run("a", output=1)
        play.run("b", output=result)
        plays.append(play)
    found = against(*plays)
    assert found.definition == ("b",)
    assert lines(found.cause) == [
        "output 1 2",
        "  steps.b.output 1 2 (the definition of b differs)",
    ]


def test_a_fork_differs_by_what_it_was_given() -> None:
    play = played(a=200)
    source = recorded(play)
    part = Recording("run-1", source.catalogue)
    for version in range(1, 4):
        part.take(source.stored(version))
    fork = forked(play, 3)
    found = against(source, recorded(fork, part))
    assert (found.shared_with, found.shared) == ("run-1", 3)


def test_other_inputs_whose_origin_is_unknown_are_said_to_be_that() -> None:
    definition = workflow(task("a", inputs={"id": "${ run.id }"}))
    first, second = started(definition), started(definition, Setting(run_id="run-2"))
    first.run("a", output=1)
    second.run("a", output=2)
    assert lines(against(first, second).cause)[-1] == f"  steps.a.output 1 2 ({OTHER_INPUTS})"


def test_an_operators_result_is_an_origin() -> None:
    first, second = played(), started(SUM, value={"n": 1})
    second.place_all()
    second.complete("b", 5)
    second.complete_for("a", {"total": 300})
    found = against(first, second)
    assert found.cause is not None
    assert lines(found.cause) == ["steps.a.output {'total': 10} {'total': 300} (given by user:op)"]


@pytest.mark.edge("COMPARED_CHANGES_MAX")
def test_of_very_many_changes_some_are_told() -> None:
    def with_list(value: int) -> Play:
        play = started(workflow(task("a")))
        play.run("a", output=[value] * (COMPARED_CHANGES_MAX + 5))
        return play

    found = against(with_list(1), with_list(2))
    assert all(len(one.changes) == COMPARED_CHANGES_MAX for one in found.data)
    assert all(one.more for one in found.data)


@pytest.mark.edge("CAUSES_MAX")
def test_a_difference_is_not_followed_for_ever() -> None:
    names = [f"v{number}" for number in range(CAUSES_MAX + 20)]
    steps = [
        d.SetStep(id=f"set_{name}", variables={name: f"${{ {source} }}"})
        for name, source in zip(names, ["input", *(f"vars.{one}" for one in names)], strict=False)
    ]
    definition = workflow(*steps, output=f"${{ vars.{names[-1]} }}")
    told = lines(against(*(started(definition, value=value) for value in (1, 2))).cause)
    assert len(told) == CAUSES_MAX
