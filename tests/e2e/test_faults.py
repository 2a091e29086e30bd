"""kill -9 anywhere, at random instants: every run reaches its end and no promise breaks.

`ROUNDS=20` repeats each scenario with other seeds; the seed is in the test's id.
"""

import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.definitions import chain, mixed
from tests.e2e.owners import until
from tests.proxies import proxy_to

ROUNDS = int(os.environ.get("ROUNDS", "2"))
RUNS = 6

Fault = Callable[[Cluster, random.Random], Awaitable[None]]


async def nap(chance: random.Random, low_s: float, high_s: float) -> None:
    """The random instant of a fault: not a wait for anything."""
    await anyio.sleep(chance.uniform(low_s, high_s))


async def kill_agent(it: Cluster, chance: random.Random) -> None:
    await nap(chance, 0.1, 0.8)
    name = chance.choice(["n1", "n2", "n3"])
    it.kill(name)
    await nap(chance, 0.0, 2.0)
    it.start_agent(name)


async def lose_agent_for_good(it: Cluster, chance: random.Random) -> None:
    await nap(chance, 0.1, 0.8)
    it.kill(chance.choice(["n1", "n2", "n3"]))


async def kill_coordinator(it: Cluster, chance: random.Random) -> None:
    await nap(chance, 0.1, 1.0)
    it.kill("c1")
    await nap(chance, 0.0, 1.0)
    it.start_coordinator()


async def kill_everybody(it: Cluster, chance: random.Random) -> None:
    await nap(chance, 0.1, 0.8)
    for name in ("c1", "n1", "n2", "n3"):
        it.kill(name)
    it.servers.postgres.kill9()
    it.servers.nats.kill9()
    it.servers.postgres.restart()
    it.servers.nats.restart()
    it.start_coordinator()
    for name in ("n1", "n2", "n3"):
        it.start_agent(name)


async def restart_nats(it: Cluster, chance: random.Random) -> None:
    await nap(chance, 0.1, 0.8)
    await anyio.to_thread.run_sync(it.servers.nats.restart)


async def wipe_stopped_nats(it: Cluster, chance: random.Random) -> None:
    """The JetStream folder is deleted while the server is down."""
    await nap(chance, 0.1, 0.8)
    it.servers.nats.halt()
    it.servers.nats.wipe()
    await anyio.to_thread.run_sync(it.servers.nats.restart)


async def wipe_live_nats(it: Cluster, chance: random.Random) -> None:
    """The JetStream folder is deleted under a running server, while everybody lives."""
    await nap(chance, 0.1, 0.8)
    it.servers.nats.wipe()


async def restart_postgres(it: Cluster, chance: random.Random) -> None:
    await nap(chance, 0.1, 0.8)
    await anyio.to_thread.run_sync(it.servers.postgres.restart)


async def join(it: Cluster) -> None:
    it.start_coordinator("c2")
    async with it.client() as client:
        await until(client, lambda found: found["c2"] > 0)


async def join_and_leave(it: Cluster, chance: random.Random) -> None:
    """A second coordinator takes its share, and gives it back."""
    await join(it)
    await nap(chance, 0.0, 2.0)
    assert it.terminate("c2") == 0


async def join_and_take_over(it: Cluster, chance: random.Random) -> None:
    """Of two that share the shards one dies for good."""
    await join(it)
    await nap(chance, 0.0, 2.0)
    it.kill(chance.choice(["c1", "c2"]))


FAULTS: dict[str, Fault] = {
    "kill-agent": kill_agent,
    "lose-agent": lose_agent_for_good,
    "kill-coordinator": kill_coordinator,
    "kill-everybody": kill_everybody,
    "join-and-leave": join_and_leave,
    "join-and-take-over": join_and_take_over,
    "restart-nats": restart_nats,
    "wipe-stopped-nats": wipe_stopped_nats,
    "wipe-live-nats": wipe_live_nats,
    "restart-postgres": restart_postgres,
}


async def start_runs(it: Cluster, client: Client) -> dict[str, object]:
    """Starts chains and mixed runs; returns the output that each must reach."""
    await it.register(client, chain(), mixed())
    expected: dict[str, object] = {}
    for number in range(RUNS):
        await it.start(client, "chain", f"chain-{number}", number)
        expected[f"chain-{number}"] = number + 6
        await it.start(client, "mixed", f"mixed-{number}", number)
        expected[f"mixed-{number}"] = {"total": 4 + 4 * number}
    return expected


async def all_end(client: Client, expected: dict[str, object]) -> None:
    for run_id, output in expected.items():
        run = await client.await_run(run_id, timeout_s=60)
        assert (run.status, run.output) == ("completed", output), run


async def play(it: Cluster, fault: Fault, chance: random.Random) -> None:
    async with it.client() as client:
        expected = await start_runs(it, client)
        await fault(it, chance)
        await all_end(client, expected)
    await check_promises(it, list(expected))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("name", FAULTS)
def test_every_run_ends_and_no_promise_breaks(tmp_path: Path, name: str, seed: int) -> None:
    with cluster(tmp_path) as it:
        try:
            anyio.run(play, it, FAULTS[name], random.Random(f"{name}/{seed}"))
        except BaseException:
            print(it.logs())
            raise


async def play_point(it: Cluster, point: str) -> None:
    """The coordinator dies at a named point and is started again without it."""
    it.terminate("c1")
    it.start_coordinator(point=point)
    async with it.client() as client, anyio.create_task_group() as group:

        async def revive() -> None:
            status = await anyio.to_thread.run_sync(it.wait, "c1")
            assert status == -9, f"the coordinator ended with {status}, not at {point}"
            it.start_coordinator()

        group.start_soon(revive)
        expected = await start_runs(it, client)
        await all_end(client, expected)
    await check_promises(it, list(expected))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("point", ["append", "publish", "acknowledge"])
def test_coordinator_dies_between_two_effects(tmp_path: Path, point: str, seed: int) -> None:
    count = random.Random(f"{point}/{seed}").randint(3, 30)
    with cluster(tmp_path) as it:
        try:
            anyio.run(play_point, it, f"{point}:{count}")
        except BaseException:
            print(it.logs())
            raise


async def play_cut(it: Cluster, chance: random.Random) -> None:
    """The answer to an append is lost with its connection: the commit has happened."""
    it.terminate("c1")
    port = int(it.dsn.rpartition(":")[2].partition("/")[0])
    async with proxy_to(port) as proxy:
        it.start_coordinator(dsn=proxy.dsn(it.dsn))
        async with it.client() as client:
            expected = await start_runs(it, client)
            await nap(chance, 0.05, 0.5)
            proxy.swallow_answers()
            await proxy.swallowed.wait()
            proxy.pass_all()
            await all_end(client, expected)
        await check_promises(it, list(expected))
        it.kill("c1")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_connection_cut_right_after_commit(tmp_path: Path, seed: int) -> None:
    with cluster(tmp_path) as it:
        try:
            anyio.run(play_cut, it, random.Random(f"cut/{seed}"))
        except BaseException:
            print(it.logs())
            raise


async def play_stale_owner(it: Cluster) -> None:
    """The owner is stopped, another takes over, the first comes back with its old epoch."""
    it.start_coordinator("c2")
    async with it.client() as client:
        expected = await start_runs(it, client)
        it.pause("c1")
        await all_end(client, expected)
        it.resume("c1")
        await it.start(client, "chain", "after", 1)
        await all_end(client, {"after": 7})
    await check_promises(it, [*expected, "after"])


@pytest.mark.timeout(120)
def test_stale_owner_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    with cluster(tmp_path) as it:
        try:
            anyio.run(play_stale_owner, it)
        except BaseException:
            print(it.logs())
            raise
