"""What a coordinator does at its limits."""

import pytest

from events.api import AwaitRun, PauseRun, Refused, RegisterWorkflow, ShowRun, StartRun
from events.definition import CallStep, Definition, ParallelStep, Step, TaskStep
from events.ids import Attempt
from events.limits import CLIENT_WAIT_S_MAX, PENDING_NOTED_MAX, SETTLED_IN_COMMAND_MAX, Limits
from events.messages import Settle
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Batch, Conflicted
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive

ENDLESS = 10.0
"""A tail is never so many times as long as the state of these runs."""


def wide(name: str, count: int) -> Definition:
    """So many tasks at the same time."""
    branches: dict[str, tuple[Step, ...]] = {
        f"b{k}": (TaskStep(id=f"t{k}", task="t"),) for k in range(count)
    }
    return Definition(name=name, steps=(ParallelStep(id="p", branches=branches),))


def attempts(count: int, run_id: str = "w1") -> list[Attempt]:
    return [Attempt(run_id, f"t{k}", 0, 1) for k in range(count)]


def started(batch: Batch) -> int:
    return [event.type for event in batch.events].count("run.started.v1")


def running(drive: Drive, count: int) -> Drive:
    drive.node(room=count).ask(RegisterWorkflow(definition=wide("wide", count))).commit()
    drive.outputs = []
    return drive.ask(StartRun(run_id="w1", workflow="wide")).commit()


@pytest.mark.edge("EngineLimits.turn_events_max")
@pytest.mark.parametrize("most", [8, 9])
def test_a_turn_with_enough_events_takes_no_more_work(most: int) -> None:
    drive = Drive(Settings(turn_events_max=most)).own().register()
    drive.outputs = []
    requests = [StartRun(run_id=f"r{k}", workflow="two") for k in range(10)]
    drive.step(*(s.RequestArrived(request=one, reply_to="c") for one in requests))

    (first,) = drive.batches()
    assert started(first) == most + 1


@pytest.mark.edge("EngineLimits.turn_bytes_max")
def test_a_turn_with_enough_bytes_takes_no_more_work() -> None:
    counts = []
    for most in (2_000, 20_000):
        drive = Drive(Settings(turn_bytes_max=most)).own().register()
        drive.outputs = []
        requests = [StartRun(run_id=f"r{k}", workflow="two", input="x" * 900) for k in range(10)]
        drive.step(*(s.RequestArrived(request=one, reply_to="c") for one in requests))
        (first,) = drive.batches()
        counts.append(started(first))
    assert counts == [2, 10]


@pytest.mark.edge("EngineLimits.commands_in_message_max")
@pytest.mark.parametrize(("most", "messages"), [(6, [6]), (5, [5, 1])])
def test_commands_for_a_node_go_in_messages_of_bounded_size(most: int, messages: list[int]) -> None:
    drive = running(Drive(Settings(commands_in_message_max=most)).own(), 6)

    assert [len(out.commands.commands) for out in drive.take(s.Publish)] == messages


@pytest.mark.edge("SETTLED_IN_COMMAND_MAX")
@pytest.mark.parametrize("more", [0, 1])
def test_a_command_settles_so_many_attempts(more: int) -> None:
    count = SETTLED_IN_COMMAND_MAX + more
    drive = running(Drive().own(), count)
    drive.outputs = []
    drive.step(drive.report(*attempts(count))).commit()

    sizes = [len(one.attempts) for one in drive.commands() if isinstance(one, Settle)]
    assert sizes == [SETTLED_IN_COMMAND_MAX, *([more] if more else [])]


@pytest.mark.edge("EngineLimits.dispatch_max")
@pytest.mark.parametrize(("most", "at_first"), [(6, 6), (5, 5)])
def test_so_many_ready_tasks_are_looked_at_in_one_turn(most: int, at_first: int) -> None:
    drive = Drive(Settings(dispatch_max=most)).own()
    drive.node(room=6).ask(RegisterWorkflow(definition=wide("wide", 6))).commit()
    drive.outputs = []
    drive.ask(StartRun(run_id="w1", workflow="wide"))

    (first, *_) = drive.batches()
    kinds = [event.type for event in first.events]
    assert kinds.count("task.dispatched.v1") == at_first
    drive.step(s.AppendDone(batch_id=first.id, outcome=drive.durable())).commit()
    assert len(drive.executes()) == 6


@pytest.mark.edge("EngineLimits.loads_max")
def test_so_many_runs_are_read_at_a_time() -> None:
    drive = Drive(Settings(loads_max=2)).ready()
    for run_id in ("x1", "x2", "x3"):
        drive.step(s.RequestArrived(request=ShowRun(run_id=run_id), reply_to=run_id))
    assert [load.run_id for load in drive.take(s.LoadRun)] == ["x1", "x2"]

    drive.step(s.RunLoaded(run_id="x1"))
    assert [load.run_id for load in drive.take(s.LoadRun)] == ["x3"]


@pytest.mark.edge("EngineLimits.conflicts_max")
def test_a_request_is_decided_anew_so_many_times() -> None:
    drive = Drive(Settings(conflicts_max=2)).ready().start().commit()
    drive.outputs = []
    drive.ask(PauseRun(run_id="r1"))
    for _ in range(3):
        assert drive.take(s.Answer) == []
        (batch,) = drive.batches()
        lost = Conflicted(streams=("run:r1",))
        drive.step(s.AppendDone(batch_id=batch.id, outcome=lost))
        for ask in drive.take(s.LoadRun):
            drive.step(s.RunLoaded(run_id="r1", era=ask.era, rebuilt=drive.rebuilt()))

    (answer,) = drive.commit().take(s.Answer)
    assert isinstance(answer.answer, Refused)
    assert "contended" in answer.answer.message


@pytest.mark.edge("EngineLimits.recent_runs_max")
def test_so_many_ended_runs_stay_in_memory() -> None:
    drive = Drive(Settings(recent_runs_max=2)).ready()
    for number, run_id in enumerate(("r1", "r2", "r3")):
        drive.start(run_id).commit()
        for place, step in enumerate(("a", "b"), start=2 * number + 1):
            drive.step(drive.report(Attempt(run_id, step, 0, 1), sequence=place)).commit()
    drive.outputs = []
    for run_id in ("r3", "r2", "r1"):
        drive.step(s.RequestArrived(request=ShowRun(run_id=run_id), reply_to=run_id))

    assert [answer.reply_to for answer in drive.take(s.Answer)] == ["r3", "r2"]
    assert [load.run_id for load in drive.take(s.LoadRun)] == ["r1"]


@pytest.mark.edge("EngineLimits.snapshot_tail_bytes_min")
@pytest.mark.edge("EngineLimits.snapshot_tail_factor")
@pytest.mark.parametrize(
    ("least", "factor", "taken"), [(1, 0.01, 1), (1_000_000, 0.01, 0), (1, ENDLESS, 0)]
)
def test_a_snapshot_needs_a_long_tail_that_outgrew_the_state(
    least: int, factor: float, taken: int
) -> None:
    settings = Settings(snapshot_tail_bytes_min=least, snapshot_tail_factor=factor)
    drive = Drive(settings).ready()
    drive.start().commit()

    assert len(drive.take(s.SaveSnapshot)) == taken


@pytest.mark.edge("PENDING_NOTED_MAX")
def test_so_many_reasons_to_wait_are_recorded_at_a_time() -> None:
    drive = Drive().own().node(room=1)
    count = PENDING_NOTED_MAX + 2  # one of them is with the node
    drive.ask(RegisterWorkflow(definition=wide("wide", count))).commit()
    drive.ask(StartRun(run_id="w1", workflow="wide")).commit()
    drive.outputs = []
    noted = []
    for _ in range(8):
        drive.node(room=1, held=(Attempt("w1", "t0", 0, 1),)).wait(0.25)
        for batch in drive.batches():
            noted.append([event.type for event in batch.events].count("task.pending.v1"))
            drive.step(s.AppendDone(batch_id=batch.id, outcome=drive.durable()))

    assert [found for found in noted if found] == [PENDING_NOTED_MAX, 1]


@pytest.mark.edge("CLIENT_WAIT_S_MAX")
def test_a_client_waits_so_long_at_most() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.ask(AwaitRun(run_id="r1", wait_s=10 * CLIENT_WAIT_S_MAX))
    drive.wait(CLIENT_WAIT_S_MAX - 1.0).commit()
    assert drive.take(s.Answer) == []

    drive.wait(2.0).commit()
    assert len(drive.take(s.Answer)) == 1


@pytest.mark.edge("Limits.calls_depth_max")
def test_runs_start_runs_so_deep_only() -> None:
    drive = Drive().ready()
    itself = Definition(name="nest", steps=(CallStep(id="c", workflow="nest"),))
    drive.ask(RegisterWorkflow(definition=itself)).commit()
    drive.ask(StartRun(run_id="top", workflow="nest")).commit().read_runs()

    kinds = [event.type for event in drive.log]
    most = Limits().calls_depth_max
    assert kinds.count("run.started.v1") == 1 + most
    refused = [event for event in drive.log if event.type == "task.failed.v1"]
    assert b"call_refused" in refused[0].state
    assert len(refused) == 1 + most
