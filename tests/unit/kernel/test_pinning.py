"""Keeping a run to a build: when it is pinned, what is recorded of that, how it is changed."""

import pytest

from events.errors import Rejected
from events.limits import Limits
from events.policies import RunOptions
from events.run_facts import RunPinned
from orchestrator.kernel.pinning import wanted_build
from tests.builders import Play, Setting, names, started, task, workflow

ABC = workflow(task("a"), task("b"), task("c"))


def play_of(build: str) -> Play:
    return started(ABC, Setting(options=RunOptions(build=build)))


def test_a_run_that_says_nothing_may_go_anywhere() -> None:
    play = play_of("")
    assert wanted_build(play.state) == ""
    assert names(play.place("a", build_id="b1")) == ["task.dispatched"]


def test_a_named_build_is_recorded_at_the_start() -> None:
    play = play_of("b7")
    assert RunPinned(build="b7", reason="as it was started") in play.facts
    assert wanted_build(play.state) == "b7"
    play.check_replay()


def test_a_run_may_be_pinned_to_the_build_of_its_first_attempt() -> None:
    play = play_of("pinned")
    assert wanted_build(play.state) == "pinned"
    pinned, dispatched = play.place("a", build_id="b7")
    assert pinned == RunPinned(build="b7", reason="its first attempt, of a, is on n1")
    assert names([dispatched]) == ["task.dispatched"]
    play.fail("a")
    assert wanted_build(play.state) == "b7"


def test_it_is_pinned_once() -> None:
    play = play_of("pinned")
    play.place("a", build_id="b7")
    play.complete("a", 1)
    assert names(play.place("b", build_id="b7")) == ["task.dispatched"]


def test_an_operator_may_repin_it() -> None:
    play = play_of("b7")
    assert play.repin("b8", "b7 is gone") == [RunPinned(build="b8", reason="b7 is gone")]
    assert play.repin("b8", "again") == []
    assert wanted_build(play.state) == "b8"


@pytest.mark.parametrize("build", ["b7", "pinned"])
def test_an_operator_may_let_it_go_anywhere_for_good(build: str) -> None:
    play = play_of(build)
    assert play.repin("", "any will do") == [RunPinned(build="", reason="any will do")]
    assert names(play.place("a", build_id="b1")) == ["task.dispatched"]
    assert wanted_build(play.state) == ""
    play.check_replay()


def test_a_history_at_its_limit_takes_no_builds_without_end() -> None:
    play = started(ABC, Setting(options=RunOptions(build="b0"), limits=Limits(run_events_max=5)))
    for number in range(1, 4):
        play.repin(f"b{number}", "again")
    assert play.state.failure is not None
    assert play.state.failure.code == "too_many_events"


def test_the_word_for_any_first_build_is_no_build() -> None:
    with pytest.raises(Rejected, match="expected the build id of a node"):
        play_of("b7").repin("pinned")


def test_a_run_that_has_ended_is_not_repinned() -> None:
    play = play_of("b7")
    play.cancel()
    with pytest.raises(Rejected, match="is cancelled: it cannot be repinned"):
        play.repin("b8")


def test_a_fork_keeps_to_the_build_of_its_source() -> None:
    play = play_of("pinned")
    play.place("a", build_id="b7")
    play.fork("r2", play.state.version)
    assert wanted_build(play.state) == "b7"
