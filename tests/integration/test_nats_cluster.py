"""Streams that several servers of a NATS cluster keep."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from events.connection import Connection
from events.errors import Misconfigured, Unavailable
from events.streams import Topology
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.embedded.account import server_account
from orchestrator.adapters.embedded.home import temporary_root
from orchestrator.adapters.nats.bus import NatsBus
from tests.chaos.nats import NatsCluster
from tests.chaos.wires import Wires

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.real, pytest.mark.anyio, pytest.mark.timeout(120)]

THREE = Topology(replicas=3)
DEADLINE_S = 60.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def cluster() -> Iterator[NatsCluster]:
    root = temporary_root(server_account(), runs_programs=False)
    with tempfile.TemporaryDirectory(dir=root) as folder, Wires() as wires:
        Path(folder).chmod(0o755)
        made = NatsCluster(Path(folder), wires)
        try:
            yield made
        finally:
            made.close()


async def test_a_single_server_cannot_keep_three_copies(nats_server: EmbeddedNats) -> None:
    bus = NatsBus(Connection(urls=(nats_server.url,)), THREE, "c1")
    with pytest.raises(Misconfigured, match=r"nats\.replicas is 3.*set it to 1"):
        await bus.start()
    await bus.close()


async def test_too_few_servers_are_waited_for(cluster: NatsCluster) -> None:
    first, second, third = cluster.nodes.values()
    for node in (first, second):
        node.start()
    for node in (first, second):
        await anyio.to_thread.run_sync(node.wait_ready)
    bus = NatsBus(Connection(urls=(first.url,)), THREE, "c1")
    with pytest.raises(Unavailable, match="fewer than 3 servers"):
        await bus.start()
    await anyio.to_thread.run_sync(third.start)
    with anyio.fail_after(DEADLINE_S):
        while True:
            try:
                await bus.start()
                break
            except Unavailable:
                await anyio.sleep(0.2)
    await bus.close()
