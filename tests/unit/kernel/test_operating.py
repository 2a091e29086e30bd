"""What operators do to a run: results for steps, moves, and the end."""

from collections.abc import Callable

import pytest

from events import definition as d
from events import messages as m
from events.errors import Rejected
from events.facts import Failure
from events.limits import ACTIONS_SHOWN_MAX, NAMES_SHOWN_MAX, Limits
from events.operator_facts import ResultGiven, TaskMoved
from events.policies import Retry, RunOptions, Timeouts
from events.task_facts import AttemptFailed, TaskCompleted
from orchestrator.kernel.commands import command
from orchestrator.kernel.state import RunState
from tests.builders import Play, Setting, names, parallel, started, task, workflow

AGAIN = Retry(kind="fixed", attempts_max=3, initial_s=5.0)
HANDLED = (d.Handler(steps=(task("mend", inputs={"why": "${steps.a.error.code}"}),)),)


def ready(play: Play) -> None:
    pass


def dispatched(play: Play) -> None:
    play.place("a")


def running(play: Play) -> None:
    play.place("a")
    play.report(m.Started(attempt=play.attempt("a"), started_at=play.now))


def retrying(play: Play) -> None:
    play.place("a")
    play.fail("a")


def recalled(play: Play) -> None:
    play.place("a")
    play.due(60.0)


def unplaced(play: Play) -> None:
    play.lose("a") if "a" in play.state.outstanding else None


STATES = [ready, dispatched, running, retrying, recalled, unplaced]
GIVE: dict[str, Callable[[Play], object]] = {
    "skipped": lambda play: play.skip("a", {"n": 7}),
    "completed": lambda play: play.complete_for("a", {"n": 7}),
}


def play_of(bring: Callable[[Play], None]) -> Play:
    first = task("a", retry=AGAIN, timeouts=Timeouts(schedule_to_start_s=30.0))
    play = started(workflow(first, task("b", inputs={"n": "${steps.a.output.n}"})))
    bring(play)
    return play


class TestResults:
    @pytest.mark.parametrize("status", GIVE)
    @pytest.mark.parametrize("bring", STATES)
    def test_the_flow_goes_on_with_the_output_whatever_the_task_was(
        self, bring: Callable[[Play], None], status: str
    ) -> None:
        play = play_of(bring)
        GIVE[status](play)
        assert (play.step("a").status, play.step("a").output) == (status, {"n": 7})
        assert set(play.state.ready) == {"b"}
        assert play.step("b").inputs == {"n": 7}
        assert not [key for key in play.state.timers if key.endswith(":a")]
        play.finish()
        assert play.state.status == "completed"
        play.check_replay()

    @pytest.mark.parametrize("bring", STATES)
    def test_a_failure_fails_the_run_without_another_attempt(
        self, bring: Callable[[Play], None]
    ) -> None:
        play = play_of(bring)
        play.fail_for("a", "lost_order")
        assert play.state.status == "failed"
        assert (play.state.failed_step, play.step("a").status) == ("a", "failed")
        assert play.state.failure == Failure(code="lost_order", message="so")
        play.check_replay()

    def test_a_failure_goes_along_an_error_arc_as_any_other(self) -> None:
        play = started(workflow(task("a", on_error=HANDLED), task("b")))
        play.place("a")
        (given,) = play.fail_for("a", "lost_order")
        assert isinstance(given, ResultGiven)
        assert given.handled
        assert play.step("mend").inputs == {"why": "lost_order"}
        assert play.finish().state.status == "completed"
        play.check_replay()

    def test_what_a_node_still_says_of_it_changes_nothing(self) -> None:
        play = play_of(dispatched)
        late = m.Completed(attempt=play.attempt("a"), output={"n": 1})
        play.skip("a", {"n": 7})
        assert play.report(late) == []
        assert play.step("a").output == {"n": 7}

    def test_a_result_for_what_a_node_has_is_of_a_new_generation(self) -> None:
        """The node may begin its attempt yet: its key is not the one that is completed."""
        play = play_of(dispatched)
        key = play.attempt("a").task_key
        play.complete_for("a", {"n": 7})
        assert play.step("a").generation == play.state.generation == 1
        assert play.attempt("a").task_key != key

    def test_a_result_for_what_nobody_has_stays_in_its_generation(self) -> None:
        play = play_of(retrying)
        play.complete_for("a", {"n": 7})
        assert play.step("a").generation == play.state.generation == 0

    def test_a_step_that_is_skipped_without_output_has_none_like_one_passed_by(self) -> None:
        play = started(
            workflow(task("a"), task("b", inputs={"n": "${steps.a.output.n}"}), task("c"), name="w")
        )
        play.skip("a")
        assert play.step("b").inputs == {"n": None}

    def test_a_wait_for_a_signal_or_a_timer_is_over_with_a_result(self) -> None:
        play = started(
            workflow(parallel(l=d.WaitStep(id="go", signal="go"), r=d.WaitStep(id="t", duration=9)))
        )
        play.complete_for("go", {"by": "Ada"})
        play.skip("t")
        assert play.state.status == "completed"
        assert play.step("go").output == {"by": "Ada"}
        play.check_replay()

    def test_a_child_run_is_not_the_steps_any_more(self) -> None:
        play = started(workflow(d.CallStep(id="call", workflow="other"), task("b")))
        child = play.state.calls["call"]
        play.complete_for("call", 3)
        assert not play.state.calls
        assert set(play.state.ready) == {"b"}
        ended = m.Completed(attempt=play.attempt("b"))
        assert child
        assert play.report(ended) == []
        play.check_replay()

    def test_an_item_of_a_map_counts_as_any_other(self) -> None:
        play = started(workflow(d.MapStep(id="each", items=[1, 2, 3], task="work")))
        play.skip("each[0]", "zero")
        play.place("each[1]")
        play.complete_for("each[1]", "one")
        play.fail_for("each[2]", "boom")
        assert play.state.status == "failed"
        assert play.step("each").status == "failed"
        play.check_replay()

    def test_a_paused_run_takes_results_and_dispatches_nothing(self) -> None:
        play = play_of(dispatched)
        play.pause()
        play.skip("a", {"n": 7})
        assert play.place("b") == []
        assert play.state.status == "paused"
        play.check_replay()

    def test_who_and_why_is_kept_with_the_run(self) -> None:
        play = play_of(ready)
        play.skip("a", {"n": 1})
        (did,) = play.state.actions
        assert (did.what, did.step, did.by, did.reason) == ("skip", "a", "user:op", "so")
        assert did.version == play.state.version

    @pytest.mark.edge("ACTIONS_SHOWN_MAX")
    def test_only_the_last_actions_are_shown(self) -> None:
        count = ACTIONS_SHOWN_MAX + 1
        play = started(workflow(*(task(f"a{number}") for number in range(count + 1))))
        for number in range(count):
            play.skip(f"a{number}")
        assert [did.step for did in play.state.actions] == [f"a{n}" for n in range(1, count)]


class TestIdentity:
    def test_the_same_request_again_is_the_same_action(self) -> None:
        play = play_of(ready)
        play.skip("a", {"n": 1}, action_id="x")
        assert play.skip("a", {"n": 2}, action_id="x") == []
        assert play.move("b", off=("n1",), action_id="x") == []

    def test_it_is_known_even_when_the_run_has_ended(self) -> None:
        play = started(workflow(task("a")))
        play.skip("a", action_id="x")
        assert play.state.status == "completed"
        assert play.skip("a", action_id="x") == []

    @pytest.mark.edge("Limits.action_ids_max")
    def test_the_oldest_id_is_forgotten_at_the_limit(self) -> None:
        setting = Setting(limits=Limits(action_ids_max=2))
        play = started(workflow(*(task(name) for name in "abcd")), setting)
        for step, action in (("a", "x"), ("b", "y")):
            play.skip(step, action_id=action)
        assert list(play.state.actions_seen) == ["x", "y"]
        play.skip("c", action_id="z")
        assert list(play.state.actions_seen) == ["y", "z"]
        play.check_replay()


class TestRefusals:
    @pytest.mark.parametrize(
        ("deed", "said"),
        [
            (lambda p: p.skip("nope"), "has no step 'nope'; those under way: b"),
            (lambda p: p.skip("a"), "a of run run-1 is completed: it cannot be skipped"),
            (lambda p: p.skip("c"), "c of run run-1 is not under way"),
            (lambda p: p.complete_for("a"), "cannot be completed"),
            (lambda p: p.fail_for("a"), "cannot be failed"),
            (lambda p: p.move("a"), "cannot be moved"),
            (lambda p: p.move("b"), "has not been on any node yet"),
        ],
    )
    def test_what_is_not_open_is_refused_and_nothing_changes(
        self, deed: Callable[[Play], object], said: str
    ) -> None:
        play = started(workflow(task("a"), task("b"), task("c")))
        play.run("a")
        before = play.states[-1]
        with pytest.raises(Rejected, match=said):
            deed(play)
        assert play.states[-1] == before

    @pytest.mark.parametrize(
        "deed",
        [
            lambda p: p.skip("a"),
            lambda p: p.complete_for("a"),
            lambda p: p.fail_for("a"),
            lambda p: p.move("a", "n2"),
        ],
    )
    def test_a_run_that_is_closed_or_ending_takes_none(
        self, deed: Callable[[Play], object]
    ) -> None:
        play = started(workflow(task("a")))
        play.place("a")
        play.cancel()
        with pytest.raises(Rejected, match="is ending as cancelled"):
            deed(play)
        play.give_back("a")
        with pytest.raises(Rejected, match="a closed run is never reopened"):
            deed(play)

    @pytest.mark.edge("NAMES_SHOWN_MAX")
    def test_only_so_many_of_the_steps_under_way_are_named(self) -> None:
        play = started(
            workflow(parallel(**{f"b{n:02}": task(f"a{n:02}") for n in range(NAMES_SHOWN_MAX + 1)}))
        )
        with pytest.raises(Rejected) as caught:
            play.skip("nope")
        assert f"a{NAMES_SHOWN_MAX - 1:02} and 1 more" in str(caught.value)
        assert f"a{NAMES_SHOWN_MAX:02}" not in str(caught.value)

    def test_an_output_that_is_too_large_is_refused(self) -> None:
        setting = Setting(limits=Limits(payload_bytes_max=100))
        play = started(workflow(task("a")), setting)
        with pytest.raises(Rejected, match="the output of a has 202 bytes"):
            play.complete_for("a", "x" * 200)

    def test_loops_maps_and_groups_are_not_given_results(self) -> None:
        play = started(workflow(d.MapStep(id="each", items=[1], task="work")))
        with pytest.raises(Rejected, match="each of run run-1 is entered: it cannot be skipped"):
            play.skip("each")

    def test_what_is_being_given_up_is_left_alone(self) -> None:
        play = started(
            workflow(d.MapStep(id="m", items=[1, 2], task="w", complete_when="fail_fast"))
        )
        play.place("m[0]")
        play.place("m[1]")
        play.fail("m[0]")
        with pytest.raises(Rejected, match=r"m\[1\] of run run-1 is being given up"):
            play.skip("m[1]")


class TestMoves:
    def test_an_attempt_is_asked_back_and_placed_anew_without_being_counted(self) -> None:
        play = play_of(running)
        (moved,) = play.move("a", "n2")
        assert isinstance(moved, TaskMoved)
        assert (moved.attempt, moved.backup) == (1, play.state.version - 1)
        sent = command(play.state, play.net, "a", 0)
        assert isinstance(sent, m.Cancel)
        assert sent.code == "moved"
        assert set(play.state.outstanding) == {"a"}, "until the node has answered"
        (ended,) = play.give_back("a")
        assert isinstance(ended, AttemptFailed)
        assert (ended.counted, ended.loss, ended.delay_s) == (False, None, 0.0)
        assert (play.step("a").counted, play.step("a").losses) == (0, 0)
        assert (play.step("a").target, play.step("a").generation) == ("n2", 0)
        play.place("a", "n2")
        assert play.step("a").attempt == 2
        play.complete("a", {"n": 1})
        assert play.finish().state.status == "completed"
        play.check_replay()

    def test_a_node_that_is_lost_meanwhile_ends_it_as_well(self) -> None:
        play = play_of(dispatched)
        play.move("a")
        assert play.step("a").off == ("n1",)
        play.lose("a")
        assert set(play.state.ready) == {"a"}
        assert play.step("a").losses == 0

    def test_a_result_that_was_on_its_way_counts(self) -> None:
        play = play_of(dispatched)
        play.move("a", "n2")
        (done,) = play.complete("a", {"n": 1})
        assert isinstance(done, TaskCompleted)

    def test_a_failure_that_was_on_its_way_counts(self) -> None:
        play = play_of(dispatched)
        play.move("a", "n2")
        play.fail("a")
        assert (play.step("a").counted, play.step("a").status) == (1, "retrying")
        assert play.step("a").target == "n2"

    def test_a_task_that_is_ready_only_has_another_wish(self) -> None:
        play = play_of(ready)
        (moved,) = play.move("a", off=("n1", "n3"))
        assert isinstance(moved, TaskMoved)
        assert moved.attempt == 0
        assert set(play.state.ready) == {"a"}
        play.move("a", "n4")
        assert (play.step("a").target, play.step("a").off) == ("n4", ())

    def test_one_that_is_there_already_stays(self) -> None:
        play = play_of(dispatched)
        (moved,) = play.move("a", "n1")
        assert isinstance(moved, TaskMoved)
        assert moved.attempt == 0
        assert not play.step("a").recalled

    def test_one_that_is_asked_back_already_ends_as_what_it_was_asked_for(self) -> None:
        play = play_of(recalled)
        play.move("a", "n2")
        play.give_back("a")
        assert play.step("a").counted == 1

    def test_moves_never_fail_a_task(self) -> None:
        setting = Setting(limits=Limits(losses_max=1))
        play = started(workflow(task("a")), setting)
        for _ in range(4):
            play.place("a")
            play.move("a")
            play.give_back("a")
        assert play.finish().state.status == "completed"


class TestTheEnd:
    @pytest.mark.parametrize("bring", STATES)
    def test_a_run_ends_at_once_whatever_nodes_have(self, bring: Callable[[Play], None]) -> None:
        play = play_of(bring)
        assert names(play.terminate("it loops")) == ["run.failed"]
        assert play.state.status == "failed"
        assert play.state.failure == Failure(
            code="terminated", message="user:op has terminated the run: it loops"
        )
        assert play.step("a").status == "cancelled"
        play.check_replay()

    def test_everything_that_was_open_is_over(self) -> None:
        play = started(
            workflow(
                parallel(
                    l=d.MapStep(id="m", items=[1, 2], task="w"),
                    m=d.CallStep(id="call", workflow="other"),
                    r=d.WaitStep(id="go", signal="go"),
                    s=task("held"),
                )
            )
        )
        play.place("m[0]")
        play.place("held")
        play.pause()
        play.terminate()
        open_ = {n: s.status for n, s in play.state.steps.items() if s.status != "completed"}
        assert set(open_.values()) == {"cancelled"}
        assert set(open_) >= {"m", "call", "go", "held"}
        play.check_replay()

    def test_a_run_that_waits_for_its_nodes_to_end_need_not_any_more(self) -> None:
        play = play_of(dispatched)
        play.cancel()
        play.terminate()
        assert play.state.status == "failed"

    def test_what_is_terminated_already_is_as_it_should_be(self) -> None:
        play = play_of(ready)
        play.terminate()
        assert play.terminate() == []

    def test_what_has_ended_otherwise_is_not_ended_again(self) -> None:
        play = started(workflow(task("a")), Setting(options=RunOptions()))
        play.run("a")
        with pytest.raises(Rejected, match="is completed already"):
            play.terminate()

    def test_a_run_that_failed_with_one_that_it_called_was_not_terminated_itself(self) -> None:
        play = started(workflow(d.CallStep(id="call", workflow="other")))
        child = RunState(
            run_id=play.state.calls["call"],
            status="failed",
            failure=Failure(code="terminated", message="user:op has terminated the run"),
        )
        play.end_child("call", child)
        assert play.state.failure == child.failure
        with pytest.raises(Rejected, match="is failed already"):
            play.terminate()
