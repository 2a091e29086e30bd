"""Feeds over HTTP: server-sent events, or a WebSocket of JSON texts.

A message is `{id, …}`; as a server-sent event its id is the event's id, its kind the event's name,
and its JSON the data. An id alone comes first: the place that the feed begins behind. While nothing
happens a comment is sent now and then, so that a client that has gone is noticed, and a proxy does
not take the connection for dead.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress

import msgspec
from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from events.errors import DalsegnoError
from orchestrator.api.operations.operation import Begun
from orchestrator.api.server.problems import problem_of

Socket = WebSocket[object, object, State]

KEEPALIVE_S = 15.0
KEEPALIVE = b": alive\n\n"
RETRY = b"retry: 1000\n\n"
END = b"event: end\ndata: {}\n\n"
CLOSED, REFUSED = 1000, 4000
"""Codes of a WebSocket's end; a refusal is 4000 and its HTTP status."""
REASON_CHARS = 120

log = logging.getLogger("dalsegno.api")


async def paced(
    feed: AsyncIterator[msgspec.Struct], pause_s: float
) -> AsyncGenerator[msgspec.Struct | None, None]:
    """The same, with a None where nothing has come for a while."""
    following: asyncio.Future[msgspec.Struct] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(feed))
            done, _ = await asyncio.wait({following}, timeout=pause_s)
            if not done:
                yield None
                continue
            try:
                message = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield message
    finally:
        if following is not None:
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, DalsegnoError):
                await following
        await _close(feed)


async def _close(feed: AsyncIterator[msgspec.Struct]) -> None:
    close = getattr(feed, "aclose", None)
    if close is not None:
        await close()


async def as_events(
    feed: AsyncIterator[msgspec.Struct], opened: AsyncExitStack
) -> AsyncIterator[bytes]:
    """The body of an answer of server-sent events; closes what was opened for it. What goes wrong
    in the middle breaks it off: without an end the client comes back, behind the last message."""
    async with opened:
        yield RETRY
        if isinstance(feed, Begun):
            yield b"id: %b\n\n" % feed.place.encode()
        try:
            async with aclosing(paced(feed, KEEPALIVE_S)) as messages:
                async for message in messages:
                    yield KEEPALIVE if message is None else event_text(message)
        except DalsegnoError as error:
            log.warning("a feed is broken off, and may be asked for again: %s", error)
            return
        yield END


def event_text(message: msgspec.Struct) -> bytes:
    data = msgspec.json.encode(message)
    name = type(message).__name__.removesuffix("News").lower()
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (_id(message).encode(), name.encode(), data)


def _id(message: msgspec.Struct) -> str:
    id_ = getattr(message, "id", "")
    return id_ if isinstance(id_, str) else ""


async def over_socket(socket: Socket, feed: AsyncIterator[msgspec.Struct]) -> None:
    """Sends the feed until it ends or the client goes."""
    listening = asyncio.ensure_future(_until_gone(socket))
    sending = asyncio.ensure_future(_send(socket, feed))
    done, others = await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
        with suppress(asyncio.CancelledError):
            await other
    if sending in done:
        try:
            sending.result()
        except DalsegnoError as error:
            told = problem_of(error)
            await socket.close(code=REFUSED + told.status, reason=told.detail[:REASON_CHARS])
        else:
            await socket.close(code=CLOSED, reason="end")


async def _send(socket: Socket, feed: AsyncIterator[msgspec.Struct]) -> None:
    async with aclosing(paced(feed, KEEPALIVE_S)) as messages:
        async for message in messages:
            if message is not None:
                await socket.send_data(msgspec.json.encode(message).decode(), mode="text")


async def _until_gone(socket: Socket) -> None:
    """What a client says is not asked for, and read only to hear that it goes."""
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data(mode="text")
