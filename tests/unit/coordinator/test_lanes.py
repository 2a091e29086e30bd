"""Lanes: who stands with whom, and who comes first."""

from collections.abc import Callable

import pytest

from events.policies import RunOptions
from events.task_facts import Killed
from orchestrator.coordinator.lanes import Lanes
from orchestrator.kernel.state import RunState, StepState


def run(run_id: str, *steps: str, options: RunOptions = RunOptions()) -> RunState:
    state = RunState(run_id=run_id, workflow="w", workflow_version="v", options=options)
    for step_id in steps or ("a",):
        state.steps[step_id] = StepState("ready")
        state.ready[step_id] = None
    return state


def filled(*states: RunState) -> Lanes:
    lanes = Lanes()
    for now, state in enumerate(states):
        for step_id in state.ready:
            lanes.add(state, step_id, now)
    return lanes


def orders(lanes: Lanes) -> list[list[str]]:
    return [[run_id for run_id, _ in lane.tasks] for lane in lanes]


def test_the_same_step_of_many_runs_and_items_is_one_lane() -> None:
    lanes = filled(run("r1", "a[0]", "a[1]"), run("r2", "a[7]"))
    assert orders(lanes) == [["r1", "r1", "r2"]]
    assert orders(filled(run("r1", "a"), run("r2", "b"))) == [["r1"], ["r2"]]


def avoiding(state: RunState) -> None:
    state.steps["a"].excluded = {"n1": "node_lost"}


def suspect(state: RunState) -> None:
    state.steps["a"].kills = (Killed(attempt=1, node="n1", incarnation="i", loss="node_lost"),)


def moved_to(state: RunState) -> None:
    state.steps["a"].target = "n1"


def moved_off(state: RunState) -> None:
    state.steps["a"].off = ("n1",)


def pinned(state: RunState) -> None:
    state.build = "b1"


@pytest.mark.parametrize("made_peculiar", [avoiding, suspect, moved_to, moved_off, pinned])
def test_what_wants_other_nodes_stands_apart(made_peculiar: Callable[[RunState], None]) -> None:
    state = run("r2")
    made_peculiar(state)
    lanes = filled(run("r1"), state, run("r3"))
    assert orders(lanes) == [["r1", "r3"], ["r2"]]


@pytest.mark.parametrize(
    "options", [RunOptions(concurrency_max=1), RunOptions(build="b1"), RunOptions(priority=1)]
)
def test_what_its_run_asks_for_counts(options: RunOptions) -> None:
    lanes = filled(run("r1"), run("r2", options=options), run("r3"))
    assert orders(lanes) == [["r1", "r3"], ["r2"]]


def test_what_wants_something_else_changes_its_lane() -> None:
    state = run("r1")
    lanes = filled(state, run("r2"))
    state.build = "b1"
    lanes.add(state, "a", 9)
    assert orders(lanes) == [["r2"], ["r1"]]
    assert len(lanes) == 2


def test_what_was_with_a_node_goes_before_the_others_and_is_noted_by_its_own_time() -> None:
    lanes = filled(run("r1"), run("r2"))
    lanes.remove(("r2", "a"))
    lanes.add(run("r2"), "a", 5, again=True)
    assert orders(lanes) == [["r2", "r1"]]
    assert list(lanes.unnoted.values()) == [0, 5]


def test_what_is_removed_leaves_nothing() -> None:
    lanes = filled(run("r1"))
    lanes.remove(("r1", "a"))
    lanes.remove(("r1", "a"))
    assert (len(lanes), orders(lanes), dict(lanes.unnoted)) == (0, [], {})


def test_a_closed_lane_opens_with_room_or_with_another_cluster() -> None:
    (lane,) = filled(run("r1"))
    assert not lane.is_closed(0, set())
    lane.close(0, ("n1", "n2"))
    assert lane.is_closed(0, {"n3"})
    assert not lane.is_closed(0, {"n2"})
    assert not lane.is_closed(1, set())
    assert not lane.is_hopeless(0)


def test_no_room_helps_what_no_node_can_take() -> None:
    (lane,) = filled(run("r1"))
    lane.close(0)
    assert lane.is_closed(0, {"n1"})
    assert lane.is_hopeless(0)
    assert not lane.is_closed(1, set())
