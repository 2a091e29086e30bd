"""Errors of the API, and the statuses that errors are answered with.

code                status
invalid_request     400   malformed: a parameter, a header or the body is not what it has to be
unauthorized        401   a token is needed, or the one given is not known
forbidden           403   from another site, or for another host
not_found           404   there is no such run, workflow, node …, or no such path
method_not_allowed  405   there is such a path, but not this method of it
rejected            409   not allowed now
key_reused          409   the idempotency key was used for another request
conflict            409   somebody else was faster, again and again; ask anew
too_large           413   the body is over the limit
unsupported         415   the body is not JSON
invalid_value       422   a user value that cannot be stored
invalid_definition  422   a definition that is wrong: `problems` says where and why
unavailable         503   store, bus or coordinators are away; wait and ask again
corrupt             500   stored bytes are damaged
bug                 500   a bug of ours
"""

from collections.abc import Mapping

from events.errors import (
    Conflict,
    Corrupt,
    DalsegnoError,
    Fenced,
    InvalidValue,
    Misconfigured,
    NotFound,
    Rejected,
    Unavailable,
)
from orchestrator.authoring import InvalidDefinition


class InvalidRequest(Rejected):
    """Malformed: asked again as it is, it is refused again."""

    code = "invalid_request"


class Unauthorized(Rejected):
    """No token where one is needed, or one that is not known."""

    code = "unauthorized"


class Forbidden(Rejected):
    """Not from there."""

    code = "forbidden"


class KeyReused(Rejected):
    """The idempotency key was used for another request."""

    code = "key_reused"


class TooLarge(Rejected):
    """The body is over the limit."""

    code = "too_large"


class Unsupported(Rejected):
    """A body of a kind that is not read here."""

    code = "unsupported"


class NotAllowed(Rejected):
    """There is such a path, but not this method of it."""

    code = "method_not_allowed"


CODES: Mapping[str, type[DalsegnoError]] = {
    error.code: error
    for error in (
        InvalidRequest,
        Unauthorized,
        Forbidden,
        NotAllowed,
        KeyReused,
        TooLarge,
        Unsupported,
    )
}
"""Those of the API by their codes; the others are in the tree that all share."""

BUG = "bug"
STATUSES: tuple[tuple[type[DalsegnoError], int], ...] = (
    (InvalidRequest, 400),
    (Misconfigured, 400),
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (NotAllowed, 405),
    (TooLarge, 413),
    (Unsupported, 415),
    (InvalidValue, 422),
    (InvalidDefinition, 422),
    (Rejected, 409),
    (Conflict, 409),
    (Fenced, 409),
    (Unavailable, 503),
    (Corrupt, 500),
)
"""The first that fits."""

TITLES: dict[int, str] = {
    400: "Malformed request",
    401: "Not authorized",
    403: "Not from there",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    413: "Too large",
    415: "Unsupported body",
    422: "Value that cannot be stored",
    500: "Internal error",
    503: "Unavailable",
}


def status_of(error: DalsegnoError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
