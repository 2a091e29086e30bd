"""A run as a tree of what it has started."""

from events.definition import CallStep, Definition, ForEachStep, MapStep
from events.values import Value
from orchestrator.insight.run_view import run_view
from orchestrator.insight.tree import Twig, grow
from orchestrator.kernel import inputs as i
from tests.builders import Play, started, task, workflow


def grown(play: Play) -> Twig:
    facts = zip(play.facts, play.instants, strict=True)
    return grow(run_view(play.state, play.net.net), play.net.net, facts)


def drawn(twig: Twig, depth: int = 0) -> list[str]:
    inner = [line for one in twig.twigs for line in drawn(one, depth + 1)]
    return [f"{'  ' * depth}{twig.kind} {twig.name} {twig.status}", *inner]


def play_of(definition: Definition, value: Value = None) -> Play:
    return started(definition, value=value)


def test_steps_stand_in_the_iterations_of_their_loops() -> None:
    inner = ForEachStep(id="in", items=[1], steps=(task("x"),))
    outer = ForEachStep(id="out", items=[1, 2], steps=(inner, task("y")))
    play = play_of(workflow(outer)).finish()
    assert drawn(grown(play)) == [
        "run run-1 completed",
        "  for_each out completed",
        "    iteration [0] completed",
        "      for_each in completed",
        "        iteration [0] completed",
        "          task x completed",
        "      task y completed",
        "    iteration [1] completed",
        "      for_each in completed",
        "        iteration [0] completed",
        "          task x completed",
        "      task y completed",
    ]


def test_what_a_restore_went_back_behind_is_not_told_but_its_child_runs_are() -> None:
    play = play_of(
        workflow(MapStep(id="m", items=[1, 2], task="t"), CallStep(id="c", workflow="other"))
    )
    play.run("m[0]")
    back = play.state.version
    play.run("m[1]")
    child = play.state.calls["c"]
    play.restore(back)
    tree = grown(play)
    assert drawn(tree) == [
        "run run-1 running",
        "  map m entered",
        "    item [0] completed",
        "  restored to version 4 ",
    ]
    assert tree.twigs[1].note == "user:op: back"
    play.run("m[1]")
    runs = next(one for one in grown(play).twigs if one.name == "c").twigs
    assert [one.run_id for one in runs] == [child, play.state.calls["c"]]


def test_an_item_that_an_operator_has_dealt_with_is_over() -> None:
    play = play_of(workflow(MapStep(id="m", items=[1, 2], task="t")))
    play.skip("m[0]")
    assert drawn(grown(play))[2:] == ["    item [0] skipped"]


def test_an_iteration_under_way_has_begun_and_not_ended() -> None:
    play = play_of(workflow(ForEachStep(id="l", items=[1, 2], steps=(task("x"),))))
    play.wait(1.0).run("x[0]")
    (loop,) = grown(play).twigs
    first, second = loop.twigs
    assert (first.status, second.status) == ("completed", "running")
    assert first.ended_at == second.started_at
    assert second.ended_at is None


def test_items_of_a_map_are_told_by_their_events_also_when_they_are_over() -> None:
    definition = workflow(MapStep(id="m", items="${ input }", task="t", complete_when="collect"))
    play = play_of(definition, [1, 2, 3])
    play.run("m[0]")
    play.place("m[1]")
    play.fail("m[1]")
    play.place("m[2]")
    assert drawn(grown(play)) == [
        "run run-1 running",
        "  map m entered",
        "    item [0] completed",
        "    item [1] failed",
        "    item [2] dispatched",
    ]


def test_a_step_has_the_child_runs_of_all_its_tries() -> None:
    play = play_of(workflow(CallStep(id="c", workflow="child")))
    child = play.state.calls["c"]
    (step,) = grown(play).twigs
    assert [(one.kind, one.run_id, one.note) for one in step.twigs] == [
        ("run", child, "child, try 1")
    ]
    play.give(i.ChildEnded(step="c", run_id=child, status="completed", output=1))
    assert [one.run_id for one in grown(play).twigs[0].twigs] == [child]
