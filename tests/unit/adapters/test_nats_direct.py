"""The client without detours: what is written when, and who is called."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from orchestrator.adapters.nats.direct import DirectClient

ROUNDS = 3


class Socket:
    """What is written, call by call; `waiting` bytes were not taken by the system."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0
        self.closed = False
        self.transport = self
        self.has_written = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closed

    def writelines(self, parts: list[bytes]) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.written.append(b"".join(parts))
        self.has_written.set()


def connected(socket: Socket) -> DirectClient:
    client = DirectClient()
    transport = cast("Callable[[], TcpTransport]", TcpTransport)()
    transport._io_writer = cast("asyncio.StreamWriter", socket)
    client._transport = transport
    client._status = Client.CONNECTED
    client._max_payload = 1000
    client._flush_queue = asyncio.Queue()
    client._flusher_task = asyncio.current_task()
    return client


async def a_few_rounds() -> None:
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_what_is_published_in_one_round_is_written_at_once_after_it() -> None:
    socket = Socket()
    client = connected(socket)
    await client.publish("a", b"1")
    await client.publish("b", b"2")
    assert socket.written == []
    await a_few_rounds()
    assert socket.written == [b"PUB a  1\r\n1\r\nPUB b  1\r\n2\r\n"]


@pytest.mark.anyio
async def test_what_is_in_no_hurry_goes_along_with_the_next_and_in_order() -> None:
    socket = Socket()
    client = connected(socket)
    client.send_later("ack", b"+ACK")
    await a_few_rounds()
    assert socket.written == []
    await client.publish("a", b"1")
    await a_few_rounds()
    assert socket.written == [b"PUB ack  4\r\n+ACK\r\nPUB a  1\r\n1\r\n"]


@pytest.mark.anyio
async def test_what_is_in_no_hurry_goes_alone_when_nothing_takes_it_along() -> None:
    socket = Socket()
    client = connected(socket)
    client.send_later("ack", b"+ACK")
    async with asyncio.timeout(5):
        await socket.has_written.wait()
    assert socket.written == [b"PUB ack  4\r\n+ACK\r\n"]


@pytest.mark.anyio
async def test_a_socket_that_takes_no_more_is_left_to_the_library() -> None:
    socket = Socket()
    socket.waiting = 1
    client = connected(socket)
    client.send_later("a", b"1")
    client._write()
    await client.publish("b", b"2")
    await a_few_rounds()
    assert socket.written == []
    assert client._flush_queue is not None
    assert not client._flush_queue.empty()
    assert len(client._pending) == 2


@pytest.mark.anyio
async def test_nothing_is_written_to_a_socket_that_has_closed_and_nothing_is_lost() -> None:
    socket = Socket()
    client = connected(socket)
    await client.publish("a", b"1")
    socket.closed = True
    await a_few_rounds()
    client.send_later("b", b"2")
    client._write()
    assert len(client._pending) == 2


@pytest.mark.anyio
async def test_a_message_reaches_its_handler_before_the_next_is_read() -> None:
    client = connected(Socket())
    came: list[tuple[str, bytes]] = []

    async def handler(message: Msg) -> None:
        came.append((message.subject, message.data))
        if message.data == b"bad":
            raise ValueError("cannot be handled")

    client._subs[1] = Subscription(client, 1, subject="s.*", cb=handler)
    await client._process_msg(1, b"s.1", b"", b"bad", b"")
    await client._process_msg(1, b"s.2", b"", b"good", b"")
    assert came == [("s.1", b"bad"), ("s.2", b"good")]
