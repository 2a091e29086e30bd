"""What a batch is about: the runs that a query finds, those left out, and why.

Runs that were started by others are left out where the action would go behind the back of their
parents; so are batches, which are about each other otherwise. A retry is planned run by run.
"""

from collections.abc import AsyncIterator

import anyio
import msgspec

from events.errors import Rejected
from events.limits import BATCH_RUNS_MAX
from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.batches import ActionName
from orchestrator.api.operations.groups import RunsWanted
from orchestrator.api.service.finding import row_shown, run_query
from orchestrator.api.service.ports import Ports
from orchestrator.api.shapes import BatchPlan, LeftOut
from orchestrator.insight.finding import RunQuery
from orchestrator.kernel.state import OPEN
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.retrying import RETRYABLE, plan_retry

WORKFLOW = "dalsegno.batch"
PAGE = 500
PLANNED_AT_ONCE = 8
SHOWN_MAX = 20


class Meant(msgspec.Struct, frozen=True):
    """A run, and where a retry of it begins."""

    row: IndexRow
    version: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    action: ActionName
    runs: list[Meant]
    left_out: list[LeftOut]

    @property
    def shown(self) -> BatchPlan:
        return BatchPlan(
            action=self.action,
            count=len(self.runs),
            sample=tuple(row_shown(one.row) for one in self.runs[:SHOWN_MAX]),
            left_out=tuple(self.left_out[:SHOWN_MAX]),
            left_out_count=len(self.left_out),
        )


async def plan_batch(ports: Ports, action: ActionName, runs: RunsWanted, signal: str) -> Plan:
    """Raises `Rejected` for a query without a condition, and for one that finds too many."""
    if runs == RunsWanted():
        raise Rejected("a batch about all runs is refused: give a condition, such as a workflow")
    if (action == "signal") != bool(signal):
        raise InvalidRequest("`signal` names the signal for the action `signal`, and only for that")
    plan = Plan(action=action, runs=[], left_out=[])
    async for row in _found(ports, run_query(runs, PAGE)):
        if why := _why_not(action, row):
            plan.left_out.append(LeftOut(run_id=row.run_id, why=why))
        else:
            plan.runs.append(Meant(row))
        if len(plan.runs) > BATCH_RUNS_MAX:
            raise Rejected(
                f"the query finds more than {BATCH_RUNS_MAX} runs, which one batch may be about: "
                "narrow it, by time for one"
            )
    return await _with_versions(ports, plan) if action == "retry" else plan


async def _found(ports: Ports, query: RunQuery) -> AsyncIterator[IndexRow]:
    while page := await ports.lists.find_runs(query):
        for row in page:
            yield row
        last = page[-1]
        query = msgspec.structs.replace(query, before=last.run_id, before_at=last.started_at)


def _why_not(action: ActionName, row: IndexRow) -> str:
    if row.workflow == WORKFLOW:
        return "it is a batch"
    if row.parent and action != "signal":
        return f"it belongs to run {row.parent}, which started it"
    if action == "retry":
        return "" if row.status in RETRYABLE else f"it is {row.status}"
    return "" if row.status in OPEN else f"it is {row.status}"


async def _with_versions(ports: Ports, plan: Plan) -> Plan:
    """Where the retry of each begins; those that cannot be retried are left out."""
    limiter = anyio.CapacityLimiter(PLANNED_AT_ONCE)
    found: dict[str, Meant] = {}
    refused: dict[str, LeftOut] = {}

    async def look(row: IndexRow) -> None:
        async with limiter:
            try:
                version = (await plan_retry(ports.log, row.run_id)).version
            except Rejected as error:
                refused[row.run_id] = LeftOut(run_id=row.run_id, why=str(error))
            else:
                found[row.run_id] = Meant(row, version)

    async with anyio.create_task_group() as group:
        for one in plan.runs:
            group.start_soon(look, one.row)
    ids = [one.row.run_id for one in plan.runs]
    return Plan(
        action=plan.action,
        runs=[found[run_id] for run_id in ids if run_id in found],
        left_out=[*plan.left_out, *(refused[run_id] for run_id in ids if run_id in refused)],
    )
