"""Going back to an earlier version, in the same run."""

import pytest

from events import definition as d
from events import messages as m
from events.errors import InvariantViolation, Rejected
from events.ids import child_run
from events.limits import Limits
from events.operator_facts import RunRestored
from events.policies import RunOptions, Timeouts
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.snapshot import restore as restored
from orchestrator.kernel.state import RunState
from tests.builders import NOW, RUN_ID, Play, Setting, parallel, started, task, workflow


def three() -> Play:
    """After a, b and with c dispatched; `back` is where b was dispatched."""
    play = started(workflow(task("a"), task("b"), task("c")))
    play.run("a", output=1)
    play.run("b", output=2)
    play.place("c")
    return play


def resumed(play: Play) -> Play:
    """The same run with its history, in other hands."""
    again = Play(play.net, play.setting, play.expressions)
    again.state, again.now = restored(play.states[-1]), play.now
    again.facts, again.instants = list(play.facts), list(play.instants)
    again.states = list(play.states)
    return again


def version_with(play: Play, step: str, status: str) -> int:
    """The first version at which a step has this status."""
    for version, data in enumerate(play.states, start=1):
        state = restored(data)
        if step in state.steps and state.steps[step].status == status:
            return version
    raise AssertionError(f"{step} never was {status}")


def test_the_state_is_that_of_the_version_and_the_run_goes_on_from_there() -> None:
    play = three()
    back = version_with(play, "b", "dispatched")
    (fact,) = play.restore(back)
    assert isinstance(fact, RunRestored)
    assert (fact.version, fact.at, fact.backup) == (back, back + 3, back + 2)
    assert {name: step.status for name, step in play.state.steps.items()} == {
        "a": "completed",
        "b": "ready",
    }
    assert play.step("a").output == 1
    assert not play.state.outstanding
    assert play.finish().state.status == "completed"
    play.check_replay()


def test_what_was_done_since_is_done_again_under_other_keys() -> None:
    play = three()
    keys = {play.attempt("b").task_key, play.attempt("c").task_key}
    play.restore(version_with(play, "b", "ready"))
    play.place("b")
    again = {play.attempt("b").task_key}
    play.complete("b")
    play.place("c")
    again.add(play.attempt("c").task_key)
    assert not keys & again
    assert play.step("a").generation == 0, "it is kept as it was"


def test_reports_from_before_change_nothing() -> None:
    play = three()
    late = m.Completed(attempt=play.attempt("c"), output=9)
    play.restore(version_with(play, "c", "ready"))
    assert play.report(late) == []
    play.place("c")
    assert play.report(late) == [], "although there is an attempt with this number again"


def test_a_restore_is_undone_by_going_back_to_what_it_has_kept() -> None:
    play = three()
    before = play.state.version
    play.restore(version_with(play, "a", "ready"))
    play.restore(before)
    assert {name: step.status for name, step in play.state.steps.items()} == {
        "a": "completed",
        "b": "completed",
        "c": "ready",
    }
    assert play.step("b").output == 2
    assert play.finish().state.status == "completed"
    play.check_replay()


def test_each_restore_begins_a_new_generation() -> None:
    play, found = three(), list[int]()
    for _ in range(3):
        play.restore(1)
        found.append(play.state.generation)
        play.place("a")
        assert play.attempt("a").generation == found[-1]
    assert found == [1, 2, 3]
    play.check_replay()


def test_the_same_request_again_is_the_same_restore() -> None:
    play = three()
    play.restore(1, action_id="x")
    assert play.restore(1, action_id="x") == []


def test_a_restored_run_has_its_timeouts_from_now_on() -> None:
    options = RunOptions(timeout_s=60.0, timeouts=Timeouts(schedule_to_start_s=10.0))
    play = started(workflow(task("a")), Setting(options=options))
    play.wait(50.0)
    play.restore(1)
    assert play.timers() == {"run": 60.0, "start:a": 10.0}


def test_a_wait_goes_on_for_as_long_as_it_still_had_to() -> None:
    play = started(workflow(d.WaitStep(id="t", duration=100), task("b")))
    play.wait(30.0)
    play.pause()
    play.resume()
    play.wait(20.0)
    play.restore(3)
    assert play.timers() == {"wait:t": 70.0}
    play.check_replay()


class TestWhatGoesOn:
    def test_signals_that_came_since_are_there_to_be_taken_again(self) -> None:
        play = started(
            workflow(
                d.WaitStep(id="one", signal="go"), d.WaitStep(id="two", signal="go"), task("b")
            )
        )
        play.signal("go", "first")
        play.restore(1)
        assert play.step("one").output == "first", "it was taken again at once"
        play.signal("go", "second")
        play.restore(1)
        assert set(play.state.ready) == {"b"}
        assert (play.step("one").output, play.step("two").output) == ("first", "second")
        play.check_replay()

    def test_signals_from_before_are_as_they_were(self) -> None:
        play = started(workflow(task("a"), d.WaitStep(id="one", signal="go"), task("b")))
        play.signal("go", "early", signal_id="s1")
        back = play.state.version
        play.run("a")
        assert not play.state.signals
        play.restore(back)
        assert list(play.state.signals) == ["s1"]
        assert play.signal("go", "early", signal_id="s1") == [], "it is known"
        play.run("a")
        assert play.step("one").output == "early"
        play.check_replay()

    def test_more_signals_than_a_run_may_keep_refuse_the_restore(self) -> None:
        setting = Setting(limits=Limits(signals_max=2))
        play = started(
            workflow(*(d.WaitStep(id=f"w{n}", signal="go") for n in range(3)), task("b")), setting
        )
        for _ in range(3):
            play.signal("go")
        with pytest.raises(Rejected, match="would have 3 signals"):
            play.restore(1)
        play.restore(3)
        assert list(play.state.ready) == ["b"]

    def test_updates_since_are_undone_and_named(self) -> None:
        definition = d.Definition(
            name="w",
            steps=(d.SetStep(id="s", variables={"n": 1}), task("a")),
            updates={"raise": d.Update(variables={"n": "${update}"})},
        )
        play = started(definition)
        back = play.state.version
        play.update("raise", 5, update_id="u1")
        (fact,) = play.restore(back)
        assert isinstance(fact, RunRestored)
        assert fact.undone == ("u1",)
        assert play.state.variables == {"n": 1}
        assert play.update("raise", 5, update_id="u1") == [], "it was accepted, and is not again"

    def test_a_paused_run_stays_paused(self) -> None:
        play = three()
        play.pause("a look first")
        play.restore(1)
        assert play.state.status == "paused"
        play.wait(40.0)
        play.resume()
        assert play.finish().state.status == "completed"
        play.check_replay()

    def test_a_run_that_was_paused_then_is_not_now(self) -> None:
        play = started(workflow(task("a"), task("b")))
        play.pause()
        back = play.state.version
        play.resume()
        play.run("a")
        play.restore(back)
        assert play.state.status == "running"
        play.check_replay()

    def test_the_build_that_an_operator_wants_stays(self) -> None:
        play = three()
        play.repin("b8")
        play.restore(1)
        assert play.state.build == "b8"


class TestStructure:
    def test_a_child_run_is_another_one(self) -> None:
        play = started(workflow(d.CallStep(id="call", workflow="other"), task("b")))
        first = play.state.calls["call"]
        play.restore(1)
        second = play.state.calls["call"]
        assert first != second == child_run(RUN_ID, "call", 1, 2)
        child = RunState(run_id=first, status="completed")
        assert play.end_child("call", child) == []
        child.run_id = second
        assert play.end_child("call", child)
        play.check_replay()

    def test_a_child_that_is_reached_after_the_restore_is_another_one(self) -> None:
        play = started(workflow(task("a"), d.CallStep(id="call", workflow="other")))
        play.run("a")
        first = play.state.calls["call"]
        play.restore(1)
        play.run("a")
        assert play.state.calls["call"] != first

    def test_items_of_a_map_that_were_over_then_stay_over(self) -> None:
        play = started(workflow(d.MapStep(id="m", items=[1, 2, 3], task="w")))
        play.run("m[0]", output="zero")
        back = play.state.version
        play.run("m[1]", output="one")
        play.place("m[2]")
        play.restore(back)
        assert set(play.state.ready) == {"m[1]", "m[2]"}
        assert {play.step(name).generation for name in play.state.ready} == {1}
        play.run("m[1]", "m[2]", output="again")
        assert play.state.output == ["zero", "again", "again"]
        play.check_replay()

    def test_a_loop_goes_on_from_its_iteration(self) -> None:
        play = started(
            workflow(d.ForEachStep(id="l", items=[1, 2, 3], steps=(task("a"),)), task("z"))
        )
        play.run("a[0]", output="zero")
        back = play.state.version
        play.run("a[1]", "a[2]")
        play.restore(back)
        assert set(play.state.ready) == {"a[1]"}
        assert play.finish().state.status == "completed"
        play.check_replay()

    def test_a_version_in_the_middle_of_a_decision_is_gone_on_from(self) -> None:
        """Every version of the history can be gone back to."""
        definition = workflow(
            task("a"),
            parallel(
                l=task("x"),
                r=d.MapStep(id="m", items=[1, 2], task="w"),
                w=d.ForEachStep(id="e", items=[1, 2], steps=(task("i"),)),
            ),
            task("z"),
        )
        play = started(definition)
        versions = 0
        while not play.state.terminal:
            at = play.state.version
            for version in range(versions + 1, at + 1):
                again = resumed(play)
                again.restore(version)
                assert again.finish().state.status == "completed", version
                again.check_replay()
            versions = at
            step = next(iter(play.state.ready))
            play.run(step)
        assert versions > 10


class TestRefusals:
    def test_a_run_that_has_ended_is_never_reopened(self) -> None:
        play = started(workflow(task("a")))
        play.run("a")
        with pytest.raises(Rejected, match="closed run is never reopened: it cannot be restored"):
            play.restore(1)

    def test_a_run_that_is_ending_is_left_to(self) -> None:
        play = three()
        play.cancel()
        with pytest.raises(Rejected, match="is ending as cancelled: it cannot be restored"):
            play.restore(1)

    def test_an_earlier_state_of_another_run_is_none(self) -> None:
        play = three()
        play.states[0] = play.states[0].replace(RUN_ID.encode(), b"run-2")
        with pytest.raises(Rejected, match="has no version 1"):
            play.restore(1)
        assert play.state.version == len(play.facts), "nothing has changed"

    def test_a_fold_that_does_not_go_back_first_is_found_out(self) -> None:
        play = three()
        (fact,) = play.restore(1)
        with pytest.raises(InvariantViolation, match="restored to version 1 and was folded on"):
            evolve(restored(play.states[-2]), fact, NOW)
