"""All operations in one class."""

from orchestrator.api.operations.again import Again
from orchestrator.api.operations.batches import Batches
from orchestrator.api.operations.cluster import Cluster, Events, Nodes, Snapshots
from orchestrator.api.operations.feeds import Feeds
from orchestrator.api.operations.replay import Replay
from orchestrator.api.operations.runs import Runs
from orchestrator.api.operations.steering import Steering
from orchestrator.api.operations.workflows import Workflows


class Operations(
    Cluster, Batches, Snapshots, Nodes, Feeds, Events, Replay, Again, Steering, Runs, Workflows
):
    """What can be asked. A client sends it, a service carries it out."""
