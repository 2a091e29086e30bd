"""Reports of a history that the log has lost: nothing of them is recorded, and somebody is told."""

import msgspec
import pytest

from events.api import Hello, Here
from events.ids import Attempt, shard_of
from events.limits import STRANGE_NODES_MAX
from events.messages import Completed, Once, Progressed, Report, Reports, Returned, Settle, Started
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.ports import ReportDelivery
from orchestrator.coordinator.strangers import Strangers
from orchestrator.kernel.state import RunState
from tests.unit.coordinator.driving import SHARDS, Drive

ATTEMPT = Attempt("r1", "a", 0, 1)


def started() -> Drive:
    """A run whose first task is on a node."""
    drive = Drive().ready().start("r1").commit()
    assert drive.rebuilt("r1").state.outstanding
    drive.outputs = []
    return drive


def dispatched_at(drive: Drive) -> int:
    return drive.rebuilt("r1").state.steps["a"].dispatched_at or 0


def hear(drive: Drive, report: Report) -> Drive:
    message = Reports(node="n1", incarnation="i1", reports=(report,))
    delivery = ReportDelivery(shard_of(report.attempt.run_id, SHARDS), 1, message)
    return drive.step(s.ReportsArrived(deliveries=(delivery,)))


def counted(drive: Drive) -> dict[str, int]:
    drive.ask(Hello())
    here = [o.answer for o in drive.take(s.Answer) if isinstance(o.answer, Here)]
    return {one.node: one.number for one in here[-1].strange}


REPORTS: tuple[Report, ...] = (
    Completed(attempt=ATTEMPT, output="old"),
    Returned(attempt=ATTEMPT, reason="refused"),
    Started(attempt=ATTEMPT, started_at=1),
    Progressed(attempt=ATTEMPT, details="old", sequence=9),
    Once(attempt=ATTEMPT, name="paid", value="old"),
)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_nothing_of_a_namesake_is_recorded(report: Report) -> None:
    drive = started()
    before = drive.rebuilt("r1").state.version
    hear(drive, msgspec.structs.replace(report, dispatched_at=dispatched_at(drive) - 1)).commit()
    state = drive.rebuilt("r1").state
    assert (state.version, list(state.outstanding)) == (before, ["a"])
    assert counted(drive) == {"n1": 1}


def test_the_node_is_told_to_forget_the_result_of_a_namesake() -> None:
    drive = started()
    old = Completed(attempt=ATTEMPT, output="old", dispatched_at=dispatched_at(drive) - 1)
    hear(drive, old).commit()
    sent = [one for o in drive.take(s.Publish) for one in o.commands.commands]
    assert Settle(attempts=(ATTEMPT,)) in sent


@pytest.mark.parametrize("says", [True, False])
def test_its_own_report_is_recorded_also_of_an_agent_that_does_not_say(says: bool) -> None:
    drive = started()
    at = dispatched_at(drive) if says else 0
    hear(drive, Completed(attempt=ATTEMPT, output=1, dispatched_at=at)).commit()
    assert drive.rebuilt("r1").state.steps["a"].status == "completed"
    assert counted(drive) == {}


def test_attempts_that_a_run_has_not_got_to_are_counted() -> None:
    drive = started()
    hear(drive, Completed(attempt=Attempt("r1", "a", 0, 2), output=1)).commit()
    assert list(drive.rebuilt("r1").state.outstanding) == ["a"]
    assert counted(drive) == {"n1": 1}


def test_attempts_that_are_over_are_no_strangers() -> None:
    drive = started()
    for _ in range(2):
        report = Completed(attempt=ATTEMPT, output=1, dispatched_at=dispatched_at(drive))
        hear(drive, report).commit()
    assert counted(drive) == {}


@pytest.mark.edge("STRANGE_NODES_MAX")
def test_of_more_nodes_than_are_counted_one_by_one_the_rest_is_counted_together() -> None:
    strangers = Strangers()
    report = Completed(attempt=ATTEMPT, output=1)
    for number in range(STRANGE_NODES_MAX + 2):
        strangers.note(f"n{number}", report, "", 7)
    told = {one.node: one.number for one in strangers.told()}
    assert len(told) == STRANGE_NODES_MAX + 1
    assert told[""] == 2


def test_of_many_not_each_is_told() -> None:
    strangers, state = Strangers(), RunState()
    assert strangers.look(state, "n1", Completed(attempt=ATTEMPT, output=1), 7) is None
    report = Completed(attempt=ATTEMPT, output=1)
    told = [strangers.note("n1", report, "why", 7) for _ in range(9)]
    assert [one.number for one in told if one is not None] == [1, 2, 4, 8]
