"""A report that cannot be stored ends its attempt all the way to the run's end."""

from events.ids import Attempt, shard_of
from events.messages import Settle
from events.reports import read_reports
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import Appended, ReportDelivery
from tests.unit.coordinator.driving import SHARDS, Drive


def test_a_bad_report_fails_its_task_for_good_and_is_settled() -> None:
    drive = Drive().ready().start().commit()
    received = read_reports(
        b'{"node":"n1","incarnation":"i1","reports":['
        b'{"type":"completed","attempt":["r1","a",0,1],"output":NaN}]}'
    )
    drive.outputs = []
    shard = shard_of("r1", SHARDS)
    drive.step(s.ReportsArrived(deliveries=(ReportDelivery(shard, 1, received.reports),)))
    (batch,) = drive.batches()
    assert [event.type for event in batch.events] == ["task.failed.v1", "run.failed.v1"]
    drive.step(s.AppendDone(batch_id=batch.id, outcome=Appended(position=1)))
    assert Settle(attempts=(Attempt("r1", "a", 0, 1),)) in list(drive.commands())
    assert drive.take(s.AcknowledgeReports)
