"""Routes: a Litestar handler for each operation of a service."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import cast

import msgspec
from litestar import Request, route, websocket
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.response import Response, Stream

from events.errors import DalsegnoError
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import BASE, Feed, Operation, operations
from orchestrator.api.server.feeding import REASON_CHARS, REFUSED, Socket, as_events, over_socket
from orchestrator.api.server.problems import problem_of
from orchestrator.api.server.reading import Reader

Asked = Request[object, object, State]
JSON = "application/json"
EVENTS = "text/event-stream"
UNTOUCHED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def handlers(service: Operations) -> list[BaseRouteHandler]:
    """One for each operation, and a socket beside each feed."""
    found: list[BaseRouteHandler] = []
    for operation in operations(Operations).values():
        if operation.kind == "feed":
            found += [_feed(service, operation), _socket(service, operation)]
        else:
            found.append(_answer(service, operation))
    return found


def _answer(service: Operations, operation: Operation) -> BaseRouteHandler:
    reader = Reader(operation)
    method = cast("Callable[..., Awaitable[object]]", getattr(service, operation.id))

    async def handle(request: Asked) -> Response[bytes]:
        arguments = _parameters(reader, request)
        if operation.method == "POST":
            content_type = request.headers.get("content-type", "")
            arguments |= reader.body(content_type, await request.body())
        answer = msgspec.json.encode(await method(**arguments))
        return Response(
            answer,
            status_code=operation.status,
            media_type=JSON,
            headers={"Cache-Control": "no-store"},
        )

    return route(litestar_path(operation), http_method=[operation.method], name=operation.id)(
        handle
    )


def _feed(service: Operations, operation: Operation) -> BaseRouteHandler:
    reader, open_ = Reader(operation), _opens(service, operation)

    async def handle(request: Asked) -> Stream:
        async with AsyncExitStack() as stack:
            feed = await stack.enter_async_context(open_(_parameters(reader, request)))
            body = as_events(feed, stack.pop_all())
        return Stream(body, media_type=EVENTS, headers=UNTOUCHED)

    return route(litestar_path(operation), http_method=["GET"], name=operation.id)(handle)


def _socket(service: Operations, operation: Operation) -> BaseRouteHandler:
    reader, open_ = Reader(operation), _opens(service, operation)

    async def handle(socket: Socket) -> None:
        await socket.accept()
        try:
            async with open_(_parameters(reader, socket)) as feed:
                await over_socket(socket, feed)
        except DalsegnoError as error:
            told = problem_of(error)
            await socket.close(code=REFUSED + told.status, reason=told.detail[:REASON_CHARS])

    return websocket(litestar_path(operation), name=f"{operation.id}_socket")(handle)


def _opens(
    service: Operations, operation: Operation
) -> Callable[[dict[str, object]], Feed[msgspec.Struct]]:
    method = cast("Callable[..., Feed[msgspec.Struct]]", getattr(service, operation.id))
    return lambda arguments: method(**arguments)


def _parameters(reader: Reader, asked: Asked | Socket) -> dict[str, object]:
    path = {name: str(value) for name, value in asked.path_params.items()}
    headers = {name.title(): value for name, value in asked.headers.items()}
    return reader.parameters(path, asked.query_params.multi_items(), headers)


def litestar_path(operation: Operation) -> str:
    """`/runs/{run_id}` as Litestar writes it."""
    return BASE + re.sub(r"{(\w+)}", r"{\1:str}", operation.path)
