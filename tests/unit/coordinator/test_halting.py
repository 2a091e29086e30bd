"""Operators' actions on transactional tasks: asked for until it is settled what became of these."""

import pytest

from events.api import (
    CancelRun,
    CompleteStep,
    FailStep,
    MoveStep,
    Refused,
    RegisterWorkflow,
    RestoreRun,
    RunAnswer,
    RunView,
    ShowRun,
    SkipStep,
    StartRun,
    TerminateRun,
)
from events.definition import CallStep, Definition, ParallelStep, TaskStep
from events.facts import Failure
from events.ids import Attempt, child_run, shard_of
from events.messages import Cancel, Execute, Failed, Heartbeat, Report, Reports, Returned
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import ReportDelivery
from tests.unit.coordinator.driving import SHARDS, Drive
from tests.unit.coordinator.test_operators import find_pasts
from tests.unit.coordinator.test_resting import row

PAY = Definition(
    name="pay",
    steps=(
        ParallelStep(
            id="p",
            branches={"x": (TaskStep(id="a", task="t"),), "y": (TaskStep(id="b", task="t"),)},
        ),
    ),
)
PARENT = Definition(name="parent", steps=(CallStep(id="call", workflow="pay"),))
CHILD_ID = child_run("r1", "call", 0, 1)

Action = SkipStep | CompleteStep | FailStep | RestoreRun | TerminateRun
ACTIONS: list[Action] = [
    SkipStep(run_id="r1", step="a", id="x", reason="so"),
    CompleteStep(run_id="r1", step="a", id="x", output=7, reason="so"),
    FailStep(run_id="r1", step="a", id="x", message="so", reason="so"),
    RestoreRun(run_id="r1", id="x", version=1, reason="so"),
    TerminateRun(run_id="r1", reason="so"),
]


def beat(drive: Drive, *held: Attempt) -> Drive:
    """A node that runs the task in a transaction."""
    return drive.beat(
        Heartbeat(
            node="n1",
            incarnation="i1",
            sequence=0,
            credits=10,
            tasks=("t",),
            held=held,
            transactional=("t",),
        )
    )


def begun(workflow: str = "pay") -> tuple[Drive, list[Execute]]:
    drive = beat(Drive().own()).commit()
    for definition in (PAY, PARENT):
        drive.ask(RegisterWorkflow(definition=definition)).commit()
    drive.outputs = []
    drive.ask(StartRun(run_id="r1", workflow=workflow)).commit()
    drive.read_runs()
    executes = drive.executes()
    drive.outputs = []
    return drive, executes


def reported(drive: Drive, report: Report, sequence: int) -> Drive:
    message = Reports(node="n1", incarnation="i1", reports=(report,))
    shard = shard_of(report.attempt.run_id, SHARDS)
    delivery = ReportDelivery(shard, sequence, message)
    return drive.step(s.ReportsArrived(deliveries=(delivery,))).commit()


def given_back(attempt: Attempt) -> Returned:
    return Returned(attempt=attempt, reason="recalled", message="", started=True)


def abandoned(attempt: Attempt) -> Failed:
    return Failed(attempt=attempt, failure=Failure(code="task_abandoned"), retryable=False)


def asked(drive: Drive, request: Action) -> RunView | Refused:
    drive.outputs = [one for one in drive.outputs if not isinstance(one, s.Answer)]
    drive.ask(request).commit()
    while find_pasts(drive):
        drive.commit()
    (answer,) = [one.answer for one in drive.take(s.Answer) if one.reply_to == "client"]
    assert isinstance(answer, (RunAnswer, Refused))
    return answer.run if isinstance(answer, RunAnswer) else answer


def unavailable(answer: RunView | Refused) -> str:
    assert isinstance(answer, Refused)
    assert answer.code == "unavailable"
    return answer.message


@pytest.mark.parametrize("request_", ACTIONS)
def test_it_is_done_when_the_tombstones_are_there(request_: Action) -> None:
    drive, (a, b) = begun()
    assert "the transaction of a" in unavailable(asked(drive, request_))
    cancels = [one for one in drive.commands() if isinstance(one, Cancel)]
    of_step = isinstance(request_, (SkipStep, CompleteStep, FailStep))
    assert [one.attempt for one in cancels] == [a.attempt] + [b.attempt] * (not of_step)
    for number, cancel in enumerate(cancels):
        reported(drive, given_back(cancel.attempt), 10 + number)
    settling = drive.executes()
    assert [one.settle for one in settling] == [True] * len(cancels)
    unavailable(asked(drive, request_))
    drive.outputs = []
    for number, execute in enumerate(settling):
        reported(drive, abandoned(execute.attempt), 20 + number)
    assert drive.executes() == [], "the action comes first"
    done = asked(drive, request_)
    assert isinstance(done, RunView)
    assert "run.halted.v1" in [event.type for event in drive.log]
    if done.status == "running":
        assert {one.attempt.generation for one in drive.executes()} <= {1, 2, 3}


def test_without_a_second_question_the_run_goes_on() -> None:
    drive, (a, b) = begun()
    unavailable(asked(drive, ACTIONS[0]))
    reported(drive, given_back(a.attempt), 2)
    (settling,) = drive.executes()
    reported(drive, abandoned(settling.attempt), 3)
    drive.outputs = []
    for _ in range(11):
        beat(drive.wait(1.0), b.attempt).commit()
    drive.step(s.DueFound(rows=(row(drive, "r1"),))).commit()
    (again,) = drive.executes()
    assert (again.attempt.generation, again.settle) == (1, False)


def test_a_node_that_a_task_was_moved_off_may_say_what_became_of_it() -> None:
    drive, (a, _) = begun()
    drive.ask(MoveStep(run_id="r1", step="a", id="x", off=("n1",), reason="so")).commit()
    drive.outputs = []
    reported(drive, given_back(a.attempt), 2)
    assert drive.executes() == []
    assert drive.rebuilt().state.steps["a"].obstacle == "no_node"
    drive.ask(CancelRun(run_id="r1")).commit()
    (settling,) = drive.executes()
    assert (settling.attempt.step, settling.settle) == ("a", True)


def test_meanwhile_it_is_said_what_the_run_waits_for() -> None:
    drive, (a, _) = begun()
    unavailable(asked(drive, ACTIONS[0]))
    reported(drive, given_back(a.attempt), 2)
    drive.outputs = []
    drive.ask(ShowRun(run_id="r1"))
    (answer,) = drive.take(s.Answer)
    assert isinstance(answer.answer, RunAnswer)
    assert answer.answer.run.pending == "what became of the transaction of a"


def test_who_does_not_wait_is_answered_at_once() -> None:
    drive, _ = begun()
    done = asked(drive, TerminateRun(run_id="r1", reason="so", unsettled=True))
    assert isinstance(done, RunView)
    assert done.status == "failed"


def test_the_child_of_a_run_that_is_terminated_settles_before_it_ends() -> None:
    drive, executes = begun("parent")
    assert {one.attempt.run_id for one in executes} == {CHILD_ID}
    done = asked(drive, TerminateRun(run_id="r1", reason="so"))
    assert isinstance(done, RunView)
    assert done.status == "failed"
    drive.read_runs()
    drive.commit()
    for number, execute in enumerate(executes):
        reported(drive, given_back(execute.attempt), 10 + number)
    settling = [one for one in drive.executes() if one.settle]
    assert len(settling) == len(executes)
    for number, execute in enumerate(settling):
        reported(drive, abandoned(execute.attempt), 20 + number)
    assert drive.rebuilt(CHILD_ID).state.status == "cancelled"
