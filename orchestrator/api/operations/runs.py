"""Operations about runs: starting them, lists, what they are now."""
# mypy: disable-error-code="empty-body"

from events.views import RunView, TaskView
from orchestrator.api.operations.groups import RunsWanted, StartOptions
from orchestrator.api.operations.names import Hash, IdempotencyKey, NewRunId, RunId, WorkflowName
from orchestrator.api.operations.operation import Carrier, get, post
from orchestrator.api.operations.words import (
    Cursor,
    Expression,
    Input,
    Limit,
    Values,
    VersionOrFirst,
    WaitS,
)
from orchestrator.api.shapes import KeptValues, Page, QueryResult, RunRow, RunStarted, ValuesPage
from orchestrator.insight.tree import Twig

RUNS = "runs"
ALL_RUNS, AS_USUAL = RunsWanted(), StartOptions()
VALUES = "values"


class Runs(Carrier):
    @get("/runs", RUNS)
    async def list_runs(
        self, wanted: RunsWanted = ALL_RUNS, *, cursor: Cursor = "", limit: Limit = 20
    ) -> Page[RunRow]:
        """List runs, the newest first.

        From the log's index, which is part of every commit: what was answered before is in it.
        Tags and attributes are looked up in the projections, which may be a moment late.
        """

    @post("/runs", RUNS, refusals=(404, 409, 422), status=201)
    async def start_run(
        self,
        workflow: WorkflowName,
        *,
        input: Input = None,  # noqa: A002 -- it is called so everywhere
        run_id: NewRunId = "",
        options: StartOptions = AS_USUAL,
        wait_s: WaitS = 0.0,
        idempotency_key: IdempotencyKey = "",
    ) -> RunStarted:
        """Start a run of a registered workflow.

        The same `run_id` with the same workflow and input is the same run. With `wait_s` it is
        answered when the run has ended, or as it is after so many seconds.
        """

    @get("/runs/{run_id}", RUNS, refusals=(404, 409))
    async def show_run(self, run_id: RunId) -> RunView:
        """Show a run with its steps and tasks, its output or error."""

    @get("/runs/{run_id}/end", RUNS, refusals=(404, 409))
    async def await_run(self, run_id: RunId, *, wait_s: WaitS = 10.0) -> RunView:
        """Wait for the end of a run: answered when it has ended, or as it is after `wait_s`."""

    @get("/runs/{run_id}/tasks", RUNS, refusals=(404, 409))
    async def list_tasks(
        self, run_id: RunId, *, cursor: Cursor = "", limit: Limit = 100
    ) -> Page[TaskView]:
        """List the tasks of a run by name."""

    @get("/runs/{run_id}/tree", RUNS, refusals=(404,))
    async def show_tree(self, run_id: RunId) -> Twig:
        """Show a run as a tree of steps, iterations, items and child runs.

        Child runs and forks are leaves with their ids: ask for their trees in turn.
        """

    @post("/runs/{run_id}/query", RUNS, refusals=(404, 409, 422))
    async def query_run(self, run_id: RunId, expression: Expression) -> QueryResult:
        """Evaluate a CEL expression over the state of a run; changes nothing."""

    @post("/values", VALUES, refusals=(409, 422))
    async def keep_values(self, values: Values) -> KeptValues:
        """Store a chunk of a list that is too large for one value, for a reference to name it."""

    @get("/values/{hash}", VALUES, refusals=(404, 409))
    async def fetch_values(
        self,
        hash: Hash,  # noqa: A002 -- it is called so everywhere
        *,
        first: VersionOrFirst = 0,
    ) -> ValuesPage:
        """Values of a stored chunk from the one numbered `first` on, as many as an answer holds."""
