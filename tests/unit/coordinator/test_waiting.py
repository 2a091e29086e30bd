"""Runs that only wait: out of memory, and brought back by their timer or a request."""

from events.api import (
    AnyRequest,
    PauseRun,
    RegisterWorkflow,
    ResumeRun,
    RunAnswer,
    RunView,
    ShowRun,
    SignalRun,
    StartRun,
)
from events.definition import Definition, TaskStep, WaitStep
from events.ids import shard_of
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.runs import Slot
from tests.unit.coordinator.driving import SHARDS, START, Drive

WAITING = Definition(
    name="waiting",
    steps=(
        WaitStep(id="nap", duration=3600.0),
        WaitStep(id="go", signal="go"),
        TaskStep(id="a", task="t"),
    ),
)
SIGNAL = SignalRun(run_id="r1", name="go", id="s1", data=7, actor="ada")


def begun() -> Drive:
    drive = Drive().ready()
    drive.ask(RegisterWorkflow(definition=WAITING)).commit()
    drive.ask(StartRun(run_id="r1", workflow="waiting")).commit()
    drive.outputs = []
    return drive


def answered(drive: Drive, request: AnyRequest) -> RunView:
    """What a client is told, with the run loaded when that is asked for."""
    drive.outputs = []
    drive.ask(request)
    for ask in drive.take(s.LoadRun):
        drive.step(s.RunLoaded(run_id=ask.run_id, era=ask.era, rebuilt=drive.rebuilt(ask.run_id)))
    drive.commit()
    (answer,) = [out.answer for out in drive.take(s.Answer) if out.reply_to == "client"]
    assert isinstance(answer, RunAnswer)
    return answer.run


def test_a_run_that_only_waits_is_not_in_memory_and_comes_back_when_it_is_due() -> None:
    drive = begun()
    view = answered(drive, ShowRun(run_id="r1"))
    assert view.status == "waiting"
    assert view.steps[0].pending == "timer until 2023-11-14T23:13:20Z"
    assert view.tasks == ()
    row = drive.rebuilt().state
    assert row.next_due_at == START + 3600_000_000


def test_a_signal_loads_the_run_and_is_answered_once_it_is_durable() -> None:
    drive = begun()
    assert answered(drive, SIGNAL).status == "waiting"
    assert [stored.type for stored in drive.log][-1] == "signal.received.v1"
    version = answered(drive, SIGNAL).version
    assert version == drive.rebuilt().state.version, "the same signal again"


def test_what_a_wait_enables_is_placed() -> None:
    drive = begun()
    answered(drive, SIGNAL)
    drive.at += 3600_000_000
    drive.own(epoch=2).node()
    slot = Slot("r1", shard_of("r1", SHARDS), drive.rebuilt().state, drive.rebuilt().head)
    drive.step(s.DueFound(rows=(slot.row(),)))
    (ask,) = drive.take(s.LoadRun)
    drive.step(s.RunLoaded(run_id="r1", era=ask.era, rebuilt=drive.rebuilt())).step().commit()
    assert drive.rebuilt().state.status == "running"
    assert [e.attempt.step for e in drive.executes()] == ["a"]


def test_a_paused_run_leaves_memory_and_is_placed_when_it_is_resumed() -> None:
    drive = Drive().own().register()
    drive.start().commit()
    view = answered(drive, PauseRun(run_id="r1", reason="a look first"))
    assert (view.status, view.pending) == ("paused", "paused: a look first")
    drive.node().commit()
    assert drive.executes() == []
    assert answered(drive, ShowRun(run_id="r1")).status == "paused"
    assert answered(drive, ResumeRun(run_id="r1")).status == "running"
    assert [e.attempt.step for e in drive.executes()] == ["a"]


def test_what_becomes_ready_during_a_pause_is_placed_after_it() -> None:
    drive = Drive().ready().start().commit()
    (first,) = drive.executes()
    answered(drive, PauseRun(run_id="r1"))
    drive.step(drive.report(first.attempt)).commit()
    assert drive.rebuilt().state.ready == {"b": None}
    assert drive.executes() == []
    answered(drive, ResumeRun(run_id="r1"))
    assert [e.attempt.step for e in drive.executes()] == ["b"]
