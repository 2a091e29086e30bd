"""The orchestrator's errors: the shared tree of `events.errors`, re-exported."""

from events.errors import (
    Conflict,
    Corrupt,
    DalsegnoError,
    Fenced,
    InvalidValue,
    InvariantViolation,
    Misconfigured,
    MissingKey,
    NotFound,
    Rejected,
    Unavailable,
)

__all__ = [
    "Conflict",
    "Corrupt",
    "DalsegnoError",
    "Fenced",
    "InvalidValue",
    "InvariantViolation",
    "Misconfigured",
    "MissingKey",
    "NotFound",
    "Rejected",
    "Unavailable",
]
