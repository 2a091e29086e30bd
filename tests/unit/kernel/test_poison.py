"""Tasks that take their agents with them: what counts, what is waited for, what is kept."""

import pytest

from events import messages as m
from events.definition import Handler
from events.facts import LossReason
from events.limits import Limits
from events.task_facts import AttemptFailed, TaskDeadLettered, TaskFailed
from tests.builders import Play, Setting, names, started, task, workflow

LIMITS = Limits(kills_max=4, kills_apart=2, killed_delay_s=1.0, killed_delay_s_max=3.0)


def one_task(limits: Limits = LIMITS, **fields: object) -> Play:
    play = started(workflow(task("a", **fields)), Setting(limits=limits))
    play.place("a")
    return play


def lost(play: Play, node: str) -> AttemptFailed:
    """Loses the attempt, waits for the next one and places it."""
    (fact,) = play.lose("a")
    assert isinstance(fact, AttemptFailed)
    play.due(fact.delay_s)
    play.place("a", node, f"i-{node}")
    return fact


@pytest.mark.edge("Limits.kills_apart")
@pytest.mark.edge("Limits.killed_delay_s")
@pytest.mark.edge("Limits.killed_delay_s_max")
def test_each_further_death_is_waited_for_longer() -> None:
    play = one_task(Limits(kills_max=9, killed_delay_s_max=3.0))
    assert [lost(play, f"n{n}").delay_s for n in range(5)] == [0.0, 1.0, 2.0, 3.0, 3.0]
    play.check_replay()


@pytest.mark.parametrize(
    ("reason", "started", "counts"),
    [
        ("node_restarted", True, True),
        ("node_restarted", False, False),
        ("node_reset", True, False),
        ("recalled", True, False),
        ("refused", False, False),
    ],
)
def test_only_what_may_have_been_running_counts(
    reason: LossReason, started: bool, counts: bool
) -> None:
    play = one_task()
    play.give_back("a", reason, started)
    assert bool(play.step("a").kills) is counts


@pytest.mark.edge("Limits.kills_max")
def test_the_limit_buries_the_task_with_its_evidence() -> None:
    play = one_task()
    for node in ("n2", "n3", "n4"):
        lost(play, node)
    play.report(m.Started(attempt=play.attempt("a"), started_at=play.now))
    play.report(m.Progressed(attempt=play.attempt("a"), details={"row": 7}, sequence=1))
    play.wait(2.0)
    letter, failed, _ = play.lose("a", "node_restarted")
    assert isinstance(letter, TaskDeadLettered)
    assert isinstance(failed, TaskFailed)
    assert (letter.step, letter.task, letter.code, letter.details) == (
        "a", "work", "poison_task", {"row": 7}
    )  # fmt: skip
    assert [(one.attempt, one.node, one.incarnation, one.loss) for one in letter.kills] == [
        (1, "n1", "i1", "node_lost"),
        (2, "n2", "i-n2", "node_lost"),
        (3, "n3", "i-n3", "node_lost"),
        (4, "n4", "i-n4", "node_restarted"),
    ]
    last = letter.kills[-1]
    assert (last.started_at, last.lost_at) == (play.now - 2_000_000, play.now)
    assert last.dispatched_at == last.started_at
    assert failed.failure.code == "poison_task"
    assert failed.failure.details == {"attempts": [1, 2, 3, 4], "nodes": ["n1", "n2", "n3", "n4"]}
    assert failed.why == "4 attempts were lost with their agents, at 4 no further one is made"
    assert play.state.status == "failed"
    play.check_replay()


def test_a_dead_letter_can_be_handled_by_its_code() -> None:
    play = one_task(Limits(kills_max=1), on_error=(Handler(codes=("poison_task",)),))
    assert names(play.lose("a")) == ["task.dead_lettered", "task.failed", "run.completed"]


def test_a_fork_begins_without_suspicion() -> None:
    play = one_task()
    lost(play, "n2")
    play.fork("r2", play.state.version)
    assert play.step("a").kills == ()
