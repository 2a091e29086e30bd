"""A cursor that runs stands still where it is told to, in both directions."""

import pytest

from events import definition as d
from events.policies import Retry
from orchestrator.adapters.cel import CelExpressions
from orchestrator.kernel.expressions import ExpressionFailed, InvalidExpression
from orchestrator.replay.contents import evaluate
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.stops import OnError, OnStep, OnType, Stop, Together, condition
from tests.builders import Play, started, task, workflow
from tests.recordings import recorded

CEL = CelExpressions()


@pytest.fixture
def play() -> Play:
    body = (
        task("a", inputs={"n": "${ iteration.index }"}, retry=Retry(attempts_max=2)),
        d.SetStep(id="s", variables={"total": "${ iteration.index * 10 }"}),
    )
    play = started(workflow(d.ForEachStep(id="loop", items=[5, 6, 7, 8], steps=body), task("end")))
    for number in range(3):
        play.run(f"a[{number}]", output={"ok": number})
    play.place("a[3]")
    play.fail("a[3]", code="odd")
    play.due(60.0)
    play.place("a[3]")
    play.fail("a[3]", code="bad")
    return play


def hits(play: Play, *stops: Stop) -> list[int]:
    """All versions, found forwards; the same ones are found backwards."""
    cursor, found = Cursor(recorded(play)), list[int]()
    while (hit := cursor.run_to(stops)) is not None:
        assert hit.version == cursor.version
        found.append(hit.version)
    assert cursor.version == cursor.last
    cursor, back = Cursor(recorded(play)), list[int]()
    cursor.to(cursor.last)
    if first := [one for one in found if one == cursor.last]:
        back += first
    while (hit := cursor.run_to(stops, backwards=True)) is not None:
        back.append(hit.version)
    assert cursor.version == 0
    assert back[::-1] == found
    return found


def types(play: Play, versions: list[int]) -> list[str]:
    return [play.facts[version - 1].TYPE for version in versions]


def test_on_a_type_of_any_version_or_on_several(play: Play) -> None:
    assert types(play, hits(play, OnType("attempt.failed.v1"))) == ["attempt.failed.v1"]
    assert len(hits(play, OnType("task.dispatched"))) == 5
    assert set(types(play, hits(play, OnType("run.*")))) == {"run.started.v1", "run.failed.v1"}


def test_on_a_step_or_on_one_instance_of_it(play: Play) -> None:
    one = hits(play, OnStep("a[1]"))
    assert types(play, one) == ["loop.advanced.v1", "task.dispatched.v1", "task.completed.v1"]
    assert set(one) < set(hits(play, OnStep("a")))
    assert hits(play, OnStep("nowhere")) == []


def test_on_an_error_for_good_or_on_each_attempt(play: Play) -> None:
    assert types(play, hits(play, OnError())) == ["task.failed.v1", "run.failed.v1"]
    assert types(play, hits(play, OnError(attempts=True)))[0] == "attempt.failed.v1"
    assert types(play, hits(play, OnError("odd", attempts=True))) == ["attempt.failed.v1"]
    assert hits(play, OnError("odd")) == []
    assert len(hits(play, OnError(unhandled=True))) == 2


def test_a_condition_over_the_state_stops_where_it_becomes_true(play: Play) -> None:
    found = hits(play, condition("state.variables.total >= 10", CEL))
    assert len(found) == 1
    cursor = Cursor(recorded(play))
    assert cursor.to(found[0]).state.variables == {"total": 10}
    assert cursor.back().state.variables == {"total": 0}
    assert found == hits(play, condition("vars.total >= 10", CEL))


def test_a_condition_over_the_event_stops_at_each(play: Play) -> None:
    found = hits(
        play, condition('event.type == "task.completed.v1" && event.data.attempt > 0', CEL)
    )
    assert types(play, found) == ["task.completed.v1"] * 3
    assert len(hits(play, condition('event.step == "a[3]"', CEL))) > 3


def test_a_condition_over_what_changed(play: Play) -> None:
    found = hits(play, condition('"variables.total" in change.paths', CEL))
    assert [Cursor(recorded(play)).to(v).state.variables["total"] for v in found] == [0, 10, 20]
    assert hits(play, condition('change.after["variables.total"] == 20', CEL)) == found[2:]


def test_a_step_and_only_when_a_condition_holds(play: Play) -> None:
    both = Together((OnStep("a"), condition("vars.total == 20", CEL)))
    assert both.text == "step a and when vars.total == 20"
    assert hits(play, both) == [v for v in hits(play, OnStep("a")) if v >= 10]


def test_the_first_stop_that_holds_is_told(play: Play) -> None:
    hit = Cursor(recorded(play)).run_to((OnType("run.failed"), OnType("run.started")))
    assert hit is not None
    assert hit.stop == OnType("run.started")


def test_what_is_no_expression_is_refused_before_it_runs() -> None:
    with pytest.raises(InvalidExpression):
        condition("state.", CEL)


def test_a_watch_expression_sees_what_the_author_sees(play: Play) -> None:
    cursor = Cursor(recorded(play)).to(9)
    assert evaluate(cursor, "input", CEL) is None
    assert evaluate(cursor, "iteration.item", CEL, step="a[2]") == 7
    assert evaluate(cursor, "steps.a.output.ok", CEL, step="s[1]") == 1
    assert evaluate(cursor, "state.status", CEL) == "running"
    assert evaluate(cursor, 'state.steps["a[0]"].output.ok', CEL) == 0
    assert evaluate(cursor, "event.version + 1", CEL) == 10
    with pytest.raises(ExpressionFailed, match="nothing"):
        evaluate(cursor, "state.variables.nothing", CEL)
    with pytest.raises(ExpressionFailed, match="before the first event"):
        evaluate(cursor.to(0), "event.type", CEL)
