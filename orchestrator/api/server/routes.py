"""Routes: a Litestar handler for each operation of a service."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, cast

import msgspec
from litestar import Request, get, route, websocket
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.response import Response, Stream

from events.errors import DalsegnoError, Unavailable
from events.limits import API_FEEDS_MAX
from orchestrator.api.operations.all import Operations
from orchestrator.api.operations.operation import Feed, Operation, operations
from orchestrator.api.server.feeding import REASON_CHARS, REFUSED, Socket, as_events, over_socket
from orchestrator.api.server.guard import ACTOR, ANYBODY
from orchestrator.api.server.metrics import MEDIA_TYPE, Metrics
from orchestrator.api.server.problems import MEDIA_TYPE as PROBLEM
from orchestrator.api.server.problems import problem_of
from orchestrator.api.server.reading import Reader
from orchestrator.api.server.repeats import Answered, Repeats

Asked = Request[object, object, State]
JSON = "application/json"
EVENTS = "text/event-stream"
FRESH = {"Cache-Control": "no-store"}
UNTOUCHED = {**FRESH, "X-Accel-Buffering": "no"}
KEY = "idempotency_key"


class Served(Protocol):
    def acting(self, actor: str) -> Operations:
        """All operations, for somebody."""


class Routes:
    """Makes the handlers, which share what is counted and remembered."""

    def __init__(self, service: Served, metrics: Metrics, repeats: Repeats) -> None:
        self._service = service
        self._metrics = metrics
        self._repeats = repeats

    def handlers(self) -> list[BaseRouteHandler]:
        """One for each operation, and a socket beside each feed."""
        found: list[BaseRouteHandler] = [self._told_metrics()]
        for operation in operations(Operations).values():
            if operation.kind == "feed":
                found += [self._feed(operation), self._socket(operation)]
            else:
                found.append(self._answer(operation))
        return found

    # -- answers ----------------------------------------------------------------------------------

    def _answer(self, operation: Operation) -> BaseRouteHandler:
        reader = Reader(operation)

        async def handle(request: Asked) -> Response[bytes]:
            began = self._metrics.clock()
            answered = await self._answered(operation, reader, request)
            self._metrics.answered(operation, answered.status, self._metrics.clock() - began)
            return Response(
                answered.body,
                status_code=answered.status,
                media_type=answered.media_type,
                headers={**FRESH, **answered.headers},
            )

        path, verb = litestar_path(operation), operation.method
        made = route(path, http_method=[verb], name=operation.id, status_code=operation.status)
        return made(handle)

    async def _answered(self, operation: Operation, reader: Reader, request: Asked) -> Answered:
        try:
            arguments = _parameters(reader, request)
            if operation.method == "POST":
                content_type = request.headers.get("content-type", "")
                arguments |= reader.body(content_type, await request.body())
        except DalsegnoError as error:
            return _refused(error)
        actor = _actor(request)

        async def carry_out() -> Answered:
            return await self._carried_out(operation, actor, arguments)

        key = arguments.get(KEY)
        if not isinstance(key, str) or not key:
            return await carry_out()
        try:
            asked = {name: value for name, value in arguments.items() if name != KEY}
            return await self._repeats.once((actor, operation.id, key), asked, carry_out)
        except DalsegnoError as error:
            return _refused(error)

    async def _carried_out(
        self, operation: Operation, actor: str, arguments: Mapping[str, object]
    ) -> Answered:
        method = cast(
            "Callable[..., Awaitable[object]]", getattr(self._service.acting(actor), operation.id)
        )
        try:
            answer = await method(**operation.grouped(arguments))
        except DalsegnoError as error:
            return _refused(error)
        return Answered(operation.status, JSON, msgspec.json.encode(answer))

    def _told_metrics(self) -> BaseRouteHandler:
        async def handle(request: Asked) -> Response[str]:
            text = await self._metrics.text(self._service.acting(ANYBODY))
            return Response(text, media_type=MEDIA_TYPE, headers=FRESH)

        return get("/metrics", name="metrics")(handle)

    # -- feeds ------------------------------------------------------------------------------------

    def _feed(self, operation: Operation) -> BaseRouteHandler:
        reader = Reader(operation)

        async def handle(request: Asked) -> Stream:
            async with AsyncExitStack() as stack:
                arguments = _parameters(reader, request)
                feed = await stack.enter_async_context(
                    self._open(operation, _actor(request), arguments)
                )
                body = as_events(feed, stack.pop_all())
            return Stream(body, media_type=EVENTS, headers=UNTOUCHED)

        return route(litestar_path(operation), http_method=["GET"], name=operation.id)(handle)

    def _socket(self, operation: Operation) -> BaseRouteHandler:
        reader = Reader(operation)

        async def handle(socket: Socket) -> None:
            await socket.accept()
            try:
                arguments = _parameters(reader, socket)
                async with self._open(operation, _actor(socket), arguments) as feed:
                    await over_socket(socket, feed)
            except DalsegnoError as error:
                told = problem_of(error)
                await socket.close(code=REFUSED + told.status, reason=told.detail[:REASON_CHARS])

        return websocket(litestar_path(operation), name=f"{operation.id}_socket")(handle)

    @asynccontextmanager
    async def _open(
        self, operation: Operation, actor: str, arguments: Mapping[str, object]
    ) -> AsyncIterator[AsyncIterator[msgspec.Struct]]:
        """Raises `Unavailable` when there are too many, and what the operation raises."""
        method = cast(
            "Callable[..., Feed[msgspec.Struct]]",
            getattr(self._service.acting(actor), operation.id),
        )
        feeds = self._metrics.feeds
        if feeds.total() >= API_FEEDS_MAX:
            raise Unavailable(f"{API_FEEDS_MAX} feeds are open already: try again later")
        feeds[operation.id] += 1
        try:
            async with method(**operation.grouped(arguments)) as feed:
                yield feed
        finally:
            feeds[operation.id] -= 1


def _refused(error: DalsegnoError) -> Answered:
    told = problem_of(error)
    headers = {"Retry-After": "1"} if told.status == 503 else {}
    return Answered(told.status, PROBLEM, msgspec.json.encode(told), headers)


def _actor(asked: Asked | Socket) -> str:
    return str(asked.scope.get("state", {}).get(ACTOR, ANYBODY))


def _parameters(reader: Reader, asked: Asked | Socket) -> dict[str, object]:
    path = {name: str(value) for name, value in asked.path_params.items()}
    return reader.parameters(path, asked.query_params.multi_items(), asked.headers)


def litestar_path(operation: Operation) -> str:
    """`/runs/{run_id}` as Litestar writes it."""
    return re.sub(r"{(\w+)}", r"{\1:str}", operation.path)
