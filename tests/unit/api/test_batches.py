"""Which runs a batch is about, and why others are left out."""

from typing import cast

import pytest

from events.errors import Rejected
from events.limits import BATCH_RUNS_MAX
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.batches import ActionName
from orchestrator.api.operations.groups import RunsWanted
from orchestrator.api.service.batch_plan import WORKFLOW, Plan, plan_batch
from orchestrator.api.service.ports import Ports
from orchestrator.insight.finding import RunQuery
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.ports import IndexRow
from tests.builders import Play, Setting, index, task, workflow
from tests.logs import row
from tests.recordings import history

pytestmark = pytest.mark.anyio
SOME = RunsWanted(workflow="census")


class FakeLists:
    """Answers with pages of these rows, the newest first."""

    def __init__(self, rows: list[IndexRow]) -> None:
        self.rows = sorted(rows, key=lambda one: (one.started_at, one.run_id), reverse=True)

    async def find_runs(self, query: RunQuery) -> list[IndexRow]:
        before = (query.before_at or 0, query.before)
        behind = [
            one for one in self.rows if not query.before or (one.started_at, one.run_id) < before
        ]
        return behind[: query.limit]


class FakePorts:
    def __init__(self, *rows: IndexRow, log: Exported | None = None) -> None:
        self.lists = FakeLists(list(rows))
        self.log = log


async def planned(action: ActionName, *rows: IndexRow, log: Exported | None = None) -> Plan:
    ports = cast("Ports", FakePorts(*rows, log=log))
    return await plan_batch(ports, action, SOME, "go" if action == "signal" else "")


def ids(plan: Plan) -> list[str]:
    return [one.row.run_id for one in plan.runs]


async def test_open_runs_are_cancelled_others_are_left_out_with_why() -> None:
    plan = await planned(
        "cancel",
        row("open"),
        row("ended", status="completed"),
        row("child", parent="open"),
        row("batch", workflow=WORKFLOW),
    )

    assert ids(plan) == ["open"]
    assert {one.run_id: one.why for one in plan.left_out} == {
        "ended": "it is completed",
        "child": "it belongs to run open, which started it",
        "batch": "it is a batch",
    }


async def test_signals_go_to_runs_that_others_started_too() -> None:
    assert ids(await planned("signal", row("child", parent="open"))) == ["child"]


async def test_a_retry_is_planned_run_by_run() -> None:
    failed = Play(index(workflow(task("a"), task("b"))), Setting(run_id="failed"))
    failed.start()
    failed.place("a")
    failed.complete("a")
    failed.place("b")
    failed.fail("b")
    rows = row("failed", status="failed"), row("gone", status="failed"), row("open")

    plan = await planned("retry", *rows, log=history(failed))

    assert [(one.row.run_id, one.version > 0) for one in plan.runs] == [("failed", True)]
    assert {one.run_id: one.why for one in plan.left_out} == {
        "open": "it is running",
        "gone": "there is no run gone: `dalsegno run list` shows those there are",
    }


async def test_a_batch_about_all_runs_is_refused() -> None:
    with pytest.raises(Rejected, match="give a condition"):
        await plan_batch(cast("Ports", FakePorts()), "cancel", RunsWanted(), "")


@pytest.mark.parametrize(("action", "signal"), [("signal", ""), ("cancel", "go")])
async def test_a_signal_is_for_signals(action: ActionName, signal: str) -> None:
    with pytest.raises(InvalidRequest, match="names the signal"):
        await plan_batch(cast("Ports", FakePorts()), action, SOME, signal)


@pytest.mark.edge("BATCH_RUNS_MAX")
async def test_a_batch_is_about_so_many_runs_at_most() -> None:
    rows = [row(f"r{number}", started_at=number + 1) for number in range(BATCH_RUNS_MAX + 1)]

    assert len((await planned("cancel", *rows[:-1])).runs) == BATCH_RUNS_MAX
    with pytest.raises(Rejected, match=f"more than {BATCH_RUNS_MAX} runs"):
        await planned("cancel", *rows)
