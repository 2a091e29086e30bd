"""Retry arithmetic and what it leads to in a run: another attempt, when, and why not."""

import pytest

from events.facts import Failure
from events.limits import Limits
from events.policies import Retry, RunOptions, Timeouts
from events.task_facts import AttemptFailed, TaskFailed
from orchestrator.kernel.retry import delay_s, refusal
from tests.builders import Play, Setting, names, started, task, workflow


@pytest.mark.parametrize(
    ("retry", "delays"),
    [
        (Retry(kind="fixed", initial_s=2.0), [2.0, 2.0, 2.0, 2.0]),
        (Retry(kind="linear", initial_s=2.0), [2.0, 4.0, 6.0, 8.0]),
        (Retry(kind="exponential", initial_s=1.0, factor=3.0), [1.0, 3.0, 9.0, 27.0]),
        (Retry(kind="exponential", initial_s=1.0, cap_s=5.0), [1.0, 2.0, 4.0, 5.0]),
        (Retry(kind="linear", initial_s=2.0, cap_s=5.0), [2.0, 4.0, 5.0, 5.0]),
        (Retry(kind="fixed", initial_s=9.0, cap_s=5.0), [5.0, 5.0]),
        (Retry(kind="exponential", initial_s=0.0), [0.0, 0.0, 0.0]),
    ],
)
def test_delays_follow_the_kind_and_stay_under_the_cap(retry: Retry, delays: list[float]) -> None:
    assert [delay_s(retry, n + 1, 0.0, 0.5) for n in range(len(delays))] == delays


@pytest.mark.parametrize(
    ("previous", "chance", "delay"),
    [(0.0, 0.0, 1.0), (0.0, 0.5, 2.0), (2.0, 0.5, 3.5), (2.0, 0.0, 1.0), (100.0, 0.9, 60.0)],
)
def test_decorrelated_delay_is_between_the_initial_one_and_three_times_the_previous(
    previous: float, chance: float, delay: float
) -> None:
    assert delay_s(Retry(kind="decorrelated"), 1, previous, chance) == delay


def test_an_exponent_beyond_floats_is_the_cap() -> None:
    assert delay_s(Retry(factor=10.0, cap_s=7.0), 100_000, 0.0, 0.0) == 7.0


@pytest.mark.parametrize(
    ("retry", "code", "counted", "retryable", "why"),
    [
        (Retry(attempts_max=3), "x", 2, True, ""),
        (Retry(attempts_max=3), "x", 3, True, "the last"),
        (Retry(attempts_max=3), "x", 1, False, "not worth another"),
        (Retry(attempts_max=3, permanent_codes=("x",)), "x", 1, True, "permanent"),
        (Retry(attempts_max=3, permanent_codes=("y",)), "x", 1, True, ""),
        (Retry(attempts_max=3, retryable_codes=("y",)), "x", 1, True, "not among"),
        (Retry(attempts_max=3, retryable_codes=("x",)), "x", 1, True, ""),
        (Retry(attempts_max=3, retryable_codes=("x",), permanent_codes=("x",)), "x", 1, True, "pe"),
    ],
)
def test_codes_and_the_number_of_attempts_say_whether_another_follows(
    retry: Retry, code: str, counted: int, retryable: bool, why: str
) -> None:
    found = refusal(retry, Failure(code=code), counted, retryable)
    assert bool(found) == bool(why)
    assert why in found


def retrying(retry: Retry, setting: Setting = Setting()) -> Play:
    return started(workflow(task("a", retry=retry)), setting)


def waits(play: Play, attempts: int) -> list[float]:
    """The waits after each of so many failed attempts."""
    found = []
    for _ in range(attempts):
        play.place("a")
        (fact,) = play.fail("a")
        assert isinstance(fact, AttemptFailed)
        found.append(fact.delay_s)
        play.due(fact.delay_s)
    return found


def test_a_failed_attempt_is_followed_by_another_when_its_wait_is_over() -> None:
    play = retrying(Retry(kind="fixed", attempts_max=2, initial_s=5.0))
    play.place("a")
    (fact,) = play.fail("a")
    assert isinstance(fact, AttemptFailed)
    assert (play.in_s(fact.next_attempt_at), fact.counted) == (5.0, True)
    assert fact.why == "attempt 1 of 2, fixed delay"
    assert play.step("a").status == "retrying"
    assert play.due(4.999) == []
    assert names(play.due(0.001)) == ["task.retry_due"]
    assert list(play.state.ready) == ["a"]
    assert names(play.place("a")) == ["task.dispatched"]
    assert play.attempt("a").number == 2
    assert names(play.complete("a", 7)) == ["task.completed", "run.completed"]
    assert play.state.output == 7


def test_the_last_attempt_fails_the_task_and_says_why() -> None:
    play = retrying(Retry(kind="fixed", attempts_max=2, initial_s=0.0))
    play.place("a")
    play.fail("a")
    play.place("a")
    failed, ended = play.fail("a", "kaput")
    assert isinstance(failed, TaskFailed)
    assert (failed.attempt, failed.failure.code) == (2, "kaput")
    assert failed.why == "attempt 2 of 2 was the last"
    assert names([ended]) == ["run.failed"]


def test_a_delay_of_nothing_makes_the_task_ready_at_once() -> None:
    play = retrying(Retry(kind="fixed", attempts_max=2, initial_s=0.0))
    play.place("a")
    play.fail("a")
    assert list(play.state.ready) == ["a"]
    assert play.state.timers == {}


@pytest.mark.parametrize("kind", ["fixed", "linear", "exponential", "decorrelated"])
def test_waits_grow_from_attempt_to_attempt_as_the_kind_says(kind: str) -> None:
    retry = Retry(kind=kind, attempts_max=9, initial_s=1.0, cap_s=20.0)  # type: ignore[arg-type]
    found = waits(retrying(retry, Setting(jitter_seed="s")), 5)
    assert all(1.0 <= wait <= 20.0 for wait in found)
    if kind == "linear":
        assert found == [1.0, 2.0, 3.0, 4.0, 5.0]
    if kind == "exponential":
        assert found == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_jitter_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    retry = Retry(kind="decorrelated", attempts_max=9)
    first, again, other = (
        waits(retrying(retry, Setting(jitter_seed=seed)), 4) for seed in ("s", "s", "t")
    )
    assert first == again
    assert first != other
    assert len(set(first)) == 4


def test_jitter_differs_between_runs() -> None:
    retry = Retry(kind="decorrelated", attempts_max=9)
    one, two = (waits(retrying(retry, Setting(run_id=name)), 2) for name in ("r1", "r2"))
    assert one != two


def test_the_task_s_policy_comes_before_the_run_s() -> None:
    options = RunOptions(retry=Retry(kind="fixed", attempts_max=5, initial_s=3.0))
    of_the_run = started(workflow(task("a")), Setting(options=options))
    assert waits(of_the_run, 1) == [3.0]
    of_the_task = retrying(Retry(kind="fixed", attempts_max=2), Setting(options=options))
    assert waits(of_the_task, 1) == [1.0]


def test_without_a_policy_the_first_failure_is_final() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    assert names(play.fail("a")) == ["task.failed", "run.failed"]


def test_what_the_handler_asks_for_comes_before_the_policy() -> None:
    play = retrying(Retry(attempts_max=5))
    play.place("a")
    assert names(play.fail("a", retryable=False)) == ["task.failed", "run.failed"]


def test_a_later_attempt_forgets_nothing_that_counts() -> None:
    """A lost attempt between two failures is not counted, and does not start the count anew."""
    play = retrying(Retry(kind="fixed", attempts_max=2, initial_s=0.0))
    play.place("a")
    play.fail("a")
    play.place("a")
    play.lose("a")
    play.place("a")
    assert names(play.fail("a")) == ["task.failed", "run.failed"]
    assert play.step("a").attempt == 3


def test_a_loss_between_failures_does_not_begin_the_backoff_anew() -> None:
    retry = Retry(kind="decorrelated", attempts_max=9, initial_s=1.0, cap_s=1000.0)
    lossy, calm = (retrying(retry, Setting(jitter_seed="s")) for _ in range(2))
    waits(lossy, 3)
    waits(calm, 3)
    lossy.place("a")
    lossy.lose("a")
    assert lossy.step("a").delay_s == calm.step("a").delay_s


@pytest.mark.edge("Limits.retry_after_s_max")
@pytest.mark.parametrize(
    ("asked_s", "delay_s", "why"),
    [
        (0.0, 2.0, "attempt 1 of 3, exponential delay"),
        (2.0, 2.0, "attempt 1 of 3, exponential delay"),
        (7.5, 7.5, "attempt 1 of 3, the delay asked for"),
        (10.0, 10.0, "attempt 1 of 3, the delay asked for"),
        (10.1, 10.0, "attempt 1 of 3, the delay asked for"),
        (-1.0, 2.0, "attempt 1 of 3, exponential delay"),
    ],
)
def test_a_task_may_ask_for_a_longer_delay_within_the_limit(
    asked_s: float, delay_s: float, why: str
) -> None:
    retry = Retry(attempts_max=3, initial_s=2.0)
    play = started(workflow(task("a", retry=retry)), Setting(limits=Limits(retry_after_s_max=10.0)))
    play.place("a")
    (fact,) = play.fail("a", retry_after_s=asked_s)
    assert isinstance(fact, AttemptFailed)
    assert (fact.delay_s, fact.why) == (delay_s, why)
    assert play.due(delay_s - 0.1) == []
    assert names(play.due(0.1)) == ["task.retry_due"]


def test_a_delay_asked_for_that_ends_after_schedule_to_close_is_not_waited_for() -> None:
    limits = Timeouts(schedule_to_close_s=5.0)
    play = started(workflow(task("a", retry=Retry(attempts_max=3), timeouts=limits)))
    play.place("a")
    (fact, *_) = play.fail("a", retry_after_s=5.0)
    assert isinstance(fact, TaskFailed)
    assert "after schedule-to-close" in fact.why
