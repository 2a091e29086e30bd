"""Errors that the shared language itself can raise.

    DalsegnoError                code
    ├── Rejected                 rejected          not allowed now; never retried as it is
    │   └── InvalidValue         invalid_value     a user value that cannot be stored
    ├── Conflict                 conflict          version taken; reload, bounded
    ├── Fenced                   fenced            a late comer: stale epoch or attempt
    ├── Unavailable              unavailable       store or bus away; back off
    ├── Corrupt                  corrupt           undecodable or damaged stored bytes
    ├── Misconfigured            misconfigured     refuse to start, exit 2
    └── InvariantViolation       invariant         a bug of ours; crash

`code` is stable: it travels on the wire, in the API and in metrics. Messages are for people: they
name the offender, what was expected, and the mend.
"""

from typing import ClassVar


class DalsegnoError(Exception):
    code: ClassVar[str] = "error"


class Rejected(DalsegnoError):
    code = "rejected"


class InvalidValue(Rejected):
    code = "invalid_value"


class Conflict(DalsegnoError):
    code = "conflict"


class Fenced(DalsegnoError):
    code = "fenced"


class Unavailable(DalsegnoError):
    """`unknown` is true when the operation may have taken effect before the connection was lost."""

    code = "unavailable"

    def __init__(self, message: str, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class Corrupt(DalsegnoError):
    code = "corrupt"


class Misconfigured(DalsegnoError):
    code = "misconfigured"


class InvariantViolation(DalsegnoError):
    code = "invariant"
