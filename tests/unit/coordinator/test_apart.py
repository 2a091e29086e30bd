"""Tasks with which agents have died are kept apart, so that the guilty one is found."""

import pytest

from events.ids import Attempt
from events.messages import Heartbeat
from tests.unit.coordinator.driving import Drive

RUNS = ("r1", "r2")


def crashed(drive: Drive, node: str, number: int) -> None:
    """The node's agent comes back as another process that has nothing of what it had."""
    drive.node(node, f"{node}-{number}").commit()


def sent(drive: Drive) -> dict[str, str]:
    """Where the newest attempts of the runs are: run → node, by the log."""
    return {
        run_id: drive.rebuilt(run_id).state.steps["a"].node
        for run_id in RUNS
        if drive.rebuilt(run_id).state.outstanding
    }


def twice_dead(*nodes: str, unfit: str = "") -> Drive:
    """Two tasks, side by side when an agent died, twice; now they may be given out again. `unfit`:
    a node that does not know the task."""
    drive = Drive().own().node("n1", "n1-0").commit().register()
    if unfit:
        drive.beat(Heartbeat(node=unfit, incarnation="i1", sequence=0, tasks=("other",))).commit()
    for run_id in RUNS:
        drive.start(run_id).commit()
    crashed(drive, "n1", 1)
    assert sent(drive) == {"r1": "n1", "r2": "n1"}, "one death is chance"
    crashed(drive, "n1", 2)
    assert sent(drive) == {}, "both wait now"
    for node in nodes:
        drive.node(node, f"{node}-0").commit()
    beats = {"n1": "n1-2", **{node: f"{node}-0" for node in nodes}}
    for _ in range(5):
        drive.wait(0.25).commit()
        for node, incarnation in beats.items():
            held = tuple(
                Attempt(run_id, "a", 0, drive.rebuilt(run_id).state.steps["a"].attempt)
                for run_id, where in sent(drive).items()
                if where == node
            )
            drive.node(node, incarnation, held=held).commit()
    return drive


def test_suspects_are_given_to_different_nodes() -> None:
    drive = twice_dead("n2")
    assert sorted(sent(drive).values()) == ["n1", "n2"]


@pytest.mark.parametrize("unfit", ["", "n9"])
def test_a_suspect_waits_where_each_node_has_another(unfit: str) -> None:
    drive = twice_dead(unfit=unfit)
    assert list(sent(drive).values()) == ["n1"]
    (held,) = (Attempt(run_id, "a", 0, 3) for run_id in sent(drive))
    drive.step(drive.report(held)).commit()
    drive.node("n1", "n1-2").commit()
    (waited,) = set(RUNS) - {held.run_id}
    assert drive.rebuilt(waited).state.steps["a"].node == "n1"
    assert drive.rebuilt(waited).state.outstanding == {"a": 3}
