"""Operations about nodes, snapshots, statistics, and the cluster as a whole."""
# mypy: disable-error-code="empty-body"

from events.views import NodeView
from orchestrator.api.operations.groups import EventsWanted, Note
from orchestrator.api.operations.names import (
    IdempotencyKey,
    NodeName,
    RunFilter,
    RunId,
    SnapshotId,
    WorkflowFilter,
)
from orchestrator.api.operations.operation import Carrier, delete, get, post
from orchestrator.api.operations.words import (
    Cursor,
    DeadlineS,
    Limit,
    PositionOrFirst,
    Reason,
    Since,
    SnapshotKindFilter,
    Until,
    VersionOrLast,
)
from orchestrator.api.shapes import (
    ClusterShown,
    Deleted,
    EventShown,
    Health,
    Page,
    Ready,
    SnapshotShown,
)
from orchestrator.insight.counting.statistics import Statistics
from orchestrator.insight.dead_letters import DeadLetter

NODES = "nodes"
EVENTS = "events"
SNAPSHOTS = "snapshots"
CLUSTER = "cluster"
ALL_EVENTS, NO_NOTE = EventsWanted(), Note()


class Nodes(Carrier):
    @get("/nodes", NODES)
    async def list_nodes(self, *, cursor: Cursor = "", limit: Limit = 100) -> Page[NodeView]:
        """List the nodes that the coordinators know by name, with what they hold."""

    @get("/nodes/{node}", NODES, refusals=(404, 409))
    async def show_node(self, node: NodeName) -> NodeView:
        """Show all that is known of a node, there or not."""

    @post("/nodes/{node}/cordon", NODES, refusals=(404, 409))
    async def cordon_node(
        self, node: NodeName, *, reason: Reason = "", idempotency_key: IdempotencyKey = ""
    ) -> NodeView:
        """Give a node no further attempt; what it has goes on."""

    @post("/nodes/{node}/uncordon", NODES, refusals=(404, 409))
    async def uncordon_node(
        self, node: NodeName, *, reason: Reason = "", idempotency_key: IdempotencyKey = ""
    ) -> NodeView:
        """Give a node attempts again."""

    @post("/nodes/{node}/drain", NODES, refusals=(404, 409))
    async def drain_node(
        self,
        node: NodeName,
        *,
        deadline_s: DeadlineS = 300.0,
        reason: Reason = "",
        idempotency_key: IdempotencyKey = "",
    ) -> NodeView:
        """Cordon a node and let it finish what runs; the rest goes to other nodes."""


class Events(Carrier):
    @get("/events", EVENTS, refusals=(409,))
    async def list_events(
        self,
        wanted: EventsWanted = ALL_EVENTS,
        *,
        after: PositionOrFirst = "",
        limit: Limit = 100,
    ) -> Page[EventShown]:
        """List events of the log in the order of their positions, filtered.

        The `next` of a page is the position to go on `after`; it is null where nothing more is
        there yet. An event has to meet all filters that are given, and any of the names of one.
        """

    @get("/dead-letters", EVENTS)
    async def list_dead_letters(
        self, *, cursor: Cursor = "", limit: Limit = 20
    ) -> Page[DeadLetter]:
        """List tasks that are given to no agent any more, the newest first."""


class Snapshots(Carrier):
    @get("/snapshots", SNAPSHOTS)
    async def list_snapshots(
        self,
        *,
        run_id: RunFilter = "",
        kind: SnapshotKindFilter = "",
        cursor: Cursor = "",
        limit: Limit = 20,
    ) -> Page[SnapshotShown]:
        """List stored states of a run, or of all, in the order of run and version."""

    @get("/snapshots/{snapshot}", SNAPSHOTS, refusals=(404, 409))
    async def show_snapshot(self, snapshot: SnapshotId) -> SnapshotShown:
        """Show a stored state, why it was taken, and whether it is sound."""

    @post("/runs/{run_id}/snapshots", SNAPSHOTS, refusals=(404, 409), status=201)
    async def create_snapshot(
        self,
        run_id: RunId,
        *,
        version: VersionOrLast = 0,
        note: Note = NO_NOTE,
        idempotency_key: IdempotencyKey = "",
    ) -> SnapshotShown:
        """Keep the state of a run at a version; it stays until it is deleted."""

    @delete("/snapshots/{snapshot}", SNAPSHOTS, refusals=(404, 409))
    async def delete_snapshot(
        self, snapshot: SnapshotId, *, idempotency_key: IdempotencyKey = ""
    ) -> Deleted:
        """Delete a stored state. Nothing is lost that the events do not have."""


class Cluster(Carrier):
    @get("/statistics", CLUSTER)
    async def show_statistics(
        self, *, workflow: WorkflowFilter = "", since: Since = 0, until: Until = 0
    ) -> Statistics:
        """Show counts, rates and percentiles of runs, tasks and nodes.

        Kept by `dalsegno projections run`; `as_of` says as of when.
        """

    @get("/cluster", CLUSTER)
    async def show_cluster(self) -> ClusterShown:
        """Show the logs and where they end, and which coordinators answer for which shards."""

    @get("/healthz", CLUSTER, base="")
    async def show_health(self) -> Health:
        """Say that this process answers."""

    @get("/readyz", CLUSTER, base="")
    async def show_readiness(self) -> Ready:
        """Say whether log and coordinators answer; 503 while they do not."""
