"""Forks: a run that begins where another one was."""

import pytest

from events.definition import Handler
from events.errors import Rejected
from events.facts import Fact
from events.messages import Progressed
from events.policies import Retry, RunOptions, Timeouts
from events.run_facts import RunForked
from events.values import Value
from orchestrator.kernel import inputs as i
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.state import RunState
from tests.builders import Play, Setting, copy, names, parallel, started, task, workflow

FORK = Setting(run_id="fork-1")


def state_at(play: Play, version: int) -> RunState:
    state = RunState()
    for fact, at in zip(play.facts[:version], play.instants, strict=False):
        evolve(state, fact, at)
    return state


def fork(source: Play, version: int, variables: dict[str, Value] | None = None) -> Play:
    play = Play(source.net, FORK, source.expressions)
    play.state = state_at(source, version)
    play.base = copy(play.state)
    play.now = source.now + 3_600_000_000
    given = i.Fork(
        run_id="fork-1", source_version=version, variables=variables or {}, reason="try again"
    )
    play.give(given)
    return play


def first(play: Play) -> RunForked:
    fact: Fact = play.facts[0]
    assert isinstance(fact, RunForked)
    return fact


def test_a_fork_has_what_was_done_and_begins_what_was_open_anew() -> None:
    again = Retry(kind="fixed", attempts_max=3, initial_s=9.0)
    branches = {"l": (task("b", retry=again),), "r": (task("c"),), "m": (task("e"),)}
    source = started(workflow(task("a"), parallel(**branches), task("z")))
    source.run("a", output=1)
    source.place("b")
    source.fail("b")
    source.place("c")
    play = fork(source, source.state.version)
    assert play.state.run_id == "fork-1"
    assert play.state.version == 1
    assert play.state.origin.kind == "fork"
    assert (play.state.origin.run_id, play.state.origin.version) == ("run-1", source.state.version)
    assert set(play.state.ready) == {"b", "c", "e"}
    assert (play.state.outstanding, play.state.timers) == ({}, {})
    assert (play.step("a").status, play.step("a").output) == ("completed", 1)
    assert (play.step("b").attempt, play.step("b").failure, play.step("b").node) == (0, None, "")
    play.finish()
    assert play.state.status == "completed"
    play.check_replay()


def test_the_source_s_reports_are_none_of_the_fork_s() -> None:
    source = started(workflow(task("a")))
    source.place("a")
    attempt = source.attempt("a")
    play = fork(source, source.state.version)
    assert not play.state.holds(attempt)
    play.place("a")
    assert play.attempt("a").run_id == "fork-1"
    assert play.attempt("a").number == 1


def test_timeouts_begin_anew() -> None:
    timeouts = Timeouts(schedule_to_start_s=5.0, schedule_to_close_s=60.0)
    options = RunOptions(timeout_s=600.0)
    source = started(workflow(task("a", timeouts=timeouts)), Setting(options=options))
    source.wait(3.0)
    source.place("a")
    play = fork(source, source.state.version)
    assert play.timers() == {"run": 600.0, "start:a": 5.0, "close:a": 60.0}
    assert names(play.due(5.0)) == ["task.failed", "run.failed"]
    play.check_replay()


def test_variables_can_be_changed() -> None:
    source = started(workflow(task("a"), output="${vars.x}"))
    play = fork(source, 1, {"x": "fixed"})
    play.run("a")
    assert play.state.output == "fixed"


def test_variables_over_the_limit_are_refused() -> None:
    source = started(workflow(task("a")))
    with pytest.raises(Rejected, match="over the limit"):
        fork(source, 1, {"x": "x" * 2_000_000})


def test_heartbeat_details_are_handed_on() -> None:
    source = started(workflow(task("a")))
    source.place("a")
    source.report(Progressed(attempt=source.attempt("a"), details=[7]))
    assert fork(source, source.state.version).step("a").details == [7]


def test_an_ended_run_cannot_be_forked_at_its_end_but_before() -> None:
    source = started(workflow(task("a"), task("b"))).finish()
    with pytest.raises(Rejected, match="completed at version"):
        fork(source, source.state.version)
    assert fork(source, 3).finish().state.status == "completed"


def test_a_closing_run_cannot_be_forked() -> None:
    branches = {"l": (task("a"),), "r": (task("b"),)}
    source = started(workflow(parallel(**branches)))
    source.place("a")
    source.cancel()
    with pytest.raises(Rejected, match="ending as cancelled"):
        fork(source, source.state.version)
    assert fork(source, source.state.version - 1).finish().state.status == "completed"


def test_a_fork_may_begin_in_the_middle_of_a_decision() -> None:
    """Wherever it begins, it reaches an end that the source could have reached from there."""
    bad = {"inputs": {"x": "${input.nope}"}, "on_error": (Handler(steps=(task("mend"),)),)}
    branches = {"l": (task("b", **bad),), "r": (task("c", **bad_again()),), "m": (task("d"),)}
    source = started(workflow(task("a"), parallel(**branches)), value={})
    source.finish()
    assert source.state.status == "completed"
    for version in range(1, source.state.version):
        play = fork(source, version).finish()
        assert play.state.status == "completed", version
        assert play.state.output == source.state.output
        play.check_replay()


def bad_again() -> dict[str, object]:
    return {"inputs": {"x": "${input.nope}"}, "on_error": (Handler(),)}


def test_a_fork_from_between_a_failure_and_the_end_fails_as_the_source_did() -> None:
    source = started(workflow(task("a")))
    source.place("a")
    source.fail("a", "boom")
    play = fork(source, source.state.version - 1)
    assert names(play.facts) == ["run.forked", "run.failed"]
    assert play.state.failed_step == "a"


def test_a_fork_of_a_fork() -> None:
    source = started(workflow(task("a"), task("b"), task("c")))
    source.run("a", output=1)
    once = fork(source, source.state.version)
    once.run("b", output=2)
    twice = fork_of(once)
    assert twice.state.origin.run_id == "fork-1"
    assert set(twice.state.ready) == {"c"}
    assert twice.step("b").output == 2
    twice.check_replay()


def fork_of(source: Play) -> Play:
    play = Play(source.net, Setting(run_id="fork-2"), source.expressions)
    play.state = copy(source.state)
    play.base = copy(source.state)
    play.give(i.Fork(run_id="fork-2", source_version=source.state.version))
    return play


def test_the_first_fact_names_source_version_and_reason() -> None:
    source = started(workflow(task("a")))
    fact = first(fork(source, 1))
    assert (fact.source_run_id, fact.source_version, fact.reason) == ("run-1", 1, "try again")
    assert [renewed.step for renewed in fact.renewed] == ["a"]
