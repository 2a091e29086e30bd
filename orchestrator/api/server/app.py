"""The application: routes of the API, its document, and the pages of the console."""

import logging
from pathlib import Path

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.response import Response

from events.errors import DalsegnoError, NotFound
from orchestrator.api.errors import InvalidRequest, NotAllowed, TooLarge
from orchestrator.api.operations.all import Operations
from orchestrator.api.server.pages import pages
from orchestrator.api.server.problems import response_of
from orchestrator.api.server.routes import handlers

log = logging.getLogger("dalsegno.api")

API_BODY_BYTES_MAX = 8 * 1024 * 1024


def make_app(service: Operations, console: Path | None = None) -> Litestar:
    """Answers every error as a problem; keeps nothing between requests."""
    return Litestar(
        [*handlers(service), pages(console)],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: _refused},
        request_max_body_size=API_BODY_BYTES_MAX,
    )


def _refused(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    if isinstance(error, HTTPException):
        error = _ours(request, error)
    if not isinstance(error, DalsegnoError):
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return response_of(error)


def _ours(request: Request[object, object, State], error: HTTPException) -> Exception:
    """What Litestar refuses by itself."""
    path = request.url.path
    match error.status_code:
        case 404:
            return NotFound(f"there is no path {path}: /openapi.json describes those there are")
        case 405:
            return NotAllowed(f"{path} has no method {request.method}")
        case 413:
            return TooLarge(f"the body is over {API_BODY_BYTES_MAX} bytes")
        case status if status < 500:
            return InvalidRequest(error.detail)
        case _:
            return error
