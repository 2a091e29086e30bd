"""What the test kit raises, beside the errors of the product.

DalsegnoError
├── WorkflowFailed    workflow_failed   a run ended otherwise than completed
└── Stuck             stuck             a run can never go on, or a handler does not end
"""

from events.api import RunView
from events.errors import DalsegnoError


class WorkflowFailed(DalsegnoError):
    """In a test: a run ended otherwise than completed.

    `run` is how it ended, `failure` the code of what it failed with, empty if it was cancelled
    or ran out of time."""

    code = "workflow_failed"

    def __init__(self, message: str, run: RunView) -> None:
        super().__init__(message)
        self.run = run
        self.status = run.status
        self.failure = run.error.code if run.error is not None else ""


class Stuck(DalsegnoError):
    """In a test: a run can never go on, or a handler does not end."""

    code = "stuck"
