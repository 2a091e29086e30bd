"""A pull consumer against a server of our own making: one that forgets, refuses, or hurries."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import anyio
import anyio.lowlevel
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from events.errors import Unavailable
from events.jetstream import PullLimits
from events.streams import Topology
from orchestrator.adapters.nats.link import Closed, Link
from orchestrator.adapters.nats.pull import Pull
from orchestrator.adapters.nats.session import Handler, Session

pytestmark = pytest.mark.anyio

DEADLINE_S = 5.0
CONSUMER = Topology().command_consumer("n1", "i1")
HASTY = PullLimits(messages=4, heartbeat_s=0.01)

Request = dict[str, int]


class FakeServer:
    """Answers each pull request as `respond` says; plays link and session at once."""

    bytes_max = 1000

    def __init__(self, respond: Callable[["FakeServer", Request], Awaitable[None]]) -> None:
        self.closed = False
        self.lost = anyio.Event()
        self.declared = 0
        self.requests: list[Request] = []
        self._respond = respond
        self._handler: Handler | None = None
        self._reply = ""

    async def session(self) -> "FakeServer":
        if self.closed:
            raise Closed
        return self

    async def pause(self, _seconds: float) -> None:
        await anyio.lowlevel.checkpoint()

    async def declare(self, _session: Session) -> None:
        self.declared += 1

    @asynccontextmanager
    async def subscription(self, _subject: str, handler: Handler) -> AsyncIterator[None]:
        self._handler = handler
        yield
        self._handler = None

    async def send(self, _subject: str, body: bytes, reply: str) -> None:
        self._reply = reply
        self.requests.append(json.loads(body))
        await self._respond(self, self.requests[-1])

    async def wait_for(self, event: anyio.Event, timeout_s: float) -> None:
        with anyio.move_on_after(timeout_s):
            await event.wait()

    def new_inbox(self) -> str:
        return "_INBOX.test"

    async def deliver(self, data: bytes) -> None:
        await self._say(Msg(cast("Client", None), "the.subject", "ack", data))

    async def status(self, code: str, description: str = "", pending: str | None = None) -> None:
        headers = {"Status": code, "Description": description}
        if pending is not None:
            headers["Nats-Pending-Messages"] = pending
        await self._say(Msg(cast("Client", None), self._reply, "", b"", headers))

    async def _say(self, message: Msg) -> None:
        assert self._handler is not None
        await self._handler(message)


def batches(server: FakeServer) -> AsyncIterator[list[Msg]]:
    link = cast("Link", server)
    return Pull(link, CONSUMER, server.declare, HASTY).batches()


async def take(server: FakeServer, messages: int) -> list[bytes]:
    taken: list[bytes] = []
    with anyio.fail_after(DEADLINE_S):
        async for batch in batches(server):
            taken += [message.data for message in batch]
            if len(taken) >= messages:
                break
    return taken


async def test_a_busy_consumer_never_pauses() -> None:
    """The server ends each request of which all has come, which is no reason to slow down."""

    async def respond(server: FakeServer, request: Request) -> None:
        for _ in range(request["batch"]):
            await server.deliver(b"x")
        await server.status("409", "Batch Completed", "0")

    server = FakeServer(respond)
    assert len(await take(server, 2000)) >= 2000
    assert server.declared == 1


async def test_a_request_that_brings_nothing_is_not_repeated_at_once() -> None:
    repeated = anyio.Event()

    async def respond(server: FakeServer, _request: Request) -> None:
        await server.status("409", "Exceeded MaxWaiting", None)
        if len(server.requests) == 2:
            repeated.set()

    server = FakeServer(respond)
    async with anyio.create_task_group() as group:
        group.start_soon(take, server, 1)
        await repeated.wait()
        await anyio.sleep(0.3)
        assert len(server.requests) <= 10
        group.cancel_scope.cancel()


async def test_an_expired_request_is_repeated_at_once() -> None:
    async def respond(server: FakeServer, request: Request) -> None:
        if len(server.requests) == 100:
            await server.deliver(b"x")
        else:
            await server.status("408", "Request Timeout", str(request["batch"]))

    assert await take(FakeServer(respond), 1) == [b"x"]


async def test_a_server_that_has_forgotten_the_request_is_asked_again_then_declared_to() -> None:
    async def respond(server: FakeServer, _request: Request) -> None:
        if server.declared == 2:
            await server.deliver(b"x")

    server = FakeServer(respond)
    assert await take(server, 1) == [b"x"]
    assert len(server.requests) >= 3


@pytest.mark.parametrize(("code", "text"), [("409", "Consumer Deleted"), ("503", "")])
async def test_a_consumer_that_is_gone_is_declared_again(code: str, text: str) -> None:
    async def respond(server: FakeServer, _request: Request) -> None:
        if server.declared < 4:
            await server.status(code, text)
        else:
            await server.deliver(b"x")

    server = FakeServer(respond)
    assert await take(server, 1) == [b"x"]
    assert server.declared == 4


async def test_what_came_before_the_consumer_went_is_not_lost() -> None:
    async def respond(server: FakeServer, _request: Request) -> None:
        await server.deliver(str(len(server.requests)).encode())
        await server.status("409", "Consumer Deleted")

    assert await take(FakeServer(respond), 3) == [b"1", b"2", b"3"]


async def test_trouble_with_the_declaration_is_tried_again() -> None:
    async def respond(server: FakeServer, _request: Request) -> None:
        await server.deliver(b"x")

    class Troubled(FakeServer):
        async def declare(self, session: Session) -> None:
            await super().declare(session)
            if self.declared < 3:
                raise Unavailable("not now")

    server = Troubled(respond)
    assert await take(server, 1) == [b"x"]


async def test_closing_ends_it() -> None:
    async def respond(server: FakeServer, _request: Request) -> None:
        server.closed = True
        server.lost.set()
        await server.status("100", "Idle Heartbeat")

    with anyio.fail_after(DEADLINE_S):
        assert [batch async for batch in batches(FakeServer(respond))] == []
