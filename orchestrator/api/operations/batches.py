"""Batches: one action for all runs that a query finds, executed as a run of its own."""
# mypy: disable-error-code="empty-body"

from typing import Annotated, Literal

from msgspec import Meta

from events.limits import BATCH_RUNS_MAX
from orchestrator.api.operations.groups import BatchGiven, RunsWanted
from orchestrator.api.operations.names import IdempotencyKey, NewRunId, RunId
from orchestrator.api.operations.operation import Carrier, get, post
from orchestrator.api.operations.words import Cursor, Limit
from orchestrator.api.shapes import BatchPlan, BatchShown, Page

BATCHES = "batches"
NOTHING = BatchGiven()
ActionName = Literal["cancel", "terminate", "retry", "signal"]
Action = Annotated[ActionName, Meta(description="What is done to each run.", examples=["cancel"])]
Expected = Annotated[
    int,
    Meta(
        ge=0,
        le=BATCH_RUNS_MAX,
        description="How many runs the preview found: with any other number it is refused. 0: as "
        "many as there are.",
        examples=[17],
    ),
]


class Batches(Carrier):
    @post("/batch-previews", BATCHES, refusals=(409, 422))
    async def preview_batch(
        self, action: Action, runs: RunsWanted, *, given: BatchGiven = NOTHING
    ) -> BatchPlan:
        """Say which runs a batch would be about, and which that are found it leaves out."""

    @post("/batches", BATCHES, refusals=(404, 409, 422), status=201)
    async def start_batch(
        self,
        action: Action,
        runs: RunsWanted,
        *,
        given: BatchGiven = NOTHING,
        expected: Expected = 0,
        batch_id: NewRunId = "",
        idempotency_key: IdempotencyKey = "",
    ) -> BatchShown:
        """Do something to all runs that a query finds, as a run of its own.

        The runs are those that the query finds now. It survives the death of any process, and needs
        one agent. A condition has to be given: a batch about all runs is refused.
        """

    @get("/batches", BATCHES)
    async def list_batches(self, *, cursor: Cursor = "", limit: Limit = 20) -> Page[BatchShown]:
        """List batches, the newest first."""

    @get("/batches/{batch_id}", BATCHES, refusals=(404,))
    async def show_batch(self, batch_id: RunId) -> BatchShown:
        """Show how far a batch is, and what it was refused."""
