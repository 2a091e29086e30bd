"""The service: every operation, carried out over the ports."""

from orchestrator.api.operations.all import Operations
from orchestrator.api.service.again import AgainService
from orchestrator.api.service.batches import BatchService
from orchestrator.api.service.cluster import ClusterService, NodeService
from orchestrator.api.service.feed_service import FeedService
from orchestrator.api.service.log import LogService
from orchestrator.api.service.replay import ReplayService
from orchestrator.api.service.runs import RunService
from orchestrator.api.service.snapshots import SnapshotService
from orchestrator.api.service.steering import SteeringService
from orchestrator.api.service.workflows import WorkflowService


class Service(
    ClusterService,
    BatchService,
    SnapshotService,
    NodeService,
    FeedService,
    LogService,
    ReplayService,
    AgainService,
    SteeringService,
    RunService,
    WorkflowService,
    Operations,
):
    def acting(self, actor: str) -> "Service":
        """The same for somebody else who asks."""
        return Service(self._ports, actor, self._look)
