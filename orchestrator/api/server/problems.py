"""Problems: errors as RFC 9457 says them, with our codes."""

import msgspec
from litestar.response import Response

from events.errors import DalsegnoError, Unavailable
from events.redaction import redact_text
from orchestrator.api.errors import BUG, TITLES, status_of
from orchestrator.api.service.workflows import problem_shown
from orchestrator.api.shapes import Problem
from orchestrator.authoring import InvalidDefinition

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = "1"


def problem_of(error: Exception) -> Problem:
    """What is not an error of ours is a bug of ours, of which nothing is told but that."""
    if not isinstance(error, DalsegnoError):
        return problem(500, BUG, "internal error: the log of the API process says more")
    told = problem(status_of(error), error.code, redact_text(str(error)))
    if isinstance(error, InvalidDefinition):
        told = msgspec.structs.replace(told, problems=tuple(map(problem_shown, error.problems)))
    return told


def problem(status: int, code: str, detail: str) -> Problem:
    return Problem(
        type=f"urn:dalsegno:error:{code}",
        title=TITLES.get(status, "Error"),
        status=status,
        code=code,
        detail=detail,
    )


def response_of(error: Exception) -> Response[bytes]:
    told = problem_of(error)
    headers = _headers(error, told.status)
    return Response(
        msgspec.json.encode(told), status_code=told.status, media_type=MEDIA_TYPE, headers=headers
    )


def response_bytes(error: Exception) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The same for who speaks ASGI: status, headers, body."""
    told = problem_of(error)
    body = msgspec.json.encode(told)
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        **_headers(error, told.status),
    }
    return told.status, [(n.lower().encode(), v.encode()) for n, v in headers.items()], body


def _headers(error: Exception, status: int) -> dict[str, str]:
    if isinstance(error, Unavailable):
        return {"Retry-After": RETRY_AFTER_S}
    return {"WWW-Authenticate": "Bearer"} if status == 401 else {}
