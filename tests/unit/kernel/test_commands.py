"""Commands follow from the state alone."""

from events import messages as m
from events.policies import Needs, Retry, Timeouts
from events.values import Value
from orchestrator.kernel.commands import command
from tests.builders import Play, started, task, workflow

TIMEOUTS = Timeouts(schedule_to_start_s=5.0, start_to_close_s=6.0, heartbeat_s=7.0)


def run(**fields: object) -> Play:
    play = started(
        workflow(task("a", "count", inputs={"n": "${input.n}"}, **fields)), value={"n": 3}
    )
    play.place("a")
    return play


def found(play: Play) -> m.Command:
    return command(play.state, play.net, "a", 7, "trace")


def test_execute_has_everything_that_the_node_needs() -> None:
    play = run(timeouts=TIMEOUTS, needs=Needs(cpu=2.0))
    inputs: dict[str, Value] = {"n": 3}
    assert found(play) == m.Execute(
        attempt=play.attempt("a"),
        shard=7,
        task="count",
        inputs=inputs,
        workflow="workflow",
        token=2,
        start_within_s=5.0,
        start_to_close_s=6.0,
        heartbeat_s=7.0,
        needs=Needs(cpu=2.0),
        traceparent="trace",
        dispatched_at=play.state.steps["a"].dispatched_at or 0,
    )
    assert play.state.steps["a"].dispatched_at


def test_the_token_grows_with_every_attempt_and_details_are_handed_on() -> None:
    play = run(retry=Retry(kind="fixed", attempts_max=3, initial_s=0.0))
    first = found(play)
    play.report(m.Progressed(attempt=play.attempt("a"), details="half"))
    play.fail("a")
    play.place("a")
    second = found(play)
    assert isinstance(first, m.Execute)
    assert isinstance(second, m.Execute)
    assert second.token > first.token
    assert second.details == "half"
    assert second.attempt.number == 2


def test_the_same_state_gives_the_same_command_again() -> None:
    play = run()
    assert found(play) == found(play)


def test_a_recalled_attempt_is_to_be_given_back() -> None:
    play = run(timeouts=TIMEOUTS)
    play.due(5.0)
    assert found(play) == m.Cancel(
        attempt=play.attempt("a"), shard=7, code="schedule_to_start_timeout"
    )


def test_an_attempt_of_a_closing_run_is_to_be_given_back() -> None:
    play = run(timeouts=TIMEOUTS)
    play.due(5.0)
    play.cancel("enough")
    cancel = found(play)
    assert isinstance(cancel, m.Cancel)
    assert (cancel.code, cancel.reason) == ("cancelled", "enough")
