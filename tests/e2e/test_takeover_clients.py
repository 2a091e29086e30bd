"""Clients find the owner without knowing it, also while the one they talk to is killed."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from events.api import SignalRun
from events.definition import Definition, TaskStep, WaitStep
from events.run_facts import RunStarted
from events.task_facts import TaskCompleted
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises, read_log
from tests.e2e.cluster import QUICK, Cluster, cluster
from tests.e2e.owners import evenly, until

CLIENTS = 100
KILL_AFTER = 30
"""Runs that have begun when the owner is killed; the others are started, signalled and awaited
across the takeover."""
PATIENCE_S = QUICK.lease_ttl_s + 40.0
"""Of a client with each request; a shared machine needs many of these seconds itself."""


def waiting() -> Definition:
    first = TaskStep(id="first", task="e2e.add", inputs={"left": "${ input.n }", "takes_s": 0.01})
    last = TaskStep(id="last", task="e2e.add", inputs={"left": "${ steps.go.output }"})
    return Definition(name="waiting", steps=(first, WaitStep(id="go", signal="go"), last))


async def play(it: Cluster) -> None:
    begun, kill = [0], anyio.Event()

    async def one(client: Client, number: int) -> None:
        run_id = f"w{number}"
        await it.start(client, "waiting", run_id, number)
        begun[0] += 1
        if begun[0] == KILL_AFTER:
            kill.set()
        await client.request(SignalRun(run_id=run_id, name="go", id=f"s{number}", data=number))
        run = await client.await_run(run_id, timeout_s=PATIENCE_S)
        assert (run.status, run.output) == ("completed", number + 1), run

    async def some(numbers: range) -> None:
        async with it.client(PATIENCE_S) as client, anyio.create_task_group() as group:
            for number in numbers:
                group.start_soon(one, client, number)

    async with it.client() as client:
        await it.register(client, waiting())
        it.start_coordinator("c2")
        await until(client, evenly("c1", "c2"))
    async with anyio.create_task_group() as group:
        for first in range(0, CLIENTS, 10):
            group.start_soon(some, range(first, first + 10))
        await kill.wait()
        it.kill("c1")
    await check(it)


async def check(it: Cluster) -> None:
    streams = await read_log(it.dsn)
    for number in range(CLIENTS):
        kinds = Counter(type(event.fact) for event in streams[f"run:w{number}"])
        assert (kinds[RunStarted], kinds[TaskCompleted]) == (1, 2), kinds
    await check_promises(it, [f"w{number}" for number in range(CLIENTS)])


@pytest.mark.timeout(150)
def test_no_client_sees_that_the_owner_is_killed(tmp_path: Path) -> None:
    with cluster(tmp_path) as it:
        try:
            anyio.run(play, it)
        except BaseException:
            print(it.logs())
            raise
