"""Problems: errors as RFC 9457 says them, with our codes."""

from typing import Annotated

import msgspec
from litestar.response import Response
from msgspec import Meta

from events.errors import DalsegnoError, Unavailable
from events.redaction import redact_text
from orchestrator.api.errors import BUG, TITLES, status_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = "1"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not carried out. `code` is stable and for programs; `detail` names the
    offender, what was expected and the mend, for people."""

    type: Annotated[str, Meta(examples=["urn:dalsegno:error:not_found"])]
    title: Annotated[str, Meta(examples=["Not found"])]
    status: Annotated[int, Meta(ge=400, le=599, examples=[404])]
    code: Annotated[str, Meta(examples=["not_found"])]
    detail: Annotated[str, Meta(examples=["there is no run nightly-17"])]


def problem_of(error: Exception) -> Problem:
    """What is not an error of ours is a bug of ours, of which nothing is told but that."""
    if isinstance(error, DalsegnoError):
        return problem(status_of(error), error.code, redact_text(str(error)))
    return problem(500, BUG, "internal error: the log of the API process says more")


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
    headers = {"Retry-After": RETRY_AFTER_S} if isinstance(error, Unavailable) else {}
    if told.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(told), status_code=told.status, media_type=MEDIA_TYPE, headers=headers
    )
