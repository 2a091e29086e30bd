"""A cluster of a released version becomes one of today's, process by process, under load."""

import subprocess
from pathlib import Path

import anyio
import pytest

from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises
from tests.e2e.cluster import QUICK, Cluster, servers_only
from tests.e2e.definitions import chain, mixed
from tests.e2e.owners import evenly, until
from tests.e2e.releases import Installed, digests, wheel
from tests.e2e.test_rolling_restart import dalsegno, slow

COORDINATORS = ("c1", "c2")
AGENTS = ("n1", "n2", "n3")
RUNS_MIN = 5
"""That end in each part of the upgrade, so that there is load in every one."""


class Old:
    """Processes of a released version in a cluster."""

    def __init__(self, it: Cluster, installed: Installed) -> None:
        self._it = it
        self._installed = installed

    def environment(self, name: str) -> dict[str, str]:
        return {
            **self._installed.environment,
            "DALSEGNO_NATS_URL": self._it.nats_url,
            "DALSEGNO_POSTGRES__DSN": self._it.dsn,
            "DALSEGNO_COORDINATOR__NAME": name,
            "DALSEGNO_COORDINATOR__SHARDS": "4",
            "DALSEGNO_ENGINE__LEASE_TTL_S": str(QUICK.lease_ttl_s),
            "DALSEGNO_ENGINE__LEASE_MARGIN_S": str(QUICK.lease_margin_s),
            "DALSEGNO_ENGINE__ATTEMPT_LEASE_TTL_S": str(QUICK.attempt_lease_ttl_s),
            "DALSEGNO_ENGINE__RESEND_AFTER_S": str(QUICK.resend_after_s),
        }

    def start_coordinator(self, name: str) -> None:
        self._spawn(name, "coordinator")

    def start_agent(self, name: str) -> None:
        data = str(self._it.folder / name)
        options = ("--import", "tests.e2e.work", "--data-dir", data, "--slots", "8")
        self._spawn(name, "agent", "--node", name, "--nats-url", self._it.nats_url, *options)

    def _spawn(self, name: str, *arguments: str) -> None:
        command = self._installed.command(*arguments)
        self._it.spawn(name, command, self._installed.folder, self.environment(name))

    def refused(self, name: str) -> str:
        """What a coordinator says that ends at once, for wrong configuration."""
        done = subprocess.run(
            self._installed.command("coordinator"),
            cwd=self._installed.folder,
            env=self._it.environment() | self.environment(name),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 2, done
        return done.stderr


class Load:
    """Runs one after the other in several lanes, whoever is there; each comes to what it must."""

    def __init__(self, it: Cluster, client: Client) -> None:
        self.ended: list[str] = []
        self._it = it
        self._client = client
        self._is_over = False

    async def run(self, workflow: str, lane: int) -> None:
        number = 0
        while not self._is_over:
            wanted = {"chain": number + 6, "mixed": {"total": 4 + 4 * number}, "slow": number + 2}
            run_id = f"{workflow}-{lane}-{number}"
            await self._it.start(self._client, workflow, run_id, number)
            run = await self._client.await_run(run_id, timeout_s=60)
            assert (run.status, run.output) == ("completed", wanted[workflow]), run
            self.ended.append(run_id)
            number += 1

    async def goes_on(self) -> None:
        """Waits until more runs have ended."""
        enough = len(self.ended) + RUNS_MIN
        with anyio.fail_after(60):
            while len(self.ended) < enough:  # noqa: ASYNC110 -- every lane ends some
                await anyio.sleep(0.05)

    def end(self) -> None:
        self._is_over = True


async def replace_everybody(it: Cluster, client: Client, load: Load) -> None:
    it.start_coordinator("c3")  # brings the schema up to date, and waits for shards
    await load.goes_on()
    for name in COORDINATORS:
        assert await anyio.to_thread.run_sync(it.terminate, name) == 0
        it.start_coordinator(name)
        await load.goes_on()
    await until(client, evenly("c1", "c2", "c3"))
    for name in AGENTS:
        assert await anyio.to_thread.run_sync(it.terminate, name) == 0, f"{name} was cut short"
        it.start_agent(name)
        await dalsegno(it, f"dalsegno health --node {name} --timeout-s 30")
        await load.goes_on()


async def play(it: Cluster, installed: Installed) -> None:
    old = Old(it, installed)
    for name in COORDINATORS:
        old.start_coordinator(name)
    for name in AGENTS:
        old.start_agent(name)
    async with it.client() as client:
        await it.register(client, chain(), mixed(), slow())
        load = Load(it, client)
        async with anyio.create_task_group() as group:
            for lane, workflow in enumerate(("chain", "mixed", "slow") * 2):
                group.start_soon(load.run, workflow, lane)
            await load.goes_on()
            await replace_everybody(it, client, load)
            load.end()
    await check_promises(it, load.ended)
    await dalsegno(it, "dalsegno verify --all")
    refusal = await anyio.to_thread.run_sync(old.refused, "c9")
    assert "newer release" in refusal


def test_the_assets_are_what_was_released() -> None:
    said = digests()
    assert said.keys() == {"0.1.0", "0.2.0"}
    assert all(wheel(release).exists() for release in said)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("release", ["0.1.0", "0.2.0"])
def test_a_cluster_of_a_release_is_upgraded_under_load(tmp_path: Path, release: str) -> None:
    installed = Installed(release, tmp_path / "released")
    with servers_only(tmp_path) as it:
        try:
            anyio.run(play, it, installed)
        except BaseException:
            print(it.logs())
            raise
