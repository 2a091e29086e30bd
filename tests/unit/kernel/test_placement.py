"""Placement as a table: which node gets a task, or why none."""

import pytest

from events.facts import LossReason
from events.limits import OTHERS_TOLD_MAX
from events.net import Task
from events.policies import Needs
from orchestrator.kernel.placement import Chosen, NodeSlots, Obstructed, Wishes, place

WORK = Task(task="work")


def node(name: str, outstanding: int = 0, credits_: int = 4, **fields: object) -> NodeSlots:
    made = NodeSlots(name, f"{name}-1", frozenset({"work"}), credits_, outstanding)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def chosen(task: Task, *nodes: NodeSlots, excluded: dict[str, LossReason] | None = None) -> Chosen:
    answer = place(task, nodes, Wishes(excluded or {}))
    assert isinstance(answer, Chosen), answer
    return answer


def obstructed(task: Task, *nodes: NodeSlots) -> Obstructed:
    answer = place(task, nodes, Wishes())
    assert isinstance(answer, Obstructed), answer
    return answer


@pytest.mark.parametrize(
    ("nodes", "winner"),
    [
        ([node("a"), node("b")], "a"),
        ([node("b"), node("a")], "a"),
        ([node("a", 1), node("b")], "b"),
        ([node("a", 1, 2), node("b", 3, 8)], "b"),
        ([node("a", 4), node("b", 3)], "b"),
        ([node("a", refusal="draining"), node("b", 3)], "b"),
        ([node("a", tasks=frozenset({"other"})), node("b", 3)], "b"),
        ([node("a", 0, 0), node("b", 3)], "b"),
        ([node("a"), node("b", weight=2.0)], "b"),
        ([node("a"), node("b", 1, weight=2.0)], "a"),
        ([node("a", 1), node("b", 2, weight=2.0)], "b"),
        ([node("a", credits_=2), node("b", credits_=8)], "b"),
    ],
)
def test_the_least_loaded_suitable_node_wins_ties_by_name(
    nodes: list[NodeSlots], winner: str
) -> None:
    answer = chosen(WORK, *nodes)
    assert (answer.node, answer.incarnation) == (winner, f"{winner}-1")


def test_labels_must_be_carried() -> None:
    task = Task(task="work", labels={"disk": "ssd"})
    nodes = [node("a", labels={"disk": "hdd"}), node("b"), node("c", 3, labels={"disk": "ssd"})]
    answer = chosen(task, *nodes)
    assert answer.node == "c"
    assert answer.placement.excluded == {"a": "label disk is not ssd", "b": "label disk is not ssd"}


@pytest.mark.parametrize(
    ("needs", "capacity", "fits"),
    [
        (Needs(cpu=2.0), Needs(cpu=2.0), True),
        (Needs(cpu=2.5), Needs(cpu=2.0), False),
        (Needs(memory_bytes=10), Needs(memory_bytes=9), False),
        (Needs(disk_bytes=10), Needs(disk_bytes=9), False),
        (Needs(gpu=1), Needs(gpu=0), False),
        (Needs(gpu=1), Needs(gpu=2), True),
        (Needs(custom={"license": 1.0}), Needs(), False),
        (Needs(custom={"license": 1.0}), Needs(custom={"license": 1.0}), True),
        (Needs(), Needs(), True),
    ],
)
def test_the_node_must_have_what_the_task_needs(needs: Needs, capacity: Needs, fits: bool) -> None:
    answer = place(Task(task="work", needs=needs), [node("a", capacity=capacity)], Wishes())
    assert isinstance(answer, Chosen) == fits
    if isinstance(answer, Obstructed):
        assert answer.obstacle == "no_node"
        assert " < " in answer.detail


def test_a_node_that_lost_the_task_is_taken_only_when_there_is_no_other() -> None:
    lost: dict[str, LossReason] = {"a": "node_lost"}
    answer = chosen(WORK, node("a"), node("b", 3), excluded=lost)
    assert answer.node == "b"
    assert answer.placement.excluded == {"a": "node_lost"}
    alone = chosen(WORK, node("a"), node("b", 4), excluded=lost)
    assert alone.node == "a"
    assert alone.placement.excluded == {}


def test_the_choice_is_recorded_with_candidates_and_score() -> None:
    answer = chosen(WORK, node("a", 1), node("b", 2), node("c", tasks=frozenset()))
    assert (answer.placement.candidates, answer.placement.score) == (2, 0.5)
    assert answer.placement.excluded == {"c": "does not know work"}


@pytest.mark.edge("OTHERS_TOLD_MAX")
def test_the_scores_of_those_that_came_next_are_recorded_as_far() -> None:
    nodes = [node(name, used, 10) for used, name in enumerate("abcdef")]
    placement = chosen(WORK, *nodes).placement
    assert (placement.score, placement.candidates) == (0.9, 6)
    assert placement.others == {"b": 0.8, "c": 0.7, "d": 0.6}
    assert len(placement.others) == OTHERS_TOLD_MAX
    assert chosen(WORK, nodes[0]).placement.others == {}


def test_without_any_node_the_obstacle_says_so() -> None:
    found = obstructed(WORK)
    assert found.obstacle == "no_node"
    assert "no node is registered" in found.detail
    assert "work" in found.detail


def test_without_a_suitable_node_the_obstacle_names_each_and_why() -> None:
    found = obstructed(WORK, node("b", refusal="draining"), node("a", tasks=frozenset()))
    assert found.obstacle == "no_node"
    assert found.detail == "no suitable node for work: a: does not know work; b: draining"


def test_the_reasons_of_a_large_cluster_are_cut_short() -> None:
    found = obstructed(WORK, *(node(f"n{k:04}", tasks=frozenset()) for k in range(1000)))
    assert len(found.detail) < 1000


def test_full_nodes_are_another_obstacle_than_none() -> None:
    found = obstructed(WORK, node("a", 4), node("b", 5), node("c", tasks=frozenset()))
    assert (found.obstacle, found.detail) == ("no_slot", "2 suitable nodes are full")


def shares(tasks: int, *weights: float) -> list[int]:
    """How many of so many tasks each of some equal nodes gets."""
    nodes = [node(f"n{k}", credits_=100, weight=weight) for k, weight in enumerate(weights)]
    for _ in range(tasks):
        best = chosen(WORK, *nodes)
        next(one for one in nodes if one.node == best.node).outstanding += 1
    return [one.outstanding for one in nodes]


@pytest.mark.parametrize(
    ("tasks", "weights", "expected"),
    [
        (60, (1.0, 1.0, 1.0), [20, 20, 20]),
        (60, (1.0, 2.0, 3.0), [10, 20, 30]),
        (30, (1.0, 0.5), [20, 10]),
        (180, (1.0, 3.0), [80, 100]),
    ],
)
def test_a_weight_is_a_share_as_long_as_there_are_credits(
    tasks: int, weights: tuple[float, ...], expected: list[int]
) -> None:
    assert shares(tasks, *weights) == expected


def test_the_weight_is_recorded_with_the_choice() -> None:
    assert chosen(WORK, node("a", weight=2.5)).placement.weight == 2.5


BUILDS = (node("a", build_id="b1"), node("b", build_id="b2"), node("c"))


@pytest.mark.parametrize(
    ("build", "winner"), [("", "a"), ("b1", "a"), ("b2", "b"), ("pinned", "a")]
)
def test_the_build_is_kept_to(build: str, winner: str) -> None:
    answer = place(WORK, BUILDS, Wishes(build=build))
    assert isinstance(answer, Chosen)
    assert (answer.node, answer.build_id) == (winner, f"b{'ab'.index(winner) + 1}")


def test_without_a_node_of_the_build_the_obstacle_says_so() -> None:
    answer = place(WORK, BUILDS, Wishes(build="b3"))
    assert answer == Obstructed(
        "no_node",
        "no suitable node for work: a: build b1 is not b3; b: build b2 is not b3; "
        "c: does not say its build",
    )


def test_a_task_that_was_moved_goes_where_it_is_to_go_only() -> None:
    answer = place(WORK, BUILDS, Wishes(target="b"))
    assert isinstance(answer, Chosen)
    assert answer.node == "b"
    assert answer.placement.excluded["a"] == "an operator moved it to b"


def test_a_task_that_was_moved_off_a_node_never_goes_back_there() -> None:
    answer = place(WORK, BUILDS, Wishes(off=("a",)))
    assert isinstance(answer, Chosen)
    assert answer.node == "b"
    nowhere = place(WORK, BUILDS[:1], Wishes(off=("a",)))
    assert isinstance(nowhere, Obstructed)
    assert "a: an operator moved it off" in nowhere.detail
