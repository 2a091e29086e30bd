"""Pause and resume: nothing new is dispatched, timers hold, results are recorded."""

import pytest

from events import messages as m
from events.definition import WaitStep
from events.errors import Rejected
from events.policies import Retry, RunOptions, Timeouts
from events.run_facts import RunPaused, RunResumed
from orchestrator.kernel.durations import as_text
from orchestrator.kernel.env import MICROSECONDS
from tests.builders import NOW, Play, Setting, copy, names, parallel, started, task, workflow

AGAIN = Retry(kind="fixed", attempts_max=3, initial_s=10.0)


def test_a_paused_run_dispatches_nothing_and_goes_on_when_it_is_resumed() -> None:
    play = started(workflow(task("a"), task("b")))
    (paused,) = play.pause("a look first")
    assert paused == RunPaused(reason="a look first")
    assert (play.state.status, play.state.next_due_at) == ("paused", None)
    assert play.place("a") == []
    play.wait(5.0)
    assert play.resume("looked") == [RunResumed(shift_us=5 * MICROSECONDS, reason="looked")]
    play.run("a", "b")
    assert play.state.status == "completed"
    play.check_replay()


def test_results_of_what_was_outstanding_are_recorded_and_lead_on() -> None:
    play = started(workflow(task("a"), task("b")))
    play.place("a")
    play.pause()
    assert names(play.complete("a", 1)) == ["task.completed"]
    assert list(play.state.ready) == ["b"]
    assert play.place("b") == []


def test_a_run_may_come_to_its_end_while_it_is_paused() -> None:
    for end, status in ((Play.complete, "completed"), (Play.fail, "failed")):
        play = started(workflow(task("a")))
        play.place("a")
        play.pause()
        end(play, "a")
        assert (play.state.status, play.state.paused) == (status, None)


def test_a_paused_run_can_be_cancelled() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    play.pause()
    play.cancel()
    assert (play.state.status, play.state.paused) == ("running", None), "it is ending"
    play.give_back("a")
    assert play.state.status == "cancelled"


def test_no_timer_fires_and_all_last_as_long_as_without_the_pause() -> None:
    limits = Timeouts(schedule_to_start_s=30.0, schedule_to_close_s=60.0)
    play = started(
        workflow(
            parallel(
                sleep=WaitStep(id="nap", duration=20.0),
                signal=WaitStep(id="go", signal="go", timeout_s=40.0),
                task=task("a", timeouts=limits, retry=AGAIN),
            )
        ),
        Setting(options=RunOptions(timeout_s=90.0)),
    )
    before = play.timers()
    play.pause()
    assert play.due(1000.0) == []
    play.resume()
    assert play.timers() == before
    assert play.in_s(play.step("a").close_due_at) == 60.0
    assert names(play.due(20.0)) == ["wait.ended"]


def test_an_instant_that_the_author_named_does_not_move() -> None:
    until = as_text(NOW + 10 * MICROSECONDS)
    play = started(workflow(WaitStep(id="w", until=until)))
    play.pause()
    assert play.due(60.0) == []
    play.resume()
    assert names(play.due()) == ["wait.ended", "run.completed"]


def test_what_is_decided_during_the_pause_counts_from_its_beginning() -> None:
    """A retry that was decided while the run was paused waits its whole delay afterwards."""
    play = started(workflow(task("a", retry=AGAIN)))
    play.place("a")
    play.pause()
    play.wait(100.0)
    play.fail("a")
    assert play.step("a").status == "retrying"
    play.wait(100.0)
    play.resume()
    assert play.timers() == {"retry:a": 10.0}
    assert play.in_s(play.step("a").next_attempt_at) == 10.0
    play.check_replay()


def test_a_sleep_that_begins_during_the_pause_begins_with_its_end() -> None:
    play = started(workflow(task("a"), WaitStep(id="nap", duration=20.0)))
    play.place("a")
    play.report(m.Started(attempt=play.attempt("a"), started_at=play.now))
    play.pause()
    play.wait(50.0)
    play.complete("a")
    play.wait(50.0)
    play.resume()
    assert play.timers() == {"wait:nap": 20.0}


def test_pausing_twice_and_resuming_twice_is_done_once() -> None:
    play = started(workflow(task("a")))
    assert play.resume() == []
    play.pause("first")
    assert play.pause("second") == []
    assert play.state.paused is not None
    assert play.state.paused.reason == "first"
    play.resume()
    assert play.resume() == []


def test_what_is_over_can_be_neither_paused_nor_resumed() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    play.cancel()
    with pytest.raises(Rejected, match="ending as cancelled: it cannot be paused"):
        play.pause()
    play.give_back("a")
    with pytest.raises(Rejected, match="is cancelled: it cannot be resumed"):
        play.resume()


def test_a_fork_of_a_paused_run_is_not_paused_and_counts_from_now() -> None:
    play = started(workflow(parallel(x=WaitStep(id="nap", duration=20.0), y=task("a"))))
    play.wait(5.0).pause()
    play.place("a")
    play.wait(300.0)
    version = play.state.version
    fork = Play(play.net, Setting(run_id="run-2"), play.expressions)
    fork.state, fork.base, fork.now = copy(play.state), copy(play.state), play.now
    fork.fork("run-2", version)
    assert (fork.state.status, fork.timers()) == ("running", {"wait:nap": 15.0})
    fork.finish().check_replay()
