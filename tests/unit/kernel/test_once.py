"""Parts of handlers that are done once per task: recorded as facts, sent with every attempt."""

import pytest

from events import messages as m
from events.codec import encode
from events.definition import Handler
from events.ids import Attempt
from events.limits import ONCE_BYTES_MAX, ONCE_VALUES_MAX
from events.messages import Execute
from events.policies import Retry
from events.task_facts import OnceRecorded, TaskFailed
from events.values import Value
from orchestrator.kernel.commands import command
from orchestrator.kernel.once import is_recorded
from tests.builders import Play, names, started, task, workflow


def one_task(**fields: object) -> Play:
    play = started(workflow(task("a", **fields)))
    play.place("a")
    return play


def once(play: Play, name: str, value: Value = None) -> m.Once:
    return m.Once(attempt=play.attempt("a"), name=name, value=value)


def sent(play: Play) -> dict[str, Value]:
    found = command(play.state, play.net, "a", 0)
    assert isinstance(found, Execute)
    return found.once


def test_a_value_is_a_fact_and_goes_with_every_later_attempt() -> None:
    play = one_task(retry=Retry(attempts_max=3, initial_s=0.0))
    (fact,) = play.report(once(play, "charge", {"id": 7}))
    assert fact == OnceRecorded(step="a", attempt=1, name="charge", value={"id": 7})
    play.lose("a")
    play.place("a", "n2")
    assert sent(play) == {"charge": {"id": 7}}
    play.report(once(play, "mail"))
    play.fail("a")
    play.due()
    play.place("a", "n3")
    assert sent(play) == {"charge": {"id": 7}, "mail": None}
    play.check_replay()


def test_the_first_value_of_a_name_stays() -> None:
    play = one_task()
    play.report(once(play, "charge", 1))
    assert play.report(once(play, "charge", 2)) == []
    assert sent(play) == {"charge": 1}


def test_a_fenced_attempt_s_value_is_not_recorded() -> None:
    play = one_task()
    late = once(play, "charge", 1)
    play.lose("a")
    play.place("a")
    assert play.report(late) == []
    assert not is_recorded(play.state, late)
    play.report(once(play, "charge", 2))
    assert is_recorded(play.state, once(play, "charge"))
    assert not is_recorded(play.state, late), "recorded, but not for the one that is fenced"


def test_an_unknown_task_s_value_is_fenced() -> None:
    play = one_task()
    stray = m.Once(attempt=Attempt("run-1", "b", 0, 1), name="charge")
    assert play.report(stray) == []
    assert not is_recorded(play.state, stray)


@pytest.mark.edge("ONCE_VALUES_MAX")
def test_more_than_may_be_kept_fails_the_task() -> None:
    handled = Handler(codes=("too_much_once",))
    play = one_task(on_error=(handled,))
    for number in range(ONCE_VALUES_MAX):
        play.report(once(play, f"n{number}"))
    facts = play.report(once(play, "one more"))
    assert names(facts) == ["task.failed", "run.completed"]


@pytest.mark.edge("ONCE_BYTES_MAX")
def test_larger_than_may_be_kept_fails_the_task() -> None:
    room = ONCE_BYTES_MAX - len(encode({"n": ""}))
    play = one_task(retry=Retry(attempts_max=3))
    assert names(play.report(once(play, "n", "x" * room))) == ["once.recorded"]
    play = one_task(retry=Retry(attempts_max=3))
    failed = play.report(once(play, "n", "x" * (room + 1)))[0]
    assert isinstance(failed, TaskFailed)
    assert failed.failure.code == "too_much_once"


def test_a_fork_goes_on_with_what_was_done() -> None:
    play = one_task()
    play.report(once(play, "charge", 1))
    play.fork("r2", play.state.version)
    play.place("a")
    assert sent(play) == {"charge": 1}
