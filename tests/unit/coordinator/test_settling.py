"""What nodes are told about values of parts that are done once: after the commit, or never."""

from events.api import CancelRun
from events.ids import Attempt, shard_of
from events.messages import Command, Drop, Once, Reports, Settle
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import ReportDelivery
from tests.unit.coordinator.driving import SHARDS, Drive

FIRST = Attempt("r1", "a", 0, 1)
FENCED = Attempt("r1", "a", 0, 9)


def arrived(attempt: Attempt, sequence: int = 1) -> s.ReportsArrived:
    once = Once(attempt=attempt, name="charge", value=7)
    message = Reports(node="n1", incarnation="i1", reports=(once,))
    shard = shard_of(attempt.run_id, SHARDS)
    return s.ReportsArrived(deliveries=(ReportDelivery(shard, sequence, message),))


def told(drive: Drive) -> list[Command]:
    return [one for one in drive.commands() if isinstance(one, (Settle, Drop))]


def test_a_handler_goes_on_only_after_the_commit() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.step(arrived(FIRST))
    assert told(drive) == []
    drive.commit()
    assert told(drive) == [Settle(attempts=(), once=((FIRST, "charge"),))]
    assert drive.rebuilt().state.steps["a"].once == {"charge": 7}


def test_a_value_that_comes_again_is_settled_again() -> None:
    drive = Drive().ready().start().commit()
    drive.step(arrived(FIRST)).commit()
    drive.outputs = []
    drive.step(arrived(FIRST, 2)).commit()
    assert told(drive) == [Settle(attempts=(), once=((FIRST, "charge"),))]


def test_a_fenced_handler_is_dropped_and_given_nothing() -> None:
    drive = Drive().ready().start().commit()
    drive.outputs = []
    drive.step(arrived(FENCED)).commit()
    assert told(drive) == [Drop(attempts=(FENCED,))]
    assert drive.rebuilt().state.steps["a"].once is None


def test_a_handler_of_a_run_that_has_ended_is_dropped() -> None:
    drive = Drive().ready().start().commit()
    drive.ask(CancelRun(run_id="r1")).commit()
    drive.step(drive.report(FIRST)).commit()
    drive.outputs = []
    drive.step(arrived(FIRST, 2)).commit()
    assert told(drive) == [Drop(attempts=(FIRST,))]
