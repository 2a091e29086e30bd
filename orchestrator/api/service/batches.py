"""Batches: a run of a built-in workflow, whose map does the action to each run.

So a batch survives what any run survives, its progress is that of its map, and what it did is in
its history. The runs are found once, when it is started: those that come later are not in it.
"""

import msgspec

from events.api import Fetched, FetchValues, Registered, RegisterWorkflow, RunAnswer, StartRun
from events.catalogue import Catalogue
from events.codec import decode
from events.definition import Definition, MapStep
from events.errors import Corrupt, NotFound, Rejected
from events.policies import Retry, Timeouts
from events.references import reference_of
from events.values import Value
from orchestrator.api.operations.batches import NOTHING, ActionName, Batches
from orchestrator.api.operations.groups import BatchGiven, RunsWanted
from orchestrator.api.service.answers import ask
from orchestrator.api.service.base import Served
from orchestrator.api.service.batch_plan import SHOWN_MAX, WORKFLOW, Plan, plan_batch
from orchestrator.api.service.finding import list_runs
from orchestrator.api.service.large import with_references
from orchestrator.api.shapes import BatchPlan, BatchShown, LeftOut, Page
from orchestrator.insight.finding import RunQuery
from orchestrator.kernel.state import RunState
from orchestrator.replay.rebuild import Rebuilder

STEP = "runs"
GIVEN = ("action", "batch", "actor", "signal", "data", "reason")
BATCH = Definition(
    name=WORKFLOW,
    description="Does one action to each run of a list: see the how-to about batches.",
    steps=(
        MapStep(
            id=STEP,
            items="${ input.runs }",
            task="run.act",
            inputs={
                "run_id": "${ iteration.item.run_id }",
                "version": "${ iteration.item.version }",
                **{name: f"${{ input.{name} }}" for name in GIVEN},
            },
            complete_when="collect",
            concurrency=16,
            retry=Retry(attempts_max=20, initial_s=0.5, cap_s=30.0),
            timeouts=Timeouts(start_to_close_s=60.0),
        ),
    ),
)


class Refusal(msgspec.Struct, frozen=True):
    """What the task says, or the map of one that failed."""

    run_id: str = ""
    refused: str = ""
    why: str = ""
    error: dict[str, Value] = {}


class BatchService(Served, Batches):
    async def preview_batch(
        self, action: ActionName, runs: RunsWanted, *, given: BatchGiven = NOTHING
    ) -> BatchPlan:
        return (await plan_batch(self._ports, action, runs, given.signal)).shown

    async def start_batch(
        self,
        action: ActionName,
        runs: RunsWanted,
        *,
        given: BatchGiven = NOTHING,
        expected: int = 0,
        batch_id: str = "",
        idempotency_key: str = "",
    ) -> BatchShown:
        id_ = self._id(batch_id, idempotency_key, "start_batch")
        row = await self._ports.log.index_row(id_)
        if row is not None and row.workflow == WORKFLOW:
            return await self.show_batch(id_)  # begun before, when its query found other runs
        plan = await plan_batch(self._ports, action, runs, given.signal)
        _check(plan, expected)
        version = await self._registered()
        about: list[Value] = [
            {"run_id": one.row.run_id, "version": one.version} for one in plan.runs
        ]
        value: dict[str, Value] = {
            "action": action,
            "batch": id_,
            "actor": self._actor,
            "signal": given.signal,
            "data": given.data,
            "reason": given.reason,
            "runs": about,
        }
        request = StartRun(
            actor=self._actor,
            run_id=id_,
            workflow=WORKFLOW,
            workflow_version=version,
            input=await with_references(self._ports.coordinators, value),
            tags={"batch": action},
        )
        await ask(self._ports.coordinators, request, RunAnswer)
        return await self.show_batch(id_)

    async def list_batches(self, *, cursor: str = "", limit: int = 20) -> Page[BatchShown]:
        found = await list_runs(self._ports, RunQuery(workflow=WORKFLOW, limit=limit), cursor)
        items = [await self.show_batch(row.run_id) for row in found.items]
        return Page(items=tuple(items), next=found.next)

    async def show_batch(self, batch_id: str) -> BatchShown:
        found = await Rebuilder(self._ports.log, Catalogue()).run(batch_id)
        if found is None or found.state.workflow != WORKFLOW:
            raise NotFound(f"there is no batch {batch_id}: `dalsegno batch list` lists them")
        state = found.state
        refused = await self._refused(state)
        step = state.steps.get(STEP)
        map_ = None if step is None else step.map
        given = state.input if isinstance(state.input, dict) else {}
        count = _count(given.get("runs"))
        # A map is forgotten as soon as its output is known.
        done = count if state.status == "completed" else 0
        return BatchShown(
            batch_id=batch_id,
            action=str(given.get("action", "")),
            status=state.status,
            count=count,
            done=done if map_ is None else map_.completed + map_.failed,
            started_at=state.started_at,
            ended_at=state.ended_at,
            refused=len(refused),
            refusals=tuple(refused[:SHOWN_MAX]),
        )

    async def _registered(self) -> str:
        request = RegisterWorkflow(actor=self._actor, definition=BATCH)
        return (await ask(self._ports.coordinators, request, Registered)).workflow_version

    async def _refused(self, state: RunState) -> list[LeftOut]:
        """Known when it has ended."""
        if state.status != "completed":
            return []
        found = [msgspec.convert(one, Refusal) for one in await self._values(state.output)]
        return [
            LeftOut(run_id=one.run_id, why=one.why or str(one.error.get("message", one.refused)))
            for one in found
            if one.refused or one.error
        ]

    async def _values(self, value: Value) -> list[Value]:
        """Those of a list, or of a reference to one."""
        if isinstance(value, list):
            return value
        reference = reference_of(value)
        if reference is None:
            raise Corrupt("the output of a batch is no list")
        found: list[Value] = []
        for chunk in reference.chunks:
            first = 0
            while chunk.hash and first < chunk.count:
                request = FetchValues(hash=chunk.hash, first=first)
                answer = await ask(self._ports.coordinators, request, Fetched)
                values: list[Value] = decode(answer.values, list, f"chunk {chunk.hash}")
                found += values
                first += len(values)
        return found


def _check(plan: Plan, expected: int) -> None:
    if expected and len(plan.runs) != expected:
        raise Rejected(
            f"the query finds {len(plan.runs)} runs now, expected were {expected}: look at the "
            "preview again"
        )
    if not plan.runs:
        raise Rejected("the query finds no run that this could be done to: look at the preview")


def _count(runs: Value) -> int:
    if isinstance(runs, list):
        return len(runs)
    reference = reference_of(runs)
    return 0 if reference is None else reference.count
