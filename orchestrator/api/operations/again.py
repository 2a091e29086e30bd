"""Operations that do something of a run again: from a version, from what failed, as another run."""
# mypy: disable-error-code="empty-body"

from events.views import ForkView
from orchestrator.api.operations.groups import ForkOptions, SettledDeed
from orchestrator.api.operations.names import IdempotencyKey, NewRunId, RunId, Steps
from orchestrator.api.operations.operation import Carrier, get, post
from orchestrator.api.operations.words import (
    Everything,
    Reason,
    RestoreModeName,
    Version,
    VersionOrBest,
)
from orchestrator.api.shapes import Page, RunStarted
from orchestrator.replay.retrying import Retry
from orchestrator.replay.what_if.forks import Foreseen

AGAIN = "doing again"
AS_IT_WAS, SETTLED_DEED = ForkOptions(), SettledDeed()
REFUSALS = (404, 409, 422)


class Again(Carrier):
    @get("/runs/{run_id}/retry", AGAIN, refusals=(404, 409))
    async def plan_retry(self, run_id: RunId) -> Retry:
        """Say what a retry of a run would keep, and do again."""

    @post("/runs/{run_id}/retry", AGAIN, refusals=REFUSALS, status=201)
    async def retry_run(
        self,
        run_id: RunId,
        *,
        new_run_id: NewRunId = "",
        reason: Reason = "retry",
        idempotency_key: IdempotencyKey = "",
    ) -> RunStarted:
        """Try a run again that has ended otherwise than completed, by a new run.

        The new run begins where the old one stood before it failed; the old one stays as it is.
        """

    @get("/runs/{run_id}/restore", AGAIN, refusals=(404, 409))
    async def plan_restore(
        self,
        run_id: RunId,
        version: Version,
        *,
        mode: RestoreModeName = "resume",
    ) -> Retry:
        """Say what a restore of a run would keep, and do again."""

    @post("/runs/{run_id}/restore", AGAIN, refusals=REFUSALS)
    async def restore_run(
        self,
        run_id: RunId,
        version: Version,
        *,
        mode: RestoreModeName = "resume",
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: IdempotencyKey = "",
    ) -> RunStarted:
        """Let a run go on from where it was at an earlier version.

        One that has ended stays as it is: a new run, which is answered, begins from there.
        """

    @get("/runs/{run_id}/rerun", AGAIN, refusals=(404, 409))
    async def plan_rerun(
        self, run_id: RunId, *, steps: Steps = (), everything: Everything = False
    ) -> Retry:
        """Say what a rerun of steps would keep, and do again."""

    @post("/runs/{run_id}/rerun", AGAIN, refusals=REFUSALS)
    async def rerun_run(
        self,
        run_id: RunId,
        *,
        steps: Steps = (),
        everything: Everything = False,
        deed: SettledDeed = SETTLED_DEED,
        idempotency_key: IdempotencyKey = "",
    ) -> RunStarted:
        """Do steps of a run again, and what comes after them: those named, or what failed, or all.

        Of a run that has ended a new one, which is answered, does them.
        """

    @post("/runs/{run_id}/fork-plans", AGAIN, refusals=REFUSALS)
    async def plan_fork(
        self, run_id: RunId, *, version: VersionOrBest = 0, options: ForkOptions = AS_IT_WAS
    ) -> Foreseen:
        """Say what a fork of a run would execute again, and what it keeps; changes nothing."""

    @post("/runs/{run_id}/forks", AGAIN, refusals=REFUSALS, status=201)
    async def fork_run(
        self,
        run_id: RunId,
        *,
        version: VersionOrBest = 0,
        options: ForkOptions = AS_IT_WAS,
        idempotency_key: IdempotencyKey = "",
    ) -> RunStarted:
        """Start a new run that shares the history of this one up to a version, with a fix.

        What had completed by then is not executed again. To go on with a changed definition,
        register it `aside` first.
        """

    @get("/runs/{run_id}/forks", AGAIN, refusals=(404,))
    async def list_forks(self, run_id: RunId) -> Page[ForkView]:
        """List the runs that were forked from a run, as far as the projections have them."""
