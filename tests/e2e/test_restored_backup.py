"""Postgres is restored from a base backup: agents and the bus know more than the log does."""

from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import psycopg
import pytest

from events.definition import Definition
from orchestrator.adapters.nats.client import Client
from tests.e2e.backups import back_up, restore
from tests.e2e.checks import check_promises
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.definitions import add, chain, mixed
from tests.e2e.test_rolling_restart import Load, dalsegno

AGENTS = ("n1", "n2", "n3")
AGAIN = tuple(f"again-{number}" for number in range(9))
"""Runs that are started after the backup, lost, and started again with another input."""
MORE = 100
DEADLINE_S = 60.0


def slow() -> Definition:
    steps = (add("s0", "${ input.n }", 2.5), add("s1", "${ steps.s0.output }", 0.1))
    return Definition(name="slow", steps=steps)


def noted(it: Cluster, event: str, run_ids: tuple[str, ...] = AGAIN) -> int:
    """How often handlers of the first step of these runs have begun, or ended."""
    keys = {f"{run_id}/s0~0" for run_id in run_ids}
    lines = it.ledger.read_bytes().splitlines() if it.ledger.exists() else []
    found = (msgspec.json.decode(line) for line in lines)
    return sum(line["event"] == event and line["key"] in keys for line in found)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 -- other processes tell nobody
            await anyio.sleep(0.05)


def epochs(it: Cluster) -> list[int]:
    with psycopg.connect(it.dsn) as connection:
        return [row[0] for row in connection.execute("SELECT epoch FROM dalsegno.shard_lease")]


async def work_until_the_end(it: Cluster, client: Client, folder: Path) -> dict[str, object]:
    """Returns the runs that the backup knows, and what they must come to."""
    load = Load(it, client)
    async with anyio.create_task_group() as group:
        group.start_soon(load.run)
        await until(lambda: len(load.expected) > 12)
        kept = dict(list(load.expected.items())[:-1])  # the last one may be on its way
        await anyio.to_thread.run_sync(back_up, it.servers.postgres, folder)
        group.cancel_scope.cancel()
    before = len(load.expected)
    async with anyio.create_task_group() as group:
        group.start_soon(load.run)
        await until(lambda: len(load.expected) > before + 12)
        group.cancel_scope.cancel()
    for number, run_id in enumerate(AGAIN):
        await it.start(client, "slow", run_id, number)
    await until(lambda: noted(it, "start") == len(AGAIN))
    return kept


async def lose_everything_since(it: Cluster, folder: Path) -> None:
    """Coordinator, NATS and Postgres die; what is at work ends, and its reports find nobody."""
    it.kill("c1")
    it.servers.nats.kill9()
    await until(lambda: noted(it, "end") == len(AGAIN))
    it.kill("n1")
    it.pause("n2")
    it.pause("n3")
    await anyio.to_thread.run_sync(restore, it.servers.postgres, folder)
    (it.folder / "c1.hashes").unlink()
    it.servers.nats.start()
    it.servers.nats.wait_ready()


async def go_on(it: Cluster, client: Client) -> None:
    """The same run ids with another input, while nodes still hold reports of the first ones."""
    it.start_coordinator("c2")
    it.start_agent("n1")
    await it.register(client, chain(), mixed(), slow())
    for number, run_id in enumerate(AGAIN):
        await it.start(client, "slow", run_id, number + MORE)
    await until(lambda: noted(it, "start") > len(AGAIN))
    it.resume("n2")
    it.resume("n3")
    for number, run_id in enumerate(AGAIN):
        run = await client.await_run(run_id, timeout_s=60)
        assert (run.status, run.output) == ("completed", number + MORE + 2), run


async def play(it: Cluster, folder: Path) -> None:
    async with it.client() as client:
        await it.register(client, chain(), mixed(), slow())
        for name in AGENTS:
            await dalsegno(it, f"dalsegno health --node {name} --timeout-s 30")
        kept = await work_until_the_end(it, client, folder)
        before = max(epochs(it))
        await lose_everything_since(it, folder)
    async with it.client() as client:
        await go_on(it, client)
        assert min(epochs(it)) > before, "an epoch came twice"
        for run_id, output in kept.items():
            run = await client.await_run(run_id, timeout_s=60)
            assert (run.status, run.output) == ("completed", output), run
        strange = [one for shard in range(4) for one in (await client.greet(shard, 20)).strange]
    assert {one.node for one in strange} & {"n2", "n3"}, "nobody tells what differs"
    assert "was the database restored" in it.log("c2")
    await check_promises(it, [*kept, *AGAIN])
    await dalsegno(it, "dalsegno verify --all")


@pytest.mark.timeout(240)
def test_a_restored_backup_completes_nothing_falsely(tmp_path: Path) -> None:
    with cluster(tmp_path) as it:
        try:
            anyio.run(play, it, tmp_path / "backup")
        except BaseException:
            print(it.logs())
            raise
