"""All operations in one class."""

from orchestrator.api.operations.feeds import Feeds
from orchestrator.api.operations.runs import Runs
from orchestrator.api.operations.workflows import Workflows


class Operations(Workflows, Runs, Feeds):
    """What can be asked. A client sends it, a service carries it out."""
