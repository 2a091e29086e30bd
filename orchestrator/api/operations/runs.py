"""Operations about runs: lists, state, history."""
# mypy: disable-error-code="empty-body"

from events.views import RunView
from orchestrator.api.operations.operation import Carrier, get
from orchestrator.api.operations.words import (
    After,
    Cursor,
    Limit,
    RunId,
    Since,
    Status,
    Until,
    VersionOrFirst,
    WorkflowFilter,
)
from orchestrator.api.shapes import EventShown, Page, RunRow
from orchestrator.replay.moments import Moment

RUNS = "runs"
REPLAY = "replay"


class Runs(Carrier):
    @get("/runs", RUNS)
    async def list_runs(
        self,
        *,
        status: Status = "",
        workflow: WorkflowFilter = "",
        since: Since = 0,
        until: Until = 0,
        cursor: Cursor = "",
        limit: Limit = 20,
    ) -> Page[RunRow]:
        """List runs, the newest first.

        From the log's index, which is part of every commit: what was answered before is in it.
        """

    @get("/runs/{run_id}", RUNS, refusals=(404,))
    async def show_run(self, run_id: RunId) -> RunView:
        """Show a run with its steps and tasks, its output or error."""

    @get("/runs/{run_id}/events", RUNS, refusals=(404,))
    async def list_run_events(
        self, run_id: RunId, *, after: After = 0, limit: Limit = 100
    ) -> Page[EventShown]:
        """List the events of a run, the first one first.

        The `next` of a page is the version to go on `after`.
        """

    @get("/runs/{run_id}/states/{version}", REPLAY, refusals=(404, 409))
    async def show_state(self, run_id: RunId, version: VersionOrFirst) -> Moment:
        """Show a run as it was after one of its events, folded from the events alone."""
