"""Errors of the node agent.

    DalsegnoError
    ├── Misconfigured
    │   └── NodeTaken            node_taken        another agent has this node's folder
    ├── Corrupt
    │   └── JournalDamaged       journal_damaged   the journal is damaged where it was durable
    └── TaskError                (its own code)    raised by handlers: how they fail

`TaskError` is the only one that user code raises; all others stop the agent.
"""

import math
from typing import ClassVar

from events.errors import Corrupt, DalsegnoError, Misconfigured


class NodeTaken(Misconfigured):
    """Another agent has this node's folder."""

    code = "node_taken"


class JournalDamaged(Corrupt):
    """The journal is damaged where it was durable."""

    code = "journal_damaged"


class TaskError(DalsegnoError):
    """Raised by a handler to fail with a `code` that retry policies and error arcs look at.

    `details` are stored with the failure and must be JSON data; `retryable=False` asks for no
    further attempt, `retry_after_s` that a further one comes no sooner than so: the step's retry
    policy may wait longer, and the coordinator's `limits.retry_after_s_max` bounds it.
    """

    code: ClassVar[str] = "task_error"

    def __init__(
        self,
        code: str,
        message: str = "",
        details: object = None,
        retryable: bool = True,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message or code)
        self.failure_code = code
        self.message = message
        self.details = details
        self.retryable = retryable
        self.retry_after_s = retry_after_s if math.isfinite(retry_after_s) else 0.0


class TaskCancelled(Exception):
    """A plain or subprocess handler ended because it was asked to; see
    `TaskContext.raise_if_cancelled`.
    """
