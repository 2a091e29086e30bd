"""Several coordinators share the shards of one cluster, while runs go on."""

from pathlib import Path

import anyio
import pytest

from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.definitions import chain
from tests.e2e.owners import evenly, until


async def play(it: Cluster) -> None:
    """Runs are started all the time, whoever owns what."""
    ended: list[str] = []
    is_over = anyio.Event()

    async def load(client: Client, name: str) -> None:
        number = 0
        while not is_over.is_set():
            run_id = f"{name}-{number}"
            await it.start(client, "chain", run_id, number)
            run = await client.await_run(run_id, timeout_s=60)
            assert (run.status, run.output) == ("completed", number + 6), run
            ended.append(run_id)
            number += 1

    async with it.client() as client:
        await it.register(client, chain())
        await until(client, evenly("c1"))
        async with anyio.create_task_group() as group:
            for name in "abcdefgh":
                group.start_soon(load, client, name)
            it.start_coordinator("c2")
            await until(client, evenly("c1", "c2"))
            it.start_coordinator("c3")
            await until(client, evenly("c1", "c2", "c3"))
            assert await anyio.to_thread.run_sync(it.terminate, "c1") == 0
            await until(client, evenly("c2", "c3"))
            it.kill("c3")
            await until(client, evenly("c2"))
            it.start_coordinator("c1")
            await until(client, evenly("c1", "c2"))
            is_over.set()
    assert len(ended) > len("abcdefgh")
    await check_promises(it, ended)


@pytest.mark.timeout(180)
def test_shards_are_shared_by_whoever_is_there(tmp_path: Path) -> None:
    with cluster(tmp_path) as it:
        try:
            anyio.run(play, it)
        except BaseException:
            print(it.logs())
            raise
