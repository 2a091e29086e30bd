"""Which runs are in memory: those with something under way, and the last few that only wait."""

import pytest

from events.api import (
    CancelRun,
    PauseRun,
    RegisterWorkflow,
    RunAnswer,
    ShowRun,
    SignalRun,
    StartRun,
)
from events.definition import CallStep, Definition, TaskStep, WaitStep
from events.ids import child_run, run_stream, shard_of
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Conflicted, IndexRow, Lease
from orchestrator.coordinator.runs import Slot
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import SHARDS, START, Drive

HOUR_US = 3600 * 1_000_000
CHILD = Definition(name="child", steps=(WaitStep(id="go", signal="go"),))
PARENT = Definition(
    name="parent",
    steps=(CallStep(id="call", workflow="child"), TaskStep(id="after", task="t")),
)
NAP = Definition(name="nap", steps=(WaitStep(id="nap", duration=3600.0),))
CHILD_ID = child_run("r1", "call", 0, 1)


def drive_with(*definitions: Definition, idle_runs_max: int = 0) -> Drive:
    drive = Drive(Settings(idle_runs_max=idle_runs_max)).ready()
    for definition in definitions:
        drive.ask(RegisterWorkflow(definition=definition)).commit()
    drive.outputs = []
    return drive


def begun_parent(idle_runs_max: int = 0) -> Drive:
    drive = drive_with(CHILD, PARENT, idle_runs_max=idle_runs_max)
    drive.ask(StartRun(run_id="r1", workflow="parent")).commit()
    drive.read_runs()
    drive.outputs = []
    return drive


def looked_at(drive: Drive, run_id: str) -> list[str]:
    """Which runs have to be read to show this one."""
    drive.ask(ShowRun(run_id=run_id))
    return drive.read_runs()


def row(drive: Drive, run_id: str) -> IndexRow:
    rebuilt = drive.rebuilt(run_id)
    return Slot(run_id, shard_of(run_id, SHARDS), rebuilt.state, rebuilt.head).row()


@pytest.mark.edge("EngineLimits.idle_runs_max")
def test_of_the_runs_that_only_wait_the_last_few_stay() -> None:
    drive = drive_with(CHILD, idle_runs_max=2)
    for run_id in ("r1", "r2", "r3"):
        drive.ask(StartRun(run_id=run_id, workflow="child")).commit()
    assert looked_at(drive, "r2") == []
    assert looked_at(drive, "r1") == ["r1"], "and r3, seen longest ago, makes room"
    assert looked_at(drive, "r2") == []
    assert looked_at(drive, "r3") == ["r3"]


def test_a_run_that_waited_and_goes_on_stays_whatever_rests() -> None:
    task_then_wait = Definition(
        name="both", steps=(WaitStep(id="go", signal="go"), TaskStep(id="a", task="t"))
    )
    drive = drive_with(CHILD, task_then_wait, idle_runs_max=1)
    drive.ask(StartRun(run_id="busy", workflow="both")).commit()
    drive.ask(SignalRun(run_id="busy", name="go", id="s1")).commit()
    (execute,) = drive.executes()
    for run_id in ("r1", "r2"):
        drive.ask(StartRun(run_id=run_id, workflow="child")).commit()
    drive.step(drive.report(execute.attempt)).commit()
    assert drive.read_runs() == []
    assert drive.rebuilt("busy").state.status == "completed"


def test_a_parent_leaves_while_its_child_waits_and_is_told_of_its_end() -> None:
    drive = begun_parent()
    assert row(drive, "r1").calls == 1
    assert row(drive, CHILD_ID).parent == "r1"
    drive.ask(SignalRun(run_id=CHILD_ID, name="go", id="s1"))
    assert drive.read_runs() == [CHILD_ID, "r1"]
    drive.step().commit()
    assert drive.rebuilt().state.calls == {}
    assert [execute.attempt.step for execute in drive.executes()] == ["after"]


def test_looking_at_a_parent_reads_none_of_its_children() -> None:
    drive = begun_parent()
    assert looked_at(drive, "r1") == ["r1"]


def test_of_a_run_that_others_have_written_to_each_child_is_looked_at() -> None:
    """What they decided may be that a child is to begin; nobody has seen to it."""
    drive = drive_with(CHILD, PARENT)
    drive.ask(StartRun(run_id="r1", workflow="parent"))
    (batch,) = drive.batches()
    drive.log += batch.events
    lost = Conflicted(streams=(run_stream("r1"),))
    drive.step(s.AppendDone(batch_id=batch.id, outcome=lost))
    assert CHILD_ID in drive.read_runs()
    assert drive.rebuilt(CHILD_ID).state.status == "waiting"


def test_a_parent_that_is_cancelled_stays_until_its_child_has_ended() -> None:
    drive = begun_parent()
    drive.ask(CancelRun(run_id="r1", reason="enough"))
    assert drive.read_runs() == ["r1", CHILD_ID]
    drive.step().commit()
    assert drive.rebuilt(CHILD_ID).state.status == "cancelled"
    assert drive.rebuilt().state.status == "cancelled"
    assert drive.read_runs() == []


def test_a_parent_that_ends_is_outstanding_for_its_next_owner() -> None:
    drive = begun_parent(idle_runs_max=9)
    drive.ask(CancelRun(run_id="r1", reason="enough"))
    (batch,) = drive.batches()
    (closing,) = batch.index
    assert (closing.run_id, closing.outstanding, closing.calls) == ("r1", 1, 1)


def test_the_next_owner_looks_at_the_children_of_a_parent_that_is_found() -> None:
    """The one before died when the child had ended and its parent did not know."""
    drive = begun_parent(idle_runs_max=9)
    drive.ask(SignalRun(run_id=CHILD_ID, name="go", id="s1"))
    (batch,) = drive.batches()
    drive.log += batch.events
    assert drive.rebuilt(CHILD_ID).state.status == "completed"

    following = Drive()
    following.log = drive.log
    following.registered = drive.registered
    for definition in (CHILD, PARENT):
        following.elsewhere(definition)
    leases = tuple(Lease(shard=n, epoch=2, holder="c1") for n in range(SHARDS))
    following.step().step(s.LeasesAcquired(leases=leases, asked_at=0))
    (find,) = following.take(s.FindActive)
    rows = (row(drive, "r1"),)
    following.step(s.ActiveFound(shards=find.shards, rows=rows, more=False, era=find.era))
    following.answer_loads().commit()
    assert following.read_runs() == ["r1", CHILD_ID]
    following.step().commit()
    assert following.rebuilt().state.calls == {}
    assert following.rebuilt().state.ready == {"after": None}


def test_a_paused_run_with_a_task_to_be_placed_leaves() -> None:
    drive = Drive(Settings(idle_runs_max=0)).own().register()
    drive.start().commit()
    drive.ask(PauseRun(run_id="r1")).commit()
    assert looked_at(drive, "r1") == ["r1"]


def test_the_timer_of_a_run_in_memory_is_planned_when_its_time_comes_near() -> None:
    drive = drive_with(NAP, idle_runs_max=1)
    drive.ask(StartRun(run_id="r1", workflow="nap")).commit()
    drive.at += HOUR_US - 2_000_000
    drive.own(epoch=2)
    drive.ask(ShowRun(run_id="r1"))
    drive.read_runs()
    drive.step(s.DueFound(rows=(row(drive, "r1"),)))
    assert drive.core.next_look_at <= drive.at + 2_000_000
    drive.at += 2_000_000
    drive.step().commit()
    assert drive.rebuilt().state.status == "completed"
    assert drive.read_runs() == []


def test_runs_that_are_due_come_page_by_page() -> None:
    drive = drive_with(NAP)
    for run_id in ("r1", "r2"):
        drive.ask(StartRun(run_id=run_id, workflow="nap")).commit()
    due_at = START + HOUR_US
    drive.at += HOUR_US
    drive.own(epoch=2)
    drive.outputs = []
    drive.step(s.DueFound(rows=(row(drive, "r1"),), before=due_at, more=True))
    assert drive.take(s.FindDue) == [], "first what was found is read"
    assert drive.read_runs() == ["r1"]
    (more,) = drive.take(s.FindDue)
    assert (more.before, more.after) == (due_at, (due_at, "r1"))
    drive.step(s.DueFound(rows=(row(drive, "r2"),), before=due_at))
    assert drive.read_runs() == ["r2"]
    assert [drive.rebuilt(run).state.status for run in ("r1", "r2")] == ["completed"] * 2
    assert drive.take(s.FindDue) == []


def test_a_page_of_runs_that_are_here_already_is_followed_by_the_next() -> None:
    drive = drive_with(NAP, idle_runs_max=1)
    drive.ask(StartRun(run_id="r1", workflow="nap")).commit()
    drive.outputs = []
    found = row(drive, "r1")
    drive.step(s.DueFound(rows=(found,), before=START + HOUR_US, more=True))
    (more,) = drive.take(s.FindDue)
    assert more.after == (found.next_due_at, "r1")


def test_a_page_is_asked_for_though_runs_are_read_without_end() -> None:
    drive = drive_with(NAP)
    drive.ask(StartRun(run_id="r1", workflow="nap")).commit()
    drive.outputs = []
    drive.ask(ShowRun(run_id="slow"))
    drive.step(s.DueFound(rows=(row(drive, "r1"),), before=START + HOUR_US, more=True))
    drive.wait(drive.settings.due_poll_s)
    (more,) = drive.take(s.FindDue)
    assert more.after == (START + HOUR_US, "r1")
    drive.wait(drive.settings.due_poll_s)
    assert len(drive.take(s.FindDue)) == 1, "and then from the beginning"


def test_a_run_whose_timer_is_near_stays_though_others_begin_to_rest() -> None:
    waits_then_naps = Definition(
        name="both",
        steps=(WaitStep(id="go", signal="go"), WaitStep(id="nap", duration=2.0)),
    )
    drive = drive_with(CHILD, waits_then_naps, idle_runs_max=1)
    drive.ask(StartRun(run_id="near", workflow="both")).commit()
    drive.ask(SignalRun(run_id="near", name="go", id="s1")).commit()
    for run_id in ("r1", "r2"):
        drive.ask(StartRun(run_id=run_id, workflow="child")).commit()
    drive.at += 2_000_000
    drive.step().commit()
    assert drive.rebuilt("near").state.status == "completed"
    assert drive.read_runs() == []


def test_a_run_that_rests_is_kept_when_its_time_comes_near() -> None:
    drive = drive_with(CHILD, NAP, idle_runs_max=1)
    drive.ask(StartRun(run_id="near", workflow="nap")).commit()
    drive.wait(3598, beat=2.0)
    drive.step(s.DueFound(rows=(row(drive, "near"),)))
    for run_id in ("r1", "r2"):
        drive.ask(StartRun(run_id=run_id, workflow="child")).commit()
    drive.at += 2_000_000
    drive.step().commit()
    assert drive.rebuilt("near").state.status == "completed"
    assert drive.read_runs() == []


def test_the_end_of_a_child_is_told_though_many_rest() -> None:
    drive = begun_parent(idle_runs_max=1)
    for run_id in ("w1", "w2"):
        drive.ask(StartRun(run_id=run_id, workflow="child")).commit()
    drive.outputs = []
    assert drive.read_runs() == []
    drive.ask(SignalRun(run_id=CHILD_ID, name="go", id="s1"))
    assert drive.read_runs() == [CHILD_ID, "r1"]
    answers = [out.answer for out in drive.take(s.Answer)]
    assert isinstance(answers[0], RunAnswer)
    assert answers[0].run.status == "completed"
