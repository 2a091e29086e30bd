"""Calls: which child a step has, what its end means, and what happens when the run ends."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from events.definition import CallStep, Handler
from events.facts import Failure
from events.ids import child_run, shard_of
from events.policies import Retry
from events.values import Value
from orchestrator.kernel.inputs import ChildEnded
from tests.builders import Play, copy, names, started, task, workflow

AGAIN = Retry(kind="fixed", attempts_max=2, initial_s=2.0)


def call(retry: Retry | None = None, *handlers: Handler) -> CallStep:
    value: Value = {"x": "${ input }"}
    return CallStep(id="kid", workflow="w", input=value, retry=retry, on_error=handlers)


def end(play: Play, status: str, output: Value = None, code: str = "") -> list[str]:
    """Tells the end of the child that the step has."""
    failure = Failure(code=code) if code else None
    run_id = play.state.calls["kid"]
    ended = ChildEnded(step="kid", run_id=run_id, status=status, output=output, failure=failure)
    return names(play.give(ended))


@given(st.text(max_size=40), st.text(max_size=10), st.integers(0, 9), st.integers(1, 9))
def test_a_child_has_its_parents_shard_and_an_id_of_its_own(
    run_id: str, step: str, generation: int, number: int
) -> None:
    child = child_run(run_id, step, generation, number)
    assert child == child_run(run_id, step, generation, number)
    assert crc32(child.encode()) == crc32(run_id.encode())
    assert all(shard_of(child, n) == shard_of(run_id, n) for n in (1, 2, 7, 64))
    others = {child_run(run_id, step, generation, number + 1), child_run(run_id, step + "x", 0, 1)}
    assert child not in others
    assert len(child) == 28


def test_the_childs_output_is_the_steps() -> None:
    play = started(workflow(call(), task("z", inputs={"o": "${ steps.kid.output }"})), value=5)
    assert play.step("kid").inputs == {"input": {"x": 5}}
    assert (play.state.status, play.step("kid").status) == ("running", "calling")
    assert end(play, "completed", 7) == ["child.completed"]
    assert play.step("z").inputs == {"o": 7}
    play.check_replay()


def test_a_child_that_failed_is_followed_by_another_one() -> None:
    play = started(workflow(call(AGAIN)))
    first = play.state.calls["kid"]
    assert end(play, "failed", code="gone") == ["child.failed"]
    assert play.state.calls == {}
    play.due(2.0)
    assert play.state.calls["kid"] not in ("", first)
    assert end(play, "failed", code="gone") == ["task.failed", "run.failed"]
    assert play.state.failure == Failure(code="gone")
    play.check_replay()


def test_an_error_arc_takes_the_childs_code() -> None:
    play = started(workflow(call(None, Handler(codes=("gone",), steps=(task("mend"),)))))
    end(play, "failed", code="gone")
    assert list(play.state.ready) == ["mend"]


def test_a_cancelled_child_fails_the_step_without_another_try() -> None:
    play = started(workflow(call(AGAIN)))
    assert end(play, "cancelled") == ["task.failed", "run.failed"]
    assert play.state.failure is not None
    assert play.state.failure.code == "child_cancelled"


def test_the_end_of_a_run_that_is_not_awaited_changes_nothing() -> None:
    play = started(workflow(call(AGAIN)))
    first = play.state.calls["kid"]
    end(play, "failed", code="gone")
    play.due(2.0)
    assert play.give(ChildEnded(step="kid", run_id=first, status="completed")) == []
    assert play.give(ChildEnded(step="other", run_id=first, status="completed")) == []


def test_a_cancelled_run_ends_when_its_children_have() -> None:
    play = started(workflow(call()))
    assert names(play.cancel()) == ["run.closing"]
    assert play.state.status == "running"
    assert end(play, "cancelled") == ["task.cancelled", "run.cancelled"]
    assert play.step("kid").status == "cancelled"
    play.check_replay()


def test_a_fork_has_a_child_of_its_own() -> None:
    play = started(workflow(call()), value=5)
    fork = Play(play.net, play.setting, play.expressions)
    fork.state, fork.base, fork.now = copy(play.state), copy(play.state), play.now
    fork.fork("fork", play.state.version)
    assert fork.state.calls["kid"] != play.state.calls["kid"]
    assert shard_of(fork.state.calls["kid"], 64) == shard_of("fork", 64)
    end(fork, "completed", 1)
    assert (fork.state.status, fork.state.output) == ("completed", 1)
    fork.check_replay()
