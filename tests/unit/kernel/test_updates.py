"""Updates that a workflow declares, and queries: accepted, refused, repeated, bounded."""

import msgspec
import pytest

from events.definition import ForEachStep, SetStep, Update, WaitStep, WhileStep
from events.errors import Rejected
from events.limits import Limits
from events.run_facts import UpdateAccepted
from events.values import Value
from orchestrator.kernel.updates import query
from tests.builders import Play, Setting, names, started, task, workflow

RAISE = Update(accept="update.limit > vars.limit", variables={"limit": "${ update.limit }"})
ZERO = SetStep(id="zero", variables={"limit": 1})


def updatable(*steps: object, limits: Limits = Limits(), **updates: Update) -> Play:
    definition = msgspec.structs.replace(
        workflow(ZERO, task("a"), task("b", inputs={"limit": "${ vars.limit }"})),
        updates=updates or {"raise": RAISE},
    )
    return started(definition, Setting(limits=limits), value={"x": 1})


def test_an_accepted_update_sets_variables_and_says_why() -> None:
    play = updatable()
    (accepted,) = play.update("raise", {"limit": 5}, "u1")
    assert accepted == UpdateAccepted(
        id="u1",
        name="raise",
        data={"limit": 5},
        when=RAISE.accept,
        values={"update.limit": 5, "vars.limit": 1},
        variables={"limit": 5},
    )
    play.run("a")
    assert play.step("b").inputs == {"limit": 5}
    play.check_replay()


def test_a_refused_update_changes_nothing() -> None:
    play = updatable()
    refused: list[tuple[Value, str]] = [
        ({"limit": 1}, "is false"),
        ({}, "`update` has no `limit`"),
        (None, "`update` has no `limit`: it is null"),
    ]
    for data, words in refused:
        with pytest.raises(Rejected, match=words):
            play.update("raise", data)
    assert play.state.version == 1


def test_the_same_update_again_changes_nothing() -> None:
    play = updatable()
    play.update("raise", {"limit": 5}, "u1")
    assert play.update("raise", {"limit": 9}, "u1") == []
    assert play.state.variables == {"limit": 5}


def test_an_unknown_update_is_refused_with_those_there_are() -> None:
    with pytest.raises(Rejected, match="has no update 'lower'; it has: raise"):
        updatable().update("lower")


def test_an_update_without_condition_is_always_accepted_while_the_run_is_open() -> None:
    play = updatable(note=Update(variables={"note": "${ update }"}))
    play.update("note", "first")
    play.place("a")
    play.pause()
    play.update("note", "second")
    assert play.state.variables["note"] == "second"
    play.cancel()
    with pytest.raises(Rejected, match="ending as cancelled: it cannot be updated"):
        play.update("note", "third")


def test_variables_that_an_update_sets_are_bounded() -> None:
    play = updatable(
        limits=Limits(payload_bytes_max=50),
        twice=Update(variables={"v": ["${ update }", "${ update }"]}),
    )
    with pytest.raises(Rejected, match="over the limit of 50"):
        play.update("twice", "x" * 40)


@pytest.mark.edge("Limits.update_ids_max")
def test_only_so_many_ids_are_remembered() -> None:
    play = updatable(limits=Limits(update_ids_max=2), note=Update(variables={"n": "${ update }"}))
    for number in range(4):
        play.update("note", number, f"u{number}")
    assert list(play.state.updates_seen) == ["u2", "u3"]
    play.check_replay()


def test_an_update_ends_a_loop_that_waits_for_it() -> None:
    loop = WhileStep(id="loop", condition="vars.go", steps=(WaitStep(id="nap", duration=60.0),))
    definition = msgspec.structs.replace(
        workflow(SetStep(id="s", variables={"go": True}), loop),
        updates={"stop": Update(variables={"go": False})},
    )
    play = started(definition)
    play.due(60.0)
    play.update("stop")
    assert names(play.due(60.0)) == ["wait.ended", "loop.advanced", "run.completed"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("vars.limit + input.x", 2),
        ("steps.a.output.n", 7),
        ("run.status", "running"),
        ("{'id': run.id, 'b': steps.b.output}", {"b": None, "id": "run-1"}),
    ],
)
def test_a_query_finds_what_the_run_knows(expression: str, value: Value) -> None:
    play = updatable()
    play.run("a", output={"n": 7})
    version = play.state.version
    assert query(play.state, play.net, expression, play.env()) == value
    assert play.state.version == version


@pytest.mark.parametrize(
    "expression", ["vars.", "vars.nope", "secret", "update", "iteration.index"]
)
def test_a_query_that_has_no_value_is_refused(expression: str) -> None:
    play = updatable()
    with pytest.raises(Rejected):
        query(play.state, play.net, expression, play.env())


def test_the_answer_of_a_query_is_bounded() -> None:
    play = started(workflow(ForEachStep(id="e", items=[], steps=(task("a"),))), value="x" * 200)
    env = msgspec.structs.replace(play.env(), limits=Limits(payload_bytes_max=100))
    with pytest.raises(Rejected, match="the answer has"):
        query(play.state, play.net, "input", env)
