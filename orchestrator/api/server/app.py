"""The application: routes of the API, its document, and the pages of the console."""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

import anyio
import msgspec
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.response import Response
from litestar.types import ASGIApp

from events.errors import DalsegnoError, NotFound
from events.limits import API_BODY_BYTES_MAX
from orchestrator.api.errors import InvalidRequest, NotAllowed, TooLarge
from orchestrator.api.server.document import document
from orchestrator.api.server.guard import Guard
from orchestrator.api.server.metrics import Metrics
from orchestrator.api.server.pages import pages
from orchestrator.api.server.problems import response_of
from orchestrator.api.server.repeats import Repeats
from orchestrator.api.server.routes import Routes, Served
from orchestrator.api.server.tokens import Tokens

log = logging.getLogger("dalsegno.api")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may ask: those with one of these tokens, or all where there are none; and by which names
    this server may be called. `loopback`: whether only this machine can reach it."""

    tokens: Tokens = Tokens()
    loopback: bool = True
    hosts: tuple[str, ...] = ()


class About(msgspec.Struct, frozen=True, kw_only=True):
    """`clock`: seconds, monotonic. `console`: a folder with its pages, in place of the packaged."""

    release: str
    clock: Callable[[], float]
    console: Path | None = None


def make_app(service: Served, access: Access, about: About) -> ASGIApp:
    """Everything, with the guard before it."""
    return guarded(make_routes(service, about), access)


def guarded(app: ASGIApp, access: Access) -> ASGIApp:
    return Guard(app, access.tokens, loopback=access.loopback, hosts=access.hosts)


def make_routes(service: Served, about: About) -> Litestar:
    """Answers every error as a problem."""
    routes = Routes(service, Metrics(about.clock), Repeats())
    return Litestar(
        [*routes.handlers(), _document(about.release), pages(about.console)],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: _refused},
        request_max_body_size=API_BODY_BYTES_MAX,
    )


def _document(release: str) -> BaseRouteHandler:
    @cache
    def text() -> bytes:
        return msgspec.json.encode(document(release))

    async def handle() -> Response[bytes]:
        found = await anyio.to_thread.run_sync(text)
        return Response(found, media_type="application/json")

    return get("/openapi.json", name="openapi")(handle)


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
