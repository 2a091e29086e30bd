"""The embedded NATS: JetStream with a password, restartable and wipeable."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.errors import MaxPayloadError
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from orchestrator.adapters.embedded import EmbeddedNats, ports
from orchestrator.adapters.embedded.nats import NatsLimits
from orchestrator.adapters.embedded.ports import HOST
from orchestrator.errors import Misconfigured, Unavailable

pytest_plugins = ["tests.servers"]
pytestmark = pytest.mark.real

Result = TypeVar("Result")
STREAM = "KEPT"
PORT_CHOICE = "orchestrator.adapters.embedded.server.free_port"


def with_jetstream(url: str, act: Callable[[JetStreamContext], Awaitable[Result]]) -> Result:
    async def session() -> Result:
        client = await nats.connect(url, allow_reconnect=False, connect_timeout=5)
        try:
            return await act(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(session())


def keep(url: str, payload: bytes = b"kept") -> None:
    async def publish(jetstream: JetStreamContext) -> None:
        await jetstream.add_stream(name=STREAM, subjects=["kept.>"])
        await jetstream.publish("kept.one", payload)

    with_jetstream(url, publish)


def kept(url: str) -> bytes | None:
    async def read(jetstream: JetStreamContext) -> bytes | None:
        return (await jetstream.get_msg(STREAM, 1)).data

    return with_jetstream(url, read)


def raw_greeting(port: int, connect: bytes) -> bytes:
    """What the server answers to a client of our own making, after its greeting."""
    with socket.create_connection((HOST, port), 5) as connection, connection.makefile("rwb") as s:
        s.readline()
        s.write(connect + b"\r\nPING\r\n")
        s.flush()
        return s.readline()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_a_client_with_the_password_has_jetstream(nats_server_private: EmbeddedNats) -> None:
    keep(nats_server_private.url)
    assert kept(nats_server_private.url) == b"kept"


@pytest.mark.parametrize("connect", [b"CONNECT {}", b'CONNECT {"user":"dalsegno","pass":"guess"}'])
def test_nobody_gets_in_without_it(nats_server: EmbeddedNats, connect: bytes) -> None:
    assert raw_greeting(nats_server.port, connect).startswith(b"-ERR 'Authorization Violation'")


def test_its_files_are_for_the_servers_user_alone(nats_server: EmbeddedNats) -> None:
    for name in ("secret", "nats.conf"):
        assert (nats_server.home / name).stat().st_mode & 0o077 == 0


def test_a_message_of_eight_megabytes_passes(nats_server_private: EmbeddedNats) -> None:
    payload = b"x" * (8 * 1024 * 1024)
    keep(nats_server_private.url, payload)
    assert kept(nats_server_private.url) == payload


def test_restart_keeps_store_and_address(nats_server_private: EmbeddedNats) -> None:
    url = nats_server_private.url
    keep(url)
    nats_server_private.restart()
    assert nats_server_private.url == url
    assert kept(url) == b"kept"


def test_kill9_keeps_the_store(nats_server_private: EmbeddedNats) -> None:
    keep(nats_server_private.url)
    nats_server_private.kill9()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, nats_server_private.port), 5)
    nats_server_private.start()
    nats_server_private.wait_ready()
    assert kept(nats_server_private.url) == b"kept"


def test_a_wiped_store_is_empty(nats_server_private: EmbeddedNats) -> None:
    keep(nats_server_private.url)
    nats_server_private.halt()
    nats_server_private.wipe()
    nats_server_private.start()
    nats_server_private.wait_ready()
    with pytest.raises(NotFoundError):
        kept(nats_server_private.url)


def test_a_running_server_survives_a_wipe(nats_server_private: EmbeddedNats) -> None:
    keep(nats_server_private.url)
    nats_server_private.wipe()
    nats_server_private.restart()
    keep(nats_server_private.url)
    assert kept(nats_server_private.url) == b"kept"


def test_a_data_folder_outlives_the_server(data_folder: Path) -> None:
    with EmbeddedNats(data_folder / "nats") as first:
        keep(first.url)
    with EmbeddedNats(data_folder / "nats") as second:
        assert kept(second.url) == b"kept"


def test_the_port_of_before_is_the_first_choice(data_folder: Path) -> None:
    """Whoever follows a cluster that was stopped finds it again."""
    with EmbeddedNats(data_folder / "nats") as first:
        port = first.port
    with EmbeddedNats(data_folder / "nats") as second:
        assert second.port == port
    with socket.create_server((HOST, port)), EmbeddedNats(data_folder / "nats") as third:
        assert third.port != port
    (data_folder / "nats" / "port").write_text("none")
    with EmbeddedNats(data_folder / "nats") as fourth:
        keep(fourth.url)


def test_a_port_in_use_is_named(taken_port: int) -> None:
    with pytest.raises(
        Misconfigured, match=rf"port {taken_port} on 127\.0\.0\.1 is in use.*another"
    ):
        EmbeddedNats(port=taken_port).start()


def test_a_port_taken_after_its_choice_is_chosen_again(
    nats_server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the port is a NATS server too, but not ours: its greeting does not deceive."""
    choice = iter([nats_server.port, ports.free_port()])
    monkeypatch.setattr(PORT_CHOICE, lambda: next(choice))
    with EmbeddedNats() as second:
        assert second.port != nats_server.port
        assert second.url != nats_server.url


def test_limits_reach_the_server() -> None:
    with EmbeddedNats(limits=NatsLimits(payload_bytes_max=1000)) as small:
        with pytest.raises(MaxPayloadError):
            keep(small.url, b"x" * 1001)
        keep(small.url, b"x" * 500)


def test_a_start_that_fails_shows_the_log(data_folder: Path) -> None:
    program = data_folder / "nats-server"
    program.write_text("#!/bin/sh\necho the moon is full\nexit 3\n")
    program.chmod(0o755)
    with (
        pytest.raises(Unavailable, match=r"ended with code 3 (?s:.*) the moon is full"),
        EmbeddedNats(program=program),
    ):
        pass
