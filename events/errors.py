"""Errors that the shared language itself can raise.

    DalsegnoError                code
    ├── Rejected                 rejected          not allowed now; never retried as it is
    │   ├── InvalidValue         invalid_value     a user value that cannot be stored
    │   └── NotFound             not_found         there is no such run, workflow, node …
    ├── Conflict                 conflict          version taken; reload, bounded
    ├── Fenced                   fenced            a late comer: stale epoch or attempt
    ├── Unavailable              unavailable       store or bus away; back off
    ├── Corrupt                  corrupt           undecodable or damaged stored bytes
    │   └── MissingKey           missing_key       sound, but the key to read them is not configured
    ├── Misconfigured            misconfigured     refuse to start, exit 2
    └── InvariantViolation       invariant         a bug of ours; crash

`code` is stable: it travels on the wire, in the API and in metrics. Messages are for people: they
name the offender, what was expected, and the mend.
"""

from typing import ClassVar


class DalsegnoError(Exception):
    """Base of all errors of ours."""

    code: ClassVar[str] = "error"


class Rejected(DalsegnoError):
    """Not allowed now, or wrong; asked again as it is, it is refused again."""

    code = "rejected"


class InvalidValue(Rejected):
    """A value that cannot be stored: NaN, an integer over 64 bits, keys that are no text."""

    code = "invalid_value"


class NotFound(Rejected):
    """There is no such run, workflow, node or snapshot."""

    code = "not_found"


class Conflict(DalsegnoError):
    """Somebody else was faster, again and again; ask anew."""

    code = "conflict"


class Fenced(DalsegnoError):
    """From an attempt or an epoch that is no longer valid; drop it."""

    code = "fenced"


class Unavailable(DalsegnoError):
    """Store, bus or coordinator is away; wait and ask again.

    `unknown` is true when the operation may have taken effect before the connection was lost.
    """

    code = "unavailable"

    def __init__(self, message: str, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class Corrupt(DalsegnoError):
    """Stored bytes are damaged, or from a newer version; nothing is skipped."""

    code = "corrupt"


class MissingKey(Corrupt):
    """Stored bytes are encrypted with a key that this process does not have."""

    code = "missing_key"


class Misconfigured(DalsegnoError):
    """A setting, a flag or the usage is wrong; the process refuses to start."""

    code = "misconfigured"


class InvariantViolation(DalsegnoError):
    """A bug of ours; the process stops rather than go on."""

    code = "invariant"


BY_CODE: dict[str, type[DalsegnoError]] = {
    error.code: error
    for error in tuple(globals().values())
    if isinstance(error, type) and issubclass(error, DalsegnoError)
}
"""The classes of this tree by their codes: how an error is raised again on the other side."""
