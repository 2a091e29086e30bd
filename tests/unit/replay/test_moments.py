"""A moment says all that is so of a run at a version."""

import msgspec
import pytest

from events import definition as d
from events.policies import Retry
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.moments import Moment, TaskAt, moment_of
from tests.builders import NOW, Play, started, task, workflow
from tests.recordings import forked, recorded


def at(play: Play, version: int | None = None) -> Moment:
    cursor = Cursor(recorded(play))
    return moment_of(cursor.to(cursor.last if version is None else version))


def the_task(moment: Moment, name: str) -> TaskAt:
    return next(one for one in moment.tasks if one.name == name)


@pytest.fixture
def play() -> Play:
    steps = (
        d.SetStep(id="first", variables={"n": 1, "m": "x"}),
        task("a", inputs={"n": "${ vars.n }"}, retry=Retry(attempts_max=3, initial_s=5.0)),
        d.SetStep(id="second", variables={"n": "${ vars.n + 1 }"}),
        d.WaitStep(id="w", signal="go", timeout_s=60.0),
    )
    return started(workflow(*steps))


def test_before_the_first_event_nothing_is_so(play: Play) -> None:
    moment = at(play, 0)
    assert (moment.version, moment.status, moment.event) == (0, "pending", "")
    assert not moment.tasks


def test_it_is_json_and_back(play: Play) -> None:
    play.place("a")
    moment = at(play)
    assert msgspec.json.decode(msgspec.json.encode(moment), type=Moment) == moment


def test_each_variable_names_the_event_that_set_it(play: Play) -> None:
    play.run("a")
    moment = at(play)
    completed = play.state.version
    assert {name: (one.value, one.version) for name, one in moment.variables.items()} == {
        "n": (2, completed),
        "m": ("x", 1),
    }
    assert at(play, completed - 1).variables["n"].version == 1


def test_what_was_gone_back_behind_has_set_nothing(play: Play) -> None:
    play.place("a")
    early = play.state.version
    play.complete("a")
    play.restore(early)
    assert at(play).variables["n"].version == 1


def test_a_variable_of_a_fork_names_the_run_that_set_it(play: Play) -> None:
    source = recorded(play)
    fork = forked(play, play.state.version)
    found = moment_of(Cursor(recorded(fork, source)).to(1)).variables["m"]
    assert (found.version, found.run_id) == (1, "run-1")


def test_a_task_has_all_its_attempts(play: Play) -> None:
    play.place("a", node="n1")
    play.fail("a", code="boom")
    play.due(5.0)
    play.place("a", node="n2")
    one = the_task(at(play), "a")

    assert one.task == "work"
    assert one.inputs == {"n": 1}
    assert [(t.number, t.node, t.outcome) for t in one.attempts] == [
        (1, "n1", "failed"),
        (2, "n2", ""),
    ]
    assert one.attempts[0].failure is not None
    assert one.attempts[0].failure.code == "boom"
    play.complete("a")
    assert the_task(at(play), "a").attempts[1].outcome == "completed"


def test_who_has_a_task_and_what_it_is_to_do(play: Play) -> None:
    play.place("a", node="n1")
    moment = at(play)
    assert [(one.step, one.node, one.attempt) for one in moment.leases] == [("a", "n1", 1)]
    assert [(one.kind, one.node) for one in moment.commands] == [("execute", "n1")]
    assert [(one.kind, one.name) for one in moment.waits] == [("node", "n1")]
    play.cancel("enough")
    assert [(one.kind, one.code) for one in at(play).commands] == [("cancel", "cancelled")]


def test_what_it_waits_for_and_until_when(play: Play) -> None:
    play.run("a")
    moment = at(play)
    assert moment.status == "waiting"
    due_at = NOW + 60_000_000
    assert [(w.kind, w.step, w.name, w.due_at) for w in moment.waits] == [
        ("signal", "w", "go", due_at)
    ]
    assert [(one.what, one.step, one.due_at) for one in moment.timers] == [("wait", "w", due_at)]


def test_a_signal_is_there_until_it_is_taken(play: Play) -> None:
    play.signal("go", {"by": "me"}, "id-1")
    assert [(one.id, one.data) for one in at(play).signals] == [("id-1", {"by": "me"})]
    play.run("a")
    assert at(play).signals == ()


def test_tokens_are_on_arcs_between_steps() -> None:
    play = started(
        workflow(d.ParallelStep(id="p", branches={"a": (task("x"),), "b": (task("y"),)}))
    )
    play.run("x")
    marking = at(play).marking
    assert [(one.source, one.count, one.scope) for one in marking] == [("x", 1, "")]
    assert marking[0].target


def test_a_map_says_how_far_it_is() -> None:
    play = started(workflow(d.MapStep(id="m", items=[1, 2, 3], task="work", concurrency=2)))
    play.run("m[0]")
    moment = at(play)
    found = next(one for one in moment.steps if one.name == "m")
    assert found.map is not None
    assert (found.map.count, found.map.begun, found.map.completed) == (3, 3, 1)
    assert [one.name for one in moment.tasks] == ["m[1]", "m[2]"]
    assert the_task(moment, "m[2]").task == "work"
