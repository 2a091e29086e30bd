"""Starting runs: options, the same id again, and requests about runs that do not exist."""

import msgspec
import pytest

from events.api import StartRun
from events.errors import Rejected
from events.facts import Fact
from events.messages import Started
from events.policies import Origin, Retry, RunOptions, Timeouts
from events.run_facts import RunStarted
from events.values import Value
from orchestrator.kernel import inputs as i
from tests.builders import RUN_ID, VERSION, Play, Setting, index, names, started, task, workflow

REQUEST = StartRun(run_id=RUN_ID, workflow="workflow", input={"n": 1, "m": [1.5, None]})


def begin(play: Play, request: StartRun = REQUEST, version: str = VERSION) -> list[Fact]:
    options = play.setting.options
    return play.give(i.Start(request=request, workflow_version=version, options=options))


def run(setting: Setting = Setting()) -> Play:
    play = Play(index(workflow(task("a"))), setting)
    begin(play)
    return play


def test_the_first_fact_has_all_that_the_run_was_started_with() -> None:
    options = RunOptions(timeout_s=60.0, priority=3, tags={"team": "x"}, concurrency_max=5)
    origin = Origin(kind="parent", run_id="parent", step="s")
    play = Play(index(workflow(task("a"))), Setting(options=options))
    (fact,) = begin(play, msgspec.structs.replace(REQUEST, origin=origin))
    assert isinstance(fact, RunStarted)
    assert (fact.run_id, fact.workflow, fact.workflow_version) == (RUN_ID, "workflow", VERSION)
    assert (fact.input, fact.options, fact.origin) == (REQUEST.input, options, origin)
    assert play.in_s(fact.due_at) == 60.0


def test_the_same_id_with_the_same_content_is_the_same_run() -> None:
    play = run()
    before = play.states[-1]
    assert begin(play) == []
    shuffled = msgspec.structs.replace(REQUEST, input={"m": [1.5, None], "n": 1})
    assert begin(play, shuffled) == []
    assert play.states[-1] == before


def test_it_is_still_the_same_run_when_it_has_ended() -> None:
    play = run().finish()
    assert begin(play) == []


@pytest.mark.parametrize(
    ("changes", "version", "difference"),
    [
        ({"workflow": "other"}, VERSION, "another workflow:"),
        ({}, "version-2", "another workflow version:"),
        ({"input": {"n": 2}}, VERSION, "another input:"),
        ({"input": {"n": True, "m": [1.5, None]}}, VERSION, "another input:"),
        ({"input": None}, "version-2", "another workflow version and another input:"),
        ({"origin": Origin(kind="parent", run_id="p")}, VERSION, "another origin:"),
    ],
)
def test_the_same_id_with_other_content_is_refused_by_difference(
    changes: dict[str, object], version: str, difference: str
) -> None:
    play = run()
    before = play.states[-1]
    with pytest.raises(Rejected, match=difference):
        begin(play, msgspec.structs.replace(REQUEST, **changes), version)
    assert play.states[-1] == before


def test_floats_given_as_integers_are_kept_as_a_fold_will_read_them() -> None:
    options = RunOptions(timeout_s=100, timeouts=Timeouts(schedule_to_close_s=5))
    play = run(Setting(options=options))
    assert isinstance(play.state.options.timeout_s, float)
    play.check_replay()


def test_durations_that_no_check_has_seen_end_within_64_bits() -> None:
    far = 1e300
    options = RunOptions(
        timeout_s=far,
        timeouts=Timeouts(schedule_to_start_s=far, schedule_to_close_s=far, start_to_close_s=far),
        retry=Retry(attempts_max=9, initial_s=far, cap_s=far),
    )
    play = Play(index(workflow(task("a"), task("b"))), Setting(options=options))
    begin(play)
    play.place("a")
    play.report(Started(attempt=play.attempt("a"), started_at=play.now))
    assert max(play.state.timers.values()) < 2**63
    play.complete("a")
    play.place("b")
    play.fail("b")
    assert play.state.terminal
    assert max((*play.state.timers.values(), 0)) < 2**63


def test_durations_below_zero_are_over_at_once() -> None:
    options = RunOptions(timeout_s=-5.0, retry=Retry(kind="fixed", attempts_max=3, initial_s=-5.0))
    play = Play(index(workflow(task("a"))), Setting(options=options))
    begin(play)
    play.place("a")
    play.fail("a")
    assert list(play.state.ready) == ["a"]
    assert names(play.due()) == ["run.timed_out"]


@pytest.mark.parametrize(
    "value", [None, 0, False, "", [], {}, 2**63 - 1, -0.0, "é\U0001f600", {"": {}}]
)
def test_any_value_is_an_input(value: Value) -> None:
    play = started(workflow(output={"x": "${input}"}), value=value)
    assert play.state.output == {"x": value}
    play.check_replay()


def test_nothing_can_be_said_to_a_run_that_was_never_started() -> None:
    play = Play(index(workflow(task("a"))))
    assert play.due() == []
    assert play.place("a") == []
    for given in (i.Cancel(), i.Fork(run_id="other", source_version=0)):
        with pytest.raises(Rejected, match="no such run"):
            play.give(given)
    assert play.state.version == 0
    assert names(begin(play)) == ["run.started"]
