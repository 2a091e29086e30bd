"""The fold: complete, strict, and without decisions of its own."""

import pytest

from events import cluster_facts, operator_facts, run_facts, task_facts
from events.catalogue import FACTS, facts_of
from events.errors import InvariantViolation
from events.facts import Fact, Failure, Flow
from events.policies import Retry
from orchestrator.kernel.evolve import FOLDS, evolve
from orchestrator.kernel.state import RunState
from tests.builders import Play, started, task, workflow

FACTS_OF_RUNS = facts_of(run_facts, task_facts, operator_facts)


def test_every_fact_of_runs_and_tasks_has_a_fold_and_no_other_has() -> None:
    assert set(FOLDS) == set(FACTS_OF_RUNS)


def test_every_fact_is_in_the_catalogue() -> None:
    defined = {
        fact
        for module in (run_facts, task_facts, operator_facts, cluster_facts)
        for fact in facts_of(module)
    }
    below: set[type[Fact]] = set()
    todo: list[type[Fact]] = [Fact]
    while todo:
        for kind in todo.pop().__subclasses__():
            if kind.__module__.startswith("events."):
                below.add(kind)
                todo.append(kind)
    assert defined == below == set(FACTS)


def test_a_fact_of_another_stream_is_refused() -> None:
    with pytest.raises(InvariantViolation, match="not a fact of a run"):
        evolve(RunState(), cluster_facts.NodeRecovered(node="n", incarnation="i"), 0)


@pytest.mark.parametrize(
    "fact",
    [
        task_facts.TaskDispatched(step="nope", attempt=1, node="n", incarnation="i"),
        task_facts.TaskPending(step="nope", obstacle="no_slot"),
        task_facts.TaskStarted(step="nope", attempt=1, started_at=0),
        task_facts.TaskCompleted(step="nope", attempt=1),
        task_facts.AttemptFailed(
            step="nope", attempt=1, failure=Failure(code="x"), next_attempt_at=0
        ),
        task_facts.TaskRetryDue(step="nope"),
        task_facts.TaskCancelled(step="nope", attempt=1),
        run_facts.RunFailed(failure=Failure(code="x"), cancelled=("nope",)),
    ],
)
def test_a_fact_about_an_unknown_step_names_itself_and_its_place(fact: Fact) -> None:
    play = started(workflow(task("a")))
    with pytest.raises(InvariantViolation, match=f"{fact.TYPE} as event 2 of run run-1"):
        evolve(play.state, fact, play.now)


def test_a_task_that_is_not_ready_cannot_be_dispatched() -> None:
    play = started(workflow(task("a")))
    play.place("a")
    again = task_facts.TaskDispatched(step="a", attempt=2, node="n", incarnation="i")
    with pytest.raises(InvariantViolation):
        evolve(play.state, again, play.now)


def test_versions_count_the_facts_and_updated_at_is_the_last_one_s() -> None:
    play = started(workflow(task("a")))
    play.wait(5.0)
    play.place("a")
    assert (play.state.version, play.state.updated_at) == (2, play.now)


def history() -> Play:
    play = started(workflow(task("a", retry=Retry(attempts_max=3)), task("b")))
    play.place("a")
    play.fail("a")
    play.due(1.0)
    return play.finish()


def test_a_fold_shares_nothing_with_the_facts_that_made_it() -> None:
    """The same facts folded twice give independent states."""
    play = history()
    first, second = RunState(), RunState()
    for fact, at in zip(play.facts, play.instants, strict=True):
        evolve(first, fact, at)
    first.steps.clear()
    first.variables["x"] = 1
    for fact, at in zip(play.facts, play.instants, strict=True):
        evolve(second, fact, at)
    assert second.variables == {}
    assert set(second.steps) == {"a", "b"}
    play.check_replay()


def test_the_fold_applies_what_was_decided_whatever_the_net_says_today() -> None:
    """No expression, no token game: a flow that no net would give is folded all the same."""
    state = RunState()
    flow = Flow(tokens={"odd>arc": 3}, variables={"x": 1}, entered=("e",), skipped=("s",))
    evolve(
        state, run_facts.RunStarted(run_id="r", workflow="w", workflow_version="v", flow=flow), 5
    )
    assert state.tokens == {"odd>arc": 3}
    assert (state.steps["e"].status, state.steps["s"].status) == ("entered", "skipped")
