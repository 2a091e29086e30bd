"""Reaching NATS at all: what is wrong is said once, in words, with the mend."""

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import nats
import pytest

from events.api import Hello
from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from events.streams import BusLimits, StreamLimits, Topology
from events.subjects import Subjects
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.embedded.binaries import find_nats
from orchestrator.adapters.embedded.ports import HOST, free_port
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.nats.link import Link
from tests.contract.planes import DEADLINE_S, bus_limits

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.real, pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


def bus(connection: Connection, prefix: str = "link") -> NatsBus:
    return NatsBus(connection, Topology(subjects=Subjects(prefix), limits=bus_limits()), "c1")


async def test_no_server() -> None:
    url = f"nats://user:secret@{HOST}:{free_port()}"
    with pytest.raises(Unavailable, match="is it running") as caught:
        await bus(Connection(urls=(url,))).start()
    assert "secret" not in str(caught.value)


async def test_the_client_says_so_at_once() -> None:
    with anyio.fail_after(DEADLINE_S), pytest.raises(Unavailable, match="is it running"):
        async with connect(Connection(urls=(f"nats://{HOST}:{free_port()}",))) as client:
            await client.request(Hello())


@pytest.mark.parametrize("url", ["nats://", "nats://host:port", "nats://a:1,nats://b:2"])
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(Misconfigured, match="write nats://host:port"):
        await bus(Connection(urls=(url,))).start()


async def test_a_credentials_file_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "user.creds")
    with pytest.raises(Misconfigured, match="does not exist"):
        await bus(Connection(credentials_file=missing)).start()


async def test_a_wrong_password(nats_server: EmbeddedNats) -> None:
    wrong = Connection(
        urls=(f"nats://{HOST}:{nats_server.port}",), user="dalsegno", password="wrong"
    )
    with pytest.raises(Misconfigured, match="refuses us") as caught:
        await bus(wrong).start()
    assert "wrong" not in str(caught.value)


async def test_the_right_password_beside_the_url(nats_server: EmbeddedNats) -> None:
    secret = nats_server.url.partition("//")[2].rpartition("@")[0].partition(":")[2]
    right = Connection(
        urls=(f"nats://{HOST}:{nats_server.port}",), user="dalsegno", password=secret
    )
    link = Link(right, "test")
    await link.start()
    await link.close()
    assert secret not in repr(right)


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "does not exist"), ("no PEM", "cannot be used")]
)
async def test_tls_files_that_are_none(
    content: str | None, expected: str, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misconfigured, match=expected):
        await bus(Connection(urls=(nats_server.url,), tls_ca_file=str(file))).start()


async def test_secrets_are_for_tls_only_when_tls_was_asked_for(nats_server: EmbeddedNats) -> None:
    url = nats_server.url.replace("nats://", "tls://")
    with pytest.raises(Misconfigured, match="does not offer TLS"):
        await bus(Connection(urls=(url,))).start()


async def test_a_stream_in_the_way(nats_server: EmbeddedNats, nats_prefix: str) -> None:
    client = await nats.connect(nats_server.url)
    try:
        await client.jetstream().add_stream(name="OTHER", subjects=[f"{nats_prefix}.cmd.>"])
        ours = bus(Connection(urls=(nats_server.url,)), nats_prefix)
        with pytest.raises(Misconfigured, match=r"overlap.*delete the one"):
            await ours.start()
        await ours.close()
    finally:
        await client.jetstream().delete_stream("OTHER")
        await client.close()


async def test_a_prefix_that_another_cluster_has_in_other_letters(
    nats_server: EmbeddedNats, nats_prefix: str
) -> None:
    first = bus(Connection(urls=(nats_server.url,)), nats_prefix)
    await first.start()
    second = bus(Connection(urls=(nats_server.url,)), nats_prefix.capitalize())
    with pytest.raises(Misconfigured, match="another prefix"):
        await second.start()
    await first.close()
    await second.close()


def test_a_prefix_that_is_none() -> None:
    with pytest.raises(Misconfigured, match="a part of the prefix"):
        bus(Connection(), "my cluster")


async def test_a_server_without_jetstream() -> None:
    port = free_port()
    program = find_nats(None).program("nats-server")
    with running([str(program), "-a", HOST, "-p", str(port)]), anyio.fail_after(DEADLINE_S):
        ours = bus(Connection(urls=(f"nats://{HOST}:{port}",)))
        while True:
            with pytest.raises(Unavailable) as caught:
                await ours.start()
            if "JetStream" in str(caught.value):
                break
        await ours.close()


@contextmanager
def running(command: list[str]) -> Iterator[None]:
    """Not by the loop: uvloop's spawn runs Python between fork and exec, and waits without end."""
    server = subprocess.Popen(command)
    try:
        yield
    finally:
        server.kill()
        server.wait()


async def test_limits_that_changed_are_applied(nats_server: EmbeddedNats, nats_prefix: str) -> None:
    connection = Connection(urls=(nats_server.url,))
    before = bus(connection, nats_prefix)
    await before.start()
    await before.close()
    smaller = StreamLimits(age_max_s=60.0, bytes_max=2**20)
    changed = Topology(
        subjects=Subjects(nats_prefix), limits=BusLimits(commands=smaller, reports=smaller)
    )
    after = NatsBus(connection, changed, "c1")
    await after.start()
    await after.close()
    client = await nats.connect(nats_server.url)
    try:
        info = await client.jetstream().stream_info(changed.commands.name)
        assert (info.config.max_age, info.config.max_bytes) == (60.0, 2**20)
    finally:
        await client.close()


async def test_trouble_is_told_once_not_once_an_attempt(caplog: pytest.LogCaptureFixture) -> None:
    link = Link(Connection(urls=(f"nats://{HOST}:{free_port()}",)), "test")
    with caplog.at_level(logging.INFO, "dalsegno.bus"):
        async with anyio.create_task_group() as group:
            group.start_soon(link.session)
            with anyio.fail_after(DEADLINE_S):
                while not caplog.records:
                    await link.pause(0.01)
            await anyio.sleep(0.4)  # some more attempts
            group.cancel_scope.cancel()
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING
    assert not caplog.records[0].exc_info


async def test_a_connection_that_breaks_with_something_unsent_ends_its_session(
    nats_server: EmbeddedNats,
) -> None:
    link = Link(Connection(urls=(nats_server.url,)), "test")
    await link.start()
    session = await link.session()
    client = session._client
    client.send_later("later", b"1")
    writer = client._writer()
    assert writer is not None
    writer.transport.abort()
    with anyio.fail_after(DEADLINE_S):
        await client._process_op_err(BrokenPipeError())
        await session.lost.wait()
    await link.close()
