"""The build of a family: it is durable in its head before any of its runs acts on it."""

import msgspec
import pytest

from events.api import CancelRun, RegisterWorkflow, RepinRun, ShowRun, StartRun
from events.catalogue import Catalogue
from events.definition import CallStep, Definition, MapStep, Step, TaskStep
from events.envelope import unseal
from events.facts import Fact
from events.messages import Heartbeat
from events.policies import PINNED
from events.run_facts import RunPinned
from events.task_facts import TaskDispatched
from events.values import Value
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Appended, Batch, Conflicted
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive

CHILDREN = 3
CALLS = tuple(CallStep(id=f"c{n}", workflow="child", depends_on=()) for n in range(CHILDREN))
PARTS = (MapStep(id="m", items="${ input }", task="t"),)
BEAT = Heartbeat(node="n1", incarnation="i1", sequence=0, credits=10, tasks=("t",), build_id="b1")
both_kinds = pytest.mark.parametrize("steps", [CALLS, PARTS], ids=["calls", "parts"])


def family(steps: tuple[Step, ...] = CALLS, settings: Settings | None = None) -> Drive:
    """Pinned to the first build; its three children are there, and no node is."""
    drive = Drive(settings).own()
    child = Definition(name="child", steps=(TaskStep(id="a", task="t"),))
    for definition in (child, Definition(name="parent", steps=steps)):
        drive.ask(RegisterWorkflow(definition=definition)).commit()
    items: Value = list[Value](range(1000 * CHILDREN))
    drive.ask(StartRun(run_id="r", workflow="parent", input=items, build=PINNED)).commit()
    drive.read_runs()
    return drive


def beat(drive: Drive, node: str) -> Drive:
    return drive.beat(msgspec.structs.replace(BEAT, node=node, build_id=f"b-{node}"))


def facts(batch: Batch) -> list[tuple[str, Fact]]:
    found = [(stored.stream, unseal(stored, Catalogue()).fact) for stored in batch.events]
    return [one for one in found if isinstance(one[1], RunPinned | TaskDispatched)]


def decided(drive: Drive) -> Batch:
    """The batch in which the first build is decided on, by a node that comes."""
    beat(drive, "n1")
    while batches := drive.batches():
        (batch,) = batches
        if facts(batch):
            return batch
        drive.step(s.AppendDone(batch_id=batch.id, outcome=Appended(position=1)))
        drive.answer_loads()
    raise AssertionError("nothing was decided")


def dispatched(drive: Drive) -> list[TaskDispatched]:
    given = [unseal(one, Catalogue()).fact for one in drive.log]
    return [fact for fact in given if isinstance(fact, TaskDispatched)]


@both_kinds
def test_nothing_acts_on_the_decision_before_it_is_durable(steps: tuple[Step, ...]) -> None:
    drive = family(steps)
    batch = decided(drive)
    ((stream, pinned),) = facts(batch)
    assert stream == "run:r"
    assert isinstance(pinned, RunPinned)
    assert pinned.build == "b-n1"
    drive.step(s.AppendDone(batch_id=batch.id, outcome=Appended(position=1)))
    (batch,) = drive.batches()
    by_run: dict[str, list[Fact]] = {}
    for stream, fact in facts(batch):
        by_run.setdefault(stream, []).append(fact)
    assert len(by_run) == (CHILDREN if steps == CALLS else 1), "as many as there is room for"
    for begun in by_run.values():
        assert isinstance(begun[0], RunPinned)
        assert begun[0].build == "b-n1"
        assert {type(fact) for fact in begun[1:]} == {TaskDispatched}


@both_kinds
def test_a_decision_that_did_not_come_to_be_binds_nobody(steps: tuple[Step, ...]) -> None:
    drive = family(steps)
    batch = decided(drive)
    drive.step(s.AppendDone(batch_id=batch.id, outcome=Conflicted(streams=("run:r",))))
    assert not [one for again in drive.batches() for one in facts(again)]


def test_a_parent_that_has_left_memory_is_read_to_decide_and_to_follow() -> None:
    drive = family(settings=Settings(idle_runs_max=0))
    assert drive.wait(5).commit().take(s.LoadRun) == [], "not before there is a node"
    beat(drive, "n1").commit()
    assert drive.read_runs() == ["r", "r"]
    assert drive.rebuilt("r").state.build == "b-n1"
    assert [fact.build_id for fact in dispatched(drive)] == ["b-n1"] * CHILDREN


@pytest.mark.parametrize("idle_runs_max", [0, 1, 1000])
def test_the_head_of_a_long_line_is_found_however_few_may_rest(idle_runs_max: int) -> None:
    """Ten runs, each started by the one before; all but the last one only wait."""
    drive = Drive(Settings(idle_runs_max=idle_runs_max)).own()
    last = Definition(name="w10", steps=(TaskStep(id="a", task="t"),))
    line = [
        Definition(name=f"w{n}", steps=(CallStep(id="c", workflow=f"w{n + 1}"),)) for n in range(10)
    ]
    for definition in (last, *line):
        drive.ask(RegisterWorkflow(definition=definition)).commit()
    drive.ask(StartRun(run_id="r", workflow="w0", build=PINNED)).commit()
    drive.read_runs()
    beat(drive, "n1").commit()
    assert len(drive.read_runs()) <= 2 * 10
    assert drive.rebuilt("r").state.build == "b-n1"
    (given,) = dispatched(drive)
    assert given.build_id == "b-n1"
    streams = {stored.stream for stored in drive.log}
    for run_id in [name.removeprefix("run:") for name in streams if name.startswith("run:")]:
        drive.ask(ShowRun(run_id=run_id))
    assert len(drive.read_runs()) >= 10 - idle_runs_max, "they may rest again"


def test_nothing_is_decided_for_a_family_that_is_being_cancelled() -> None:
    drive = family()
    drive.beat(msgspec.structs.replace(BEAT, credits=0)).commit()
    cancel = s.RequestArrived(request=CancelRun(run_id="r"), reply_to="client")
    drive.sequence += 1
    room = msgspec.structs.replace(BEAT, sequence=drive.sequence)
    drive.step(cancel, s.HeartbeatArrived(beat=room, reply_to="beat")).commit()
    assert drive.rebuilt("r").state.status == "cancelled"
    assert dispatched(drive) == []


def test_who_repins_the_head_before_anything_began_decides() -> None:
    drive = family()
    drive.ask(RepinRun(run_id="r", build="b-n2")).commit()
    beat(drive, "n1").commit()
    assert dispatched(drive) == []
    beat(drive, "n2").commit()
    assert [fact.build_id for fact in dispatched(drive)] == ["b-n2"] * CHILDREN
