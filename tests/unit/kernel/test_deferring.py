"""Attempts that somebody else completes by token, after their handlers have ended."""

import pytest

from events import messages as m
from events.completion_tokens import VERSION, digest_of, read_token, token_of
from events.errors import Rejected, Unavailable
from events.facts import Fact, Failure
from events.ids import Attempt
from events.limits import TOKEN_CHARS_MAX
from events.policies import Retry, Timeouts
from events.task_facts import AttemptFailed, TaskDeferred, TaskFailed
from events.values import Value
from orchestrator.kernel import inputs as i
from tests.builders import Play, names, started, task, workflow

SECONDS = 1_000_000
UNSIGNED = Failure(code="unsigned", message="nobody has signed")


def deferred(**fields: object) -> Play:
    play = started(workflow(task("a", **fields)))
    play.place("a")
    (fact,) = play.report(m.Deferred(attempt=play.attempt("a"), digest="d1"))
    assert isinstance(fact, TaskDeferred)
    return play


def redeem(
    play: Play,
    output: Value = None,
    failure: Failure | None = None,
    digest: str = "d1",
    number: int = 1,
    retryable: bool = True,
) -> list[Fact]:
    attempt = Attempt("run-1", "a", 0, number)
    return play.give(
        i.Redeem(
            attempt=attempt, digest=digest, output=output, failure=failure, retryable=retryable
        )
    )


def test_it_holds_no_node_and_the_run_only_waits() -> None:
    play = deferred()
    assert not play.state.outstanding
    assert not play.state.is_busy
    assert play.state.open_status == "waiting"
    assert play.step("a").status == "deferred"


def test_whoever_has_the_token_completes_it() -> None:
    play = deferred()
    assert names(redeem(play, {"signed": True})) == ["task.completed", "run.completed"]
    assert play.state.output == {"signed": True}
    play.check_replay()


def test_the_same_completion_is_the_same_also_when_the_run_has_ended() -> None:
    play = deferred()
    redeem(play, {"signed": True})
    assert redeem(play, {"signed": True}) == []
    with pytest.raises(Rejected, match="fenced: run-1/a~0@1 is over already, as completed"):
        redeem(play, {"signed": 1})
    with pytest.raises(Rejected, match="over already"):
        redeem(play, failure=UNSIGNED)


def test_a_failure_follows_the_retry_policy() -> None:
    play = deferred(retry=Retry(attempts_max=2, initial_s=5.0))
    (failed,) = redeem(play, failure=UNSIGNED)
    assert isinstance(failed, AttemptFailed)
    assert failed.failure == UNSIGNED
    assert redeem(play, failure=UNSIGNED) == []
    play.due(5.0)
    play.place("a")
    with pytest.raises(Rejected, match=r"fenced: it is of run-1/a~0@1, and attempt 2"):
        redeem(play, 1)
    play.report(m.Deferred(attempt=play.attempt("a"), digest="d2"))
    last, _ = redeem(play, failure=UNSIGNED, digest="d2", number=2, retryable=False)
    assert isinstance(last, TaskFailed)
    play.check_replay()


@pytest.mark.parametrize("digest", ["", "d2"])
def test_a_token_that_was_made_up_is_refused(digest: str) -> None:
    play = deferred()
    with pytest.raises(Rejected, match="not the one that was made"):
        redeem(play, digest=digest)
    assert play.step("a").status == "deferred"


def test_nobody_completes_what_was_not_deferred() -> None:
    play = started(workflow(task("a"), task("b")))
    play.place("a")
    with pytest.raises(Unavailable, match="has not ended yet: try again"):
        redeem(play)
    play.complete("a")
    with pytest.raises(Rejected, match="not the one that was made"):
        redeem(play, digest="")
    with pytest.raises(Rejected, match="there is no such attempt"):
        redeem(play, number=2)


def test_a_report_that_comes_again_changes_nothing() -> None:
    play = deferred()
    assert play.report(m.Deferred(attempt=play.attempt("a"), digest="d9")) == []
    assert play.step("a").digest == "d1"


def test_what_is_left_of_start_to_close_goes_on() -> None:
    limits = Timeouts(start_to_close_s=10.0)
    play = started(workflow(task("a", retry=Retry(attempts_max=2), timeouts=limits)))
    play.place("a")
    play.report(m.Started(attempt=play.attempt("a"), started_at=play.now))
    started_at = play.now
    play.wait(4.0)
    report = m.Deferred(
        attempt=play.attempt("a"), digest="d1", started_at=started_at, ended_at=play.now
    )
    play.report(report)
    assert play.timers() == {"defer:a": 6.0}
    (late,) = play.due(6.0)
    assert isinstance(late, AttemptFailed)
    assert (late.kind, late.failure.code) == ("timed_out", "start_to_close_timeout")
    with pytest.raises(Rejected, match="fenced"):
        redeem(play, 1)
    play.check_replay()


def test_schedule_to_close_ends_it() -> None:
    play = deferred(timeouts=Timeouts(schedule_to_close_s=5.0))
    failed, _ = play.due(5.0)
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == "schedule_to_close_timeout"


def test_a_run_that_ends_takes_it_along() -> None:
    play = deferred()
    assert names(play.cancel()) == ["run.cancelled"]
    with pytest.raises(Rejected, match="over already, as cancelled"):
        redeem(play, 1)


def test_a_run_that_is_ending_takes_no_deferral() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    play.cancel()
    facts = play.report(m.Deferred(attempt=play.attempt("a"), digest="d1"))
    assert names(facts) == ["task.cancelled", "run.cancelled"]


def test_a_pause_takes_completions_and_stops_the_clock() -> None:
    play = deferred(timeouts=Timeouts(start_to_close_s=10.0))
    play.pause()
    play.wait(60.0)
    play.resume()
    assert play.timers() == {"defer:a": 10.0}
    play.pause()
    redeem(play, 1)
    assert play.step("a").status == "completed"


def test_a_fork_does_it_again() -> None:
    play = deferred()
    play.fork("r2", play.state.version)
    assert list(play.state.ready) == ["a"]
    assert not play.state.deferred


# -- tokens ---------------------------------------------------------------------------------------

ATTEMPT = Attempt("run 1/é", "a[3]", 2, 7)


def test_a_token_says_its_attempt_and_keeps_its_secret_out_of_the_log() -> None:
    token = read_token(token_of(ATTEMPT, "secret"))
    assert token.attempt == ATTEMPT
    assert token.digest == digest_of("secret") != digest_of("Secret")
    assert "secret" not in token.digest


@pytest.mark.parametrize(
    "text",
    ["", "x", VERSION, f"{VERSION}..s", f"{VERSION}.W10.s", f"{VERSION}.é.s", "dst2.W10.s"],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="no completion token"):
        read_token(text)


@pytest.mark.edge("TOKEN_CHARS_MAX")
def test_a_token_has_a_longest_length() -> None:
    bare = len(token_of(ATTEMPT, ""))
    assert read_token(token_of(ATTEMPT, "s" * (TOKEN_CHARS_MAX - bare))).attempt == ATTEMPT
    with pytest.raises(Rejected):
        read_token(token_of(ATTEMPT, "s" * (TOKEN_CHARS_MAX - bare + 1)))
