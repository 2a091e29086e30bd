"""Placing: whom a task that nobody can take keeps waiting."""

from events.api import RegisterWorkflow, StartRun
from events.definition import Definition, ParallelStep, Step, TaskStep
from events.messages import Heartbeat
from events.policies import RunOptions
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


def workflow(name: str, task: str, priority: int = 0) -> RegisterWorkflow:
    """One that does `task` once."""
    step, options = TaskStep(id="a", task=task), RunOptions(priority=priority)
    return RegisterWorkflow(definition=Definition(name=name, options=options, steps=(step,)))


def node(drive: Drive, name: str, task: str, room: int) -> Drive:
    beat = Heartbeat(node=name, incarnation="i", sequence=0, credits=room, tasks=(task,))
    return drive.beat(beat).commit()


def start(drive: Drive, name: str, *run_ids: str) -> Drive:
    for run_id in run_ids:
        drive.ask(StartRun(run_id=run_id, workflow=name)).commit()
    return drive


def given(drive: Drive) -> list[str]:
    return [one.attempt.run_id for one in drive.executes()]


def test_nobody_waits_behind_tasks_for_nodes_that_are_full() -> None:
    drive = Drive(Settings(dispatch_max=2)).own()
    node(node(drive, "n1", "t", 1), "n2", "u", 1)
    drive.ask(workflow("one", "t")).ask(workflow("other", "u")).commit()
    start(drive, "one", *(f"t{n}" for n in range(9)))
    assert given(drive) == ["t0"]
    assert given(start(drive, "other", "u0")) == ["u0"]


def test_nobody_waits_behind_a_run_that_has_as_much_as_it_may() -> None:
    drive = Drive(Settings(dispatch_max=2)).own()
    node(drive, "n1", "t", 9)
    branches: dict[str, tuple[Step, ...]] = {
        f"b{n}": (TaskStep(id=f"t{n}", task="t"),) for n in range(9)
    }
    steps = (ParallelStep(id="p", branches=branches),)
    options = RunOptions(concurrency_max=1)
    drive.ask(RegisterWorkflow(definition=Definition(name="w", options=options, steps=steps)))
    drive.ask(workflow("one", "t")).commit()
    start(drive, "w", "capped")
    start(drive, "one", "r1")
    assert given(drive) == ["capped", "r1"]


def test_what_has_a_higher_priority_comes_first() -> None:
    drive = Drive().own()
    drive.ask(workflow("low", "t", priority=-1)).ask(workflow("usual", "t"))
    drive.ask(workflow("high", "t", priority=5)).commit()
    start(start(start(drive, "low", "low"), "usual", "first", "second"), "high", "high")
    node(drive, "n1", "t", 9)
    assert given(drive) == ["high", "first", "second", "low"]
