"""Placing: whom a task that nobody can take keeps waiting."""

from events.api import RegisterWorkflow
from events.definition import Definition, TaskStep
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive


def test_tasks_that_no_node_can_take_are_in_nobodys_way() -> None:
    drive = Drive(Settings(dispatch_max=2)).own().node().commit()
    drive.ask(
        RegisterWorkflow(definition=Definition(name="two", steps=(TaskStep(id="a", task="u"),)))
    )
    drive.commit()
    for n in range(5):
        drive.start(f"u{n}").commit()
    drive.register().start().commit()
    drive.wait(1.0).commit()
    assert [one.attempt.run_id for one in drive.executes()] == ["r1"]


def test_what_a_full_cluster_has_refused_is_placed_when_there_is_room() -> None:
    drive = Drive().ready()
    for n in range(12):  # the node has ten credits
        drive.start(f"r{n}").commit()
    first, *others = [one.attempt for one in drive.executes()]
    assert len(others) == 9
    drive.step(drive.report(first)).commit()
    assert [one.attempt.run_id for one in drive.executes()] == ["r10"], "the oldest one"
    drive.node("n2", "i2").commit()
    assert {one.attempt.run_id for one in drive.executes()} == {"r11", first.run_id}
