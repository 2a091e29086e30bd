"""The deployed topology as processes on hosts of their own, of which one is cut off and comes back.

Servers, coordinator, two agents and a client have a host each. The one that is cut off stays away
for longer than every lease; its processes live, and go on with what they have.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from events import task_facts as t
from events.api import Hello
from events.definition import Definition, ParallelStep, Step
from events.errors import Unavailable
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises, read_log
from tests.e2e.cluster import QUICK, Cluster
from tests.e2e.definitions import add
from tests.e2e.hosts import (
    SERVERS,
    Hosts,
    LoopbackHosts,
    NamespaceHosts,
    namespaces_are_allowed,
    namespaces_are_likely,
)
from tests.e2e.owners import nodes_once
from tests.e2e.test_faults import all_end, start_runs

NAMES = ("client", "c1", "n1", "n2")
KINDS: dict[str, Callable[[tuple[str, ...]], Hosts]] = {"loopback": LoopbackHosts}
if namespaces_are_likely():
    KINDS["namespaces"] = NamespaceHosts
AWAY_S = 2 * max(QUICK.lease_ttl_s, QUICK.attempt_lease_ttl_s)
WIDTH = 8

Story = Callable[["Topology", Client], Awaitable[None]]


class Topology(Cluster):
    """A cluster whose processes run on the hosts that are called as they are."""

    def __init__(self, folder: Path, servers: EmbeddedServers, hosts: Hosts) -> None:
        super().__init__(folder, servers)
        self.hosts = hosts
        self.move_to("client")

    def move_to(self, host: str) -> None:
        """Addresses are from now on those that this host sees."""
        self.dsn = self.hosts.seen_from(host, self.servers.postgres.dsn)
        self.nats_url = self.hosts.seen_from(host, self.servers.nats.url)

    def start_on(self, host: str, start: Callable[[str], None]) -> None:
        with self.hosts.on(host):
            self.move_to(host)
            start(host)
        self.move_to("client")


@contextmanager
def topology(folder: Path, kind: str) -> Iterator[Topology]:
    """Everything ends with the block: processes first, then servers, then hosts."""
    hosts_of = KINDS[kind if namespaces_are_allowed() else "loopback"]
    with hosts_of(NAMES) as hosts:
        with hosts.on(SERVERS):
            servers = EmbeddedServers()
            servers.start()
        try:
            with hosts.on(SERVERS):
                servers.wait_ready()
            hosts.forward((servers.postgres.port, servers.nats.port))
            made = Topology(folder, servers, hosts)
            try:
                made.start_on("c1", made.start_coordinator)
                made.start_on("n1", made.start_agent)
                made.start_on("n2", made.start_agent)
                with hosts.on("client"):
                    yield made
            finally:
                made.close()
        finally:
            servers.stop()


def wide() -> Definition:
    """Tasks on both agents at the same time, some of which run when the cable is pulled."""
    branches: dict[str, tuple[Step, ...]] = {
        f"b{i}": (add(f"s{i}", "${ input.n }", takes_s=5.0),) for i in range(WIDTH)
    }
    return Definition(
        name="wide", steps=(ParallelStep(id="all", branches=branches),), output="${ input.n }"
    )


async def cut_off(it: Topology, host: str) -> None:
    it.hosts.cut(host)
    try:
        await anyio.sleep(AWAY_S)  # the fault itself, not a wait for anything
    finally:
        it.hosts.mend(host)


async def agent_away(it: Topology, client: Client) -> None:
    """Its work begins anew on the other one; when it is back, it works again."""
    await nodes_once(client, lambda seen: "n2" in seen and seen["n2"].outstanding > 0)
    await cut_off(it, "n2")
    await nodes_once(client, lambda seen: "n2" in seen and seen["n2"].status == "healthy")


async def coordinator_away(it: Topology, client: Client) -> None:
    """Its leases end without it, and nobody else takes them; agents go on with what they have."""
    await nodes_once(client, lambda seen: "n2" in seen and seen["n2"].outstanding > 0)
    async with anyio.create_task_group() as group:
        group.start_soon(cut_off, it, "c1")
        with pytest.raises(Unavailable):
            await client.request(Hello(), timeout_s=AWAY_S / 2)


STORIES: dict[str, Story] = {"agent": agent_away, "coordinator": coordinator_away}


async def play(it: Topology, story: str) -> None:
    async with it.client() as client:
        await nodes_once(client, lambda seen: {"n1", "n2"} <= seen.keys())
        expected = await start_runs(it, client)
        await it.register(client, wide())
        await it.start(client, "wide", "wide-0", 7)
        await STORIES[story](it, client)
        await it.start(client, "chain", "after", 1)
        await all_end(client, {**expected, "wide-0": 7, "after": 7})
    await check_promises(it, [*expected, "wide-0", "after"])
    if story == "agent":
        facts = [event.fact for event in (await read_log(it.dsn))["run:wide-0"]]
        lost = {f.step for f in facts if isinstance(f, t.AttemptFailed) and f.kind == "lost"}
        again = {f.step: f.node for f in facts if isinstance(f, t.TaskDispatched) and f.attempt > 1}
        assert lost, "the one that was cut off had nothing to lose"
        assert {again[step] for step in lost} == {"n1"}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_host_is_cut_off_and_comes_back(tmp_path: Path, kind: str, story: str) -> None:
    with topology(tmp_path, kind) as it:
        try:
            anyio.run(play, it, story)
        except BaseException:
            print(it.logs())
            raise
