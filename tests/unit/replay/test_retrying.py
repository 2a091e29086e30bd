"""From where a closed run is tried again."""

import anyio
import pytest

from events.definition import FailStep, Handler
from events.errors import Rejected
from events.policies import Retry, RunOptions, Timeouts
from orchestrator.kernel import inputs as i
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.state import RunState
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.retrying import Retry as Plan
from orchestrator.replay.retrying import is_sound, plan_retry
from tests.builders import RUN_ID, Play, Setting, copy, parallel, started, task, workflow


def plan_of(play: Play) -> Plan:
    """As it is made from the history in a file."""
    stored = play.stored()
    return anyio.run(plan_retry, Exported(RUN_ID, {stored[0].stream: stored}), RUN_ID)


def version_of(play: Play) -> int:
    return plan_of(play).version


def state_at(play: Play, version: int) -> RunState:
    state = RunState()
    for fact, at in zip(play.facts[:version], play.instants, strict=False):
        evolve(state, fact, at)
    return state


def again(play: Play) -> dict[str, str]:
    """Steps that run again, each with how it ended in the source."""
    return {one.step: one.was for one in plan_of(play).again}


def test_what_completed_is_kept_and_what_failed_runs_again() -> None:
    play = started(workflow(task("a"), task("b"), task("c")))
    play.run("a")
    play.place("b")
    play.fail("b")
    assert play.state.status == "failed"
    plan = plan_of(play)
    assert (plan.kept, [one.step for one in plan.again]) == (("a",), ["b"])
    assert plan.last_version == play.state.version > plan.version


def test_a_fork_from_there_reaches_the_end() -> None:
    source = started(workflow(task("a"), task("b"), task("c")))
    source.run("a")
    source.place("b")
    source.fail("b")
    fork = Play(source.net, Setting(run_id="again"), source.expressions)
    fork.state = state_at(source, version_of(source))
    fork.base = copy(fork.state)
    fork.now = source.now + 1
    fork.give(i.Fork(run_id="again", source_version=fork.state.version))
    assert set(fork.state.ready) == {"b"}
    assert fork.finish().state.status == "completed"
    fork.check_replay()


def test_earlier_attempts_of_the_task_do_not_count_as_its_failure() -> None:
    retry = Retry(kind="fixed", attempts_max=2, initial_s=1.0)
    play = started(workflow(task("a", retry=retry)))
    play.place("a")
    play.fail("a")
    play.due(1.0)
    play.place("a")
    play.fail("a")
    assert again(play) == {"a": "failed"}
    assert version_of(play) > 3


def test_what_completes_after_the_failure_runs_again_and_is_said_to() -> None:
    options = RunOptions(error_policy="finish_others")
    play = started(workflow(parallel(l=task("a"), r=task("b"))), Setting(options=options))
    play.place("a")
    play.place("b")
    play.fail("a")
    play.complete("b")
    assert play.state.status == "failed"
    assert again(play) == {"a": "failed", "b": "completed"}


def test_a_failure_that_was_handled_is_none() -> None:
    guarded = task("a", on_error=(Handler(steps=(task("mend"),)),))
    play = started(workflow(guarded, task("b")))
    play.place("a")
    play.fail("a")
    play.run("mend")
    play.place("b")
    play.fail("b")
    assert again(play) == {"b": "failed"}


def test_a_run_that_fails_itself_goes_back_to_the_task_before() -> None:
    play = started(workflow(task("a"), FailStep(id="stop", code="enough")))
    play.run("a")
    assert play.state.status == "failed"
    assert again(play) == {"a": "completed"}


def test_a_timed_out_run_and_a_cancelled_one() -> None:
    late = started(workflow(task("a")), Setting(options=RunOptions(timeout_s=5.0)))
    late.due(5.0)
    assert late.state.status == "timed_out"
    assert again(late) == {"a": "cancelled"}
    cancelled = started(workflow(task("a"), task("b")))
    cancelled.run("a")
    cancelled.cancel()
    assert again(cancelled) == {"b": "cancelled"}


def test_a_timeout_of_a_task() -> None:
    play = started(workflow(task("a", timeouts=Timeouts(schedule_to_start_s=5.0))))
    play.due(5.0)
    assert again(play) == {"a": "failed"}


def test_an_open_run_and_a_completed_one_are_refused() -> None:
    play = started(workflow(task("a")))
    with pytest.raises(Rejected, match="run-1 is running: only a run that has ended"):
        again(play)
    with pytest.raises(Rejected, match="run-1 is completed, there is nothing to retry"):
        again(play.finish())


def test_a_run_that_was_never_sound_is_refused() -> None:
    play = started(workflow(task("a", inputs={"x": "${ input.nope }"})), value={})
    assert play.state.status == "failed"
    assert not is_sound(state_at(play, 1))
    with pytest.raises(Rejected, match="would at once fail again"):
        again(play)
