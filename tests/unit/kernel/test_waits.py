"""Waits for time and for signals; signals that come early, twice, too many, or in vain."""

import msgspec
import pytest

from events.definition import Handler, SetStep, WaitStep
from events.errors import Rejected
from events.limits import Limits
from events.run_facts import RunForked, WaitEnded
from events.values import Value
from orchestrator.kernel.durations import as_text, instant
from orchestrator.kernel.env import MICROSECONDS
from tests.builders import NOW, Play, Setting, copy, names, parallel, started, task, workflow

GO = WaitStep(id="w", signal="go")


def sleeping(duration: Value, value: Value = None) -> Play:
    return started(workflow(WaitStep(id="w", duration=duration), task("a")), value=value)


def awaiting(**fields: object) -> Play:
    return started(workflow(msgspec.structs.replace(GO, **fields), task("a")))


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "value", "seconds"),
    [(5.0, None, 5.0), ("${ input }", 2, 2.0), ("${ input }m", 3, 180.0), ("${input}", "1h", 3600)],
)
def test_a_sleep_lasts_as_long_as_it_says(duration: Value, value: Value, seconds: float) -> None:
    play = sleeping(duration, value)
    assert play.state.status == "waiting"
    assert play.timers() == {"wait:w": seconds}
    assert play.due(seconds - 0.5) == []
    (ended,) = play.due(0.5)
    assert isinstance(ended, WaitEnded)
    assert play.state.status == "running"
    assert list(play.state.ready) == ["a"]
    play.check_replay()


@pytest.mark.parametrize(("value", "words"), [("soon", "'soon' is no duration"), (True, "number")])
def test_a_duration_that_is_none_fails_the_step(value: Value, words: str) -> None:
    play = sleeping("${ input }", value)
    assert play.state.failure is not None
    assert play.state.failure.code == "invalid_wait"
    assert words in play.state.failure.message


def test_a_duration_over_the_limit_fails_the_step() -> None:
    assert sleeping("${ input }", 1e12).state.status == "failed"


def test_an_instant_is_waited_for_and_a_past_one_is_met_at_once() -> None:
    for at, seconds in ((NOW + 60 * MICROSECONDS, 60.0), (NOW - MICROSECONDS, -1.0)):
        play = started(workflow(WaitStep(id="w", until="${ input }")), value=as_text(at))
        assert play.timers() == {"until:w": seconds}
        assert names(play.due(max(seconds, 0.0))) == ["wait.ended", "run.completed"]


@pytest.mark.parametrize("text", ["2026-12-24", "2026-12-24T18:00:00", "tomorrow", "9999-99-99"])
def test_an_instant_without_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no instant"):
        instant(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t01:00:00.5+01:00", 500_000),
        ("1969-12-31 23:59:59z", -1_000_000),
    ],
)
def test_an_instant_is_read_whatever_its_zone(text: str, at: int) -> None:
    assert instant(text) == at


def test_a_cancelled_run_waits_no_more() -> None:
    play = awaiting(timeout_s=60.0)
    play.cancel()
    assert (play.state.status, play.step("w").status) == ("cancelled", "cancelled")
    assert not play.state.awaiting


# -- signals --------------------------------------------------------------------------------------


def test_a_signal_is_taken_by_the_step_that_waits_and_its_data_can_be_read() -> None:
    play = started(
        workflow(
            GO, SetStep(id="s", variables={"v": "${ steps.w.output.n }"}), output="${ vars.v }"
        )
    )
    assert (play.state.status, play.state.next_due_at) == ("waiting", None)
    assert names(play.signal("go", {"n": 7})) == ["signal.received", "wait.ended", "run.completed"]
    assert play.state.output == 7
    play.check_replay()


def test_a_signal_that_comes_early_is_kept() -> None:
    play = started(workflow(task("a"), GO))
    assert names(play.signal("go", 1, "x")) == ["signal.received"]
    assert names(play.run("a")) == ["task.completed", "wait.ended", "run.completed"]
    assert play.state.output == 1


def test_signals_are_taken_in_order_by_who_has_waited_longest() -> None:
    other = msgspec.structs.replace(GO, id="v")
    play = started(workflow(parallel(x=GO, y=other), msgspec.structs.replace(GO, id="z")))
    for number in range(3):
        play.signal("go", number)
    assert play.state.status == "completed"
    assert [play.step(name).output for name in ("w", "v", "z")] == [0, 1, 2]


def test_the_same_signal_again_changes_nothing() -> None:
    play = started(workflow(GO, msgspec.structs.replace(GO, id="v")))
    play.signal("go", 1, "x")
    assert play.signal("go", 2, "x") == []
    assert play.step("v").status == "waiting"


def test_correlation_picks_the_signal() -> None:
    play = awaiting(correlation={"order": "${ run.id }"})
    play.signal("go", "wrong")
    play.signal("go", "wrong too", correlation={"order": "run-2"})
    assert play.state.status == "waiting"
    play.signal("go", "right", correlation={"order": "run-1"})
    assert play.step("w").output == "right"
    assert len(play.state.signals) == 2


def test_true_is_not_one() -> None:
    play = awaiting(correlation=1)
    play.signal("go", correlation=True)
    assert play.step("w").status == "waiting"


def test_patience_ends_with_an_error_that_a_handler_takes() -> None:
    handler = Handler(codes=("signal_timeout",), steps=(task("remind"),))
    play = awaiting(timeout_s=9.0, on_error=(handler,))
    (failed,) = play.due(9.0)
    assert failed.TYPE == "task.failed.v1"
    assert list(play.state.ready) == ["remind"]
    assert play.step("w").failure == failed.failure  # type: ignore[attr-defined]
    play.run("remind", "a")
    assert play.state.status == "completed"


def test_patience_without_a_handler_fails_the_run() -> None:
    play = awaiting(timeout_s=9.0)
    assert names(play.due(9.0)) == ["task.failed", "run.failed"]


def test_a_signal_that_nobody_ever_waits_for_is_refused_with_those_there_are() -> None:
    with pytest.raises(Rejected, match="never waits for a signal 'og'; those it waits for: go"):
        awaiting().signal("og")


def test_a_run_that_is_over_or_ending_takes_no_signal() -> None:
    play = started(workflow(parallel(x=GO, y=task("a"))))
    play.place("a")
    play.cancel()
    with pytest.raises(Rejected, match="ending as cancelled"):
        play.signal("go")
    play.give_back("a")
    with pytest.raises(Rejected, match="is cancelled"):
        play.signal("go")


@pytest.mark.edge("Limits.signals_max")
def test_signals_that_nobody_takes_are_bounded() -> None:
    play = started(workflow(task("a"), GO), Setting(limits=Limits(signals_max=2)))
    play.signal("go")
    play.signal("go")
    with pytest.raises(Rejected, match="keeps 2 signals"):
        play.signal("go")


@pytest.mark.edge("Limits.signal_ids_max")
def test_of_taken_signals_only_so_many_ids_are_remembered() -> None:
    steps = [msgspec.structs.replace(GO, id=f"w{n}") for n in range(9)]
    play = started(workflow(*steps), Setting(limits=Limits(signal_ids_max=3)))
    for number in range(8):
        play.signal("go", signal_id=f"s{number}")
    assert list(play.state.signals_seen) == ["s5", "s6", "s7"]
    play.check_replay()


def test_a_fork_waits_for_as_long_as_was_left() -> None:
    steps = (
        WaitStep(id="short", duration=60.0),
        WaitStep(id="fixed", until=as_text(NOW + 90 * MICROSECONDS)),
        msgspec.structs.replace(GO, timeout_s=70.0),
    )
    play = started(workflow(parallel(a=steps[0], b=steps[1], c=steps[2], d=task("t"))))
    play.wait(10.0).run("t")
    version = play.state.version
    fork = Play(play.net, Setting(run_id="run-2"), play.expressions)
    fork.state, fork.base, fork.now = copy(play.state), copy(play.state), play.now
    fork.wait(1000.0)
    (forked,) = fork.fork("run-2", version)
    assert isinstance(forked, RunForked)
    assert fork.timers() == {"wait:short": 50.0, "until:fixed": -920.0, "wait:w": 60.0}
    fork.signal("go", 1)
    assert fork.finish().state.status == "completed"
    fork.check_replay()
