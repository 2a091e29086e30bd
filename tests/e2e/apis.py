"""`dalsegno api` as a process before a cluster of real ones."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from orchestrator.adapters.embedded.ports import free_port
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.api.operations.groups import DefinitionText
from orchestrator.client import Client
from tests.e2e.cluster import SHARDS, Cluster, servers_only
from tests.e2e.command_line import COMMAND, environment

PATIENCE_S = 90.0
"""How long a client of a test tries again; starting a process takes a while on a busy machine."""


class Site:
    """A cluster with its API, at an address that stays when the process is started again."""

    def __init__(self, it: Cluster, name: str = "api") -> None:
        self.cluster = it
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._name = name

    def start(self, *arguments: str, **more: str) -> None:
        """`more` are environment variables."""
        command = [*COMMAND, "api", "--port", str(self.port), *arguments]
        theirs = {**found_by(self.cluster), **more}
        self.cluster.spawn(self._name, command, self.cluster.folder, theirs)

    def kill(self) -> None:
        self.cluster.kill(self._name)

    async def is_ready(self) -> None:
        """Waits until it is."""
        async with Client.http(self.url, patience_s=PATIENCE_S) as client:
            await client.show_readiness()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A coordinator, projections, an agent and the API, all of them up."""
    with servers_only(folder) as made:
        # Before anybody looks: what finds a database without a schema says so, and ends.
        migrate(made.dsn, shards=SHARDS)
        made.start_coordinator()
        made.start_agent("n1")
        made.spawn("projections", [*COMMAND, "projections", "run"], folder, found_by(made))
        found = Site(made)
        found.start()
        anyio.run(found.is_ready)
        anyio.run(has_projections, found.url)
        yield found


async def has_projections(url: str) -> None:
    async with Client.http(url, patience_s=PATIENCE_S) as client:
        await client.show_statistics()


def found_by(it: Cluster) -> dict[str, str]:
    """What a command has in its environment so as to find the cluster."""
    return environment(
        DALSEGNO_NATS_URL=it.nats_url,
        DALSEGNO_POSTGRES__DSN=it.dsn,
        DALSEGNO_COORDINATOR__SHARDS=str(SHARDS),
    )


def refused(it: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`dalsegno api` that ends by itself."""
    return subprocess.run(
        [*COMMAND, "api", *arguments],
        cwd=it.folder,
        env=found_by(it),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def order(name: str = "order", note: str = "") -> DefinitionText:
    """Waits for its approval. Another note makes another version."""
    return DefinitionText(
        source=f"""
workflow: {name}
description: "{note}"
steps:
  - {{id: approval, wait: {{signal: approved}}}}
output: ${{ steps.approval.output.by }}
"""
    )


def sums(name: str = "sum") -> DefinitionText:
    """Fails where its input says a failure."""
    return DefinitionText(
        source=f"""
workflow: {name}
steps:
  - {{id: one, task: e2e.add, with: {{left: "${{ input.n }}", takes_s: 0.01}}}}
  - id: two
    task: e2e.flaky
    with: {{left: "${{ steps.one.output }}", failures: "${{ input.failures }}"}}
output: ${{ steps.two.output }}
"""
    )
