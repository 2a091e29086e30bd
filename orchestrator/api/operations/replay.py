"""Operations that look into the past of runs; none of them changes anything."""
# mypy: disable-error-code="empty-body"

from orchestrator.api.operations.names import OtherRunId, RunId, StepName
from orchestrator.api.operations.operation import Carrier, get, post
from orchestrator.api.operations.words import (
    After,
    Instant,
    Limit,
    Version,
    VersionOrFirst,
    VersionOrLast,
)
from orchestrator.api.shapes import EventShown, Page
from orchestrator.insight.comparing.runs import Comparison
from orchestrator.insight.timelines.spans import Timeline
from orchestrator.replay.audit.judging import Verified
from orchestrator.replay.changes import Change
from orchestrator.replay.moments import Moment
from orchestrator.replay.why.reasons import Reason, StepReason

REPLAY = "replay"


class Replay(Carrier):
    @get("/runs/{run_id}/events", REPLAY, refusals=(404,))
    async def list_run_events(
        self, run_id: RunId, *, after: After = 0, limit: Limit = 100
    ) -> Page[EventShown]:
        """List the events of a run, the first one first.

        The `next` of a page is the version to go on `after`.
        """

    @get("/runs/{run_id}/states/{version}", REPLAY, refusals=(404, 409))
    async def show_state(self, run_id: RunId, version: VersionOrFirst) -> Moment:
        """Show a run as it was after one of its events, folded from the events alone."""

    @get("/runs/{run_id}/states", REPLAY, refusals=(404, 409))
    async def show_state_at(self, run_id: RunId, at: Instant) -> Moment:
        """Show a run as it was at an instant."""

    @get("/runs/{run_id}/changes/{version}", REPLAY, refusals=(404, 409))
    async def list_changes(self, run_id: RunId, version: Version) -> Page[Change]:
        """List what an event of a run changed in its state."""

    @get("/runs/{run_id}/reasons/{version}", REPLAY, refusals=(404, 409))
    async def explain_event(self, run_id: RunId, version: VersionOrLast) -> Reason:
        """Say why an event of a run came about: its decision, its causes, and its effects.

        Version 0 explains the run: the event that ended it, or its newest decision.
        """

    @get("/runs/{run_id}/steps/{step}/reason", REPLAY, refusals=(404, 409))
    async def explain_step(
        self, run_id: RunId, step: StepName, *, version: VersionOrLast = 0
    ) -> StepReason:
        """Say why a step of a run is as it is, at a version or now."""

    @get("/runs/{run_id}/timeline", REPLAY, refusals=(404, 409))
    async def show_timeline(self, run_id: RunId) -> Timeline:
        """Show where the time of a run went, step by step."""

    @get("/runs/{run_id}/differences/{other}", REPLAY, refusals=(404, 409))
    async def compare_runs(self, run_id: RunId, other: OtherRunId) -> Comparison:
        """Compare two runs: where they part and what that comes from, then path, data and time."""

    @post("/runs/{run_id}/verify", REPLAY, refusals=(404,))
    async def verify_run(self, run_id: RunId) -> Verified:
        """Audit a run against the log: its chain, its fold, its snapshots, its index."""
