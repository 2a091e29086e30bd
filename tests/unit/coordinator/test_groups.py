"""Groups with a limit of time: a late one calls back what nodes have of it, at once."""

from events.api import RegisterWorkflow, StartRun
from events.definition import (
    Definition,
    Handler,
    ParallelStep,
    Step,
    TaskStep,
    WaitStep,
    WithinStep,
)
from events.messages import Cancel
from tests.unit.coordinator.driving import Drive

BRANCHES: dict[str, tuple[Step, ...]] = {
    "x": (TaskStep(id="a", task="t"),),
    "y": (WaitStep(id="nap", duration=60.0),),
}
LATE = Definition(
    name="late",
    steps=(
        WithinStep(
            id="offer",
            timeout_s=1.0,
            steps=(ParallelStep(id="both", branches=BRANCHES),),
            on_error=(Handler(),),
        ),
    ),
)


def test_what_a_node_has_of_a_late_group_is_called_back_when_that_is_durable() -> None:
    drive = Drive().ready()
    drive.ask(RegisterWorkflow(definition=LATE)).commit()
    drive.ask(StartRun(run_id="r1", workflow="late")).commit()
    (execute,) = drive.executes()
    drive.wait(1.25)
    assert not [command for command in drive.commands() if isinstance(command, Cancel)]

    drive.commit()
    (cancel,) = [command for command in drive.commands() if isinstance(command, Cancel)]
    assert (cancel.attempt, cancel.code) == (execute.attempt, "within_timeout")
    drive.step(drive.report(execute.attempt)).commit()
    assert drive.rebuilt().state.status == "completed"
