"""The shards of a cluster lie in two databases, each with its own log."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import msgspec
import pytest

from events.api import CordonNode, ForkRun, StartRun
from events.cluster_facts import DefinitionRegistered
from events.definition import CallStep, Definition
from events.envelope import Event
from events.errors import Misconfigured, Unavailable
from events.ids import child_run
from orchestrator.adapters.nats.client import Client
from orchestrator.adapters.postgres.store import PostgresStore
from tests.e2e.checks import check_streams, read_log
from tests.e2e.definitions import add, chain
from tests.e2e.logs import EAST, WEST, TwoLogs, two_logs
from tests.e2e.owners import evenly, nodes_once, until
from tests.e2e.replay_check import check_in_another_process

RUNS = 12


async def streams_of(it: TwoLogs) -> dict[str, dict[str, list[Event]]]:
    """By log and stream."""
    return {log: await read_log(it.settings(log)) for log in (EAST, WEST)}


async def begin(client: Client, workflow: str, run_id: str, n: int, version: str = "") -> None:
    request = StartRun(run_id=run_id, workflow=workflow, workflow_version=version, input={"n": n})
    await client.request(request)


async def ends(client: Client, run_id: str, output: int) -> None:
    run = await client.await_run(run_id, timeout_s=60)
    assert (run.status, run.output) == ("completed", output), run


# -- all is well ----------------------------------------------------------------------------------


def calling(name: str, workflow: str) -> Definition:
    child = CallStep(id="child", workflow=workflow, input={"n": "${ input.n }"})
    return Definition(name=name, steps=(child, add("last", "${ steps.child.output }")))


async def play(it: TwoLogs) -> None:
    """`chain` is registered in one log, what calls it in both."""
    async with it.client() as client:
        await until(client, evenly("c1", "c2"))
        callers = {log: it.named(log, "caller") for log in (EAST, WEST)}
        await it.register(client, chain(), *(calling(name, "chain") for name in callers.values()))
        for number in range(RUNS):
            await begin(client, "chain", f"r{number}", number)
        for log, name in callers.items():
            await begin(client, name, it.named(log, "parent"), 10)
        for number in range(RUNS):
            await ends(client, f"r{number}", number + 6)
        for log in callers:
            await ends(client, it.named(log, "parent"), 17)
        forks = await fork(it, client)
    streams = await streams_of(it)
    ids = {f"r{number}" for number in range(RUNS)} | forks
    for log in (EAST, WEST):
        parent = it.named(log, "parent")
        own = {name for name in ids if it.map.of(name) == log}
        own |= {parent, child_run(parent, "child", 0, 1)}
        found = {name.removeprefix("run:") for name in streams[log] if name.startswith("run:")}
        assert found == own
        (fact,) = (event.fact for event in streams[log]["definition:chain"])
        assert isinstance(fact, DefinitionRegistered)
        check_streams(it, streams[log], sorted(own - forks))
    await replayed(it)


async def replayed(it: TwoLogs) -> None:
    """Every run, also those that are forks of the other log's, to the states that were recorded."""
    places = msgspec.json.encode(it.places).decode()
    hashes = list(it.folder.glob("*.hashes"))
    await anyio.to_thread.run_sync(check_in_another_process, places, hashes)


async def fork(it: TwoLogs, client: Client) -> set[str]:
    """Each of a run in the other log."""
    made: set[str] = set()
    for log, other in ((EAST, WEST), (WEST, EAST)):
        source = next(f"r{n}" for n in range(RUNS) if it.map.of(f"r{n}") == other)
        run_id = it.named(log, "fork")
        await client.request(ForkRun(run_id=run_id, source_run_id=source, source_version=3))
        run = await client.await_run(run_id, timeout_s=60)
        assert run.status == "completed", run
        made.add(run_id)
    return made


# -- one of them is away --------------------------------------------------------------------------


async def outage(it: TwoLogs) -> None:
    """`chain` is registered in the log that goes away, and has been used in the other."""
    assert it.map.of("chain") == WEST
    async with it.client() as client:
        await until(client, evenly("c1", "c2"))
        await it.register(client, chain())
        here, there = it.named(EAST, "before"), it.named(WEST, "before")
        version = await version_of(client, here)
        await begin(client, "chain", there, 1)
        it.west.kill9()
        await ends(client, here, 6)
        await others_go_on(it, client, version)
        for name in ("c1", "c2"):
            it.kill(name)
        it.start_coordinator("c3")  # it has never seen the other log
        await begin(client, "chain", it.named(EAST, "after"), 3, version)
        await ends(client, it.named(EAST, "after"), 9)
        it.west.restart()
        await ends(client, there, 7)
        await begin(client, "chain", it.named(WEST, "after"), 4)
        await ends(client, it.named(WEST, "after"), 10)
    streams = await streams_of(it)
    await replayed(it)
    for log in (EAST, WEST):
        runs = [name.removeprefix("run:") for name in streams[log] if name.startswith("run:")]
        check_streams(it, streams[log], runs)


async def version_of(client: Client, run_id: str) -> str:
    """Starts a run of the newest version; returns which one that is."""
    await begin(client, "chain", run_id, 0)
    run = await client.await_run(run_id, timeout_s=0.1)
    return run.workflow_version


async def others_go_on(it: TwoLogs, client: Client, version: str) -> None:
    await begin(client, "chain", it.named(EAST, "during"), 2, version)
    await ends(client, it.named(EAST, "during"), 8)
    newest = StartRun(run_id=it.named(EAST, "newest"), workflow="chain", input={"n": 1})
    with pytest.raises(Unavailable, match="chain is registered in another log"):
        await client.request(newest, timeout_s=10)


# -- another map ----------------------------------------------------------------------------------


async def refuse(it: TwoLogs) -> None:
    async with it.client() as client:
        await until(client, evenly("c1"))
    with pytest.raises(Misconfigured, match="log east of a cluster with log east with shards 0-1"):
        await PostgresStore.open(it.dsns[EAST])
    with pytest.raises(Misconfigured, match="holds log west, and is configured as that of log e"):
        await PostgresStore.open(msgspec.structs.replace(it.settings(EAST), dsn=it.dsns[WEST]))


# -- nodes ----------------------------------------------------------------------------------------


async def steer(it: TwoLogs) -> None:
    """A cordon is recorded in the log of the node, and holds in all, also after a restart."""
    assert (it.map.of("n1"), it.map.of("n2")) == (EAST, WEST)
    async with it.client() as client:
        await it.register(client, chain(1))
        await nodes_once(client, lambda seen: {"n1", "n2"} <= set(seen))
        await client.request(CordonNode(node="n2", reason="its disk"))
        for name in ("c1", "n1", "n2"):
            it.kill(name)
        it.start_agent("n2")
        it.start_coordinator("c1")
        runs = {log: it.named(log, "run") for log in (EAST, WEST)}
        for run_id in runs.values():
            await begin(client, "chain", run_id, 1)
        await both_are_obstructed(client, list(runs.values()))
        it.start_agent("n1")
        for run_id in runs.values():
            await ends(client, run_id, 2)


async def both_are_obstructed(client: Client, run_ids: list[str]) -> None:
    for run_id in run_ids:
        with anyio.fail_after(30):
            while True:
                run = await client.await_run(run_id, timeout_s=0.2)
                (task,) = run.tasks
                if "cordoned" in str(task.pending):
                    break


SCENES: dict[str, tuple[Callable[[TwoLogs], Awaitable[None]], int, int]] = {
    "runs lie in the log of their shard": (play, 2, 3),
    "one database is away": (outage, 2, 3),
    "another map is refused": (refuse, 1, 0),
    "cordons hold in all": (steer, 1, 2),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("scene", SCENES)
def test_two_logs(scene: str, tmp_path: Path) -> None:
    acts, coordinators, agents = SCENES[scene]
    with two_logs(tmp_path, coordinators, agents) as it:
        try:
            anyio.run(acts, it)
        except BaseException:
            print(it.logs())
            raise
