"""Runs that only wait: out of memory, and brought back by their timer or a request."""

from events.api import (
    AnyAnswer,
    AnyRequest,
    PauseRun,
    Queried,
    QueryRun,
    Refused,
    RegisterWorkflow,
    ResumeRun,
    RunAnswer,
    RunView,
    ShowRun,
    SignalRun,
    StartRun,
    Updated,
    UpdateRun,
)
from events.definition import Definition, TaskStep, Update, WaitStep
from events.ids import shard_of
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, START, Drive

WAITING = Definition(
    name="waiting",
    updates={"note": Update(accept="update != 0", variables={"noted": "${ update }"})},
    steps=(
        WaitStep(id="nap", duration=3600.0),
        WaitStep(id="go", signal="go"),
        TaskStep(id="a", task="t"),
    ),
)
SIGNAL = SignalRun(run_id="r1", name="go", id="s1", data=7, actor="ada")


NONE_STAYS = Settings(idle_runs_max=0)


def begun() -> Drive:
    drive = Drive(NONE_STAYS).ready()
    drive.ask(RegisterWorkflow(definition=WAITING)).commit()
    drive.ask(StartRun(run_id="r1", workflow="waiting")).commit()
    drive.outputs = []
    return drive


def answered(drive: Drive, request: AnyRequest) -> RunView:
    answer = told(drive, request)
    assert isinstance(answer, RunAnswer)
    return answer.run


def told(drive: Drive, request: AnyRequest) -> AnyAnswer:
    """What a client is told, with the run loaded when that is asked for."""
    drive.outputs = []
    drive.ask(request)
    for ask in drive.take(s.LoadRun):
        drive.step(s.RunLoaded(run_id=ask.run_id, era=ask.era, rebuilt=drive.rebuilt(ask.run_id)))
    drive.commit()
    (answer,) = [out.answer for out in drive.take(s.Answer) if out.reply_to == "client"]
    return answer


def test_a_run_that_only_waits_is_not_in_memory_and_comes_back_when_it_is_due() -> None:
    drive = begun()
    view = answered(drive, ShowRun(run_id="r1"))
    assert view.status == "waiting"
    assert view.steps[0].pending == "timer until 2023-11-14T23:13:20Z"
    assert view.tasks == ()
    row = drive.rebuilt().state
    assert row.next_due_at == START + 3600_000_000


def test_a_run_that_is_looked_at_does_not_stay_in_memory() -> None:
    drive = begun()
    for _ in range(2):
        drive.outputs = []
        drive.ask(ShowRun(run_id="r1"))
        (ask,) = drive.take(s.LoadRun)
        drive.step(s.RunLoaded(run_id="r1", era=ask.era, rebuilt=drive.rebuilt()))


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
    drive = Drive(NONE_STAYS).own().register()
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


def test_an_update_is_answered_with_what_it_set_and_a_query_with_what_it_found() -> None:
    drive = begun()
    update = UpdateRun(run_id="r1", name="note", id="u1", data={"x": 1})
    answer = Updated(run_id="r1", version=2, variables={"noted": {"x": 1}})
    assert told(drive, update) == answer
    assert told(drive, update) == answer, "the same update again"
    refused = told(drive, UpdateRun(run_id="r1", name="note", id="u2", data=0))
    assert isinstance(refused, Refused)
    assert "is not accepted by run r1 now" in refused.message
    found = told(drive, QueryRun(run_id="r1", expression="vars.noted.x + 1"))
    assert found == Queried(run_id="r1", version=2, value=2)
    assert isinstance(told(drive, QueryRun(run_id="r1", expression="vars.nope")), Refused)
    assert isinstance(told(drive, QueryRun(run_id="r1", expression="")), Refused)
