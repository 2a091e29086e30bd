"""Agents and coordinator are restarted one after the other under load, as the handbook says it."""

import re
import shlex
import sys
from collections import Counter
from pathlib import Path

import anyio
import msgspec
import pytest

from events import task_facts as t
from events.definition import Definition
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises, read_log
from tests.e2e.cluster import CALM, Cluster, cluster
from tests.e2e.definitions import add, chain, mixed

PAGE = Path(__file__).parents[2] / "docs/howto/rolling-restart.md"
AGENTS = ("n1", "n2", "n3")
EVERY_S = 0.15
"""Between two starts of runs; several are under way at any time."""


def commands(heading: str) -> list[str]:
    """The commands of the first block under a heading of the page."""
    text = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2]
    block = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert block, heading
    return [line[2:] for line in block[1].splitlines() if line.startswith("$ ")]


def slow() -> Definition:
    """Tasks that are still at work when their node is told to stop."""
    steps = (add("s0", "${ input.n }", 1.2), add("s1", "${ steps.s0.output }", 1.2))
    return Definition(name="slow", steps=steps)


class Load:
    """Runs that are started again and again, and what each must come to."""

    def __init__(self, it: Cluster, client: Client) -> None:
        self.expected: dict[str, object] = {}
        self._it = it
        self._client = client

    async def run(self) -> None:
        number = 0
        while True:
            wanted = {"chain": number + 6, "mixed": {"total": 4 + 4 * number}, "slow": number + 2}
            for workflow, output in wanted.items():
                run_id = f"{workflow}-{number}"
                self.expected[run_id] = output
                await self._it.start(self._client, workflow, run_id, number)
            number += 1
            await anyio.sleep(EVERY_S)


async def dalsegno(it: Cluster, command: str) -> None:
    words = shlex.split(command)[1:]
    run = [sys.executable, "-m", "orchestrator.cli.main", *words]
    env = it.environment()
    done = await anyio.run_process(run, check=False, env=env)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


async def followed(it: Cluster, command: str) -> None:
    """A command of the page; what systemd would do is done to the processes here."""
    if not command.startswith("systemctl restart"):
        await dalsegno(it, command)
        return
    _, _, name = command.rpartition("@")
    if name in AGENTS:
        assert await anyio.to_thread.run_sync(it.terminate, name) == 0, f"{name} was cut short"
        it.start_agent(name)
    else:
        assert await anyio.to_thread.run_sync(it.terminate, "c1") == 0
        it.start_coordinator()


async def restart_everybody(it: Cluster, how: str) -> None:
    for name in AGENTS:
        steps = commands("Agents, one after the other")
        if how == "plain":
            steps = [one for one in steps if " nodes " not in one]
        for command in steps:
            await followed(it, re.sub(r"\bn1\b", name, command))
    steps = commands("Coordinators")
    if how == "kill":
        it.kill("c1")
        it.start_coordinator()
        steps = steps[1:]
    for command in steps:
        await followed(it, command.replace("coordinator-a", "c1"))


async def play(it: Cluster, how: str) -> None:
    async with it.client() as client:
        await it.register(client, chain(), mixed(), slow())
        for name in AGENTS:
            await dalsegno(it, f"dalsegno health --node {name} --timeout-s 30")
        await dalsegno(it, "dalsegno doctor")
        load = Load(it, client)
        async with anyio.create_task_group() as group:
            group.start_soon(load.run)
            await restart_everybody(it, how)
            group.cancel_scope.cancel()
        for run_id, output in list(load.expected.items())[:-3]:
            run = await client.await_run(run_id, timeout_s=60)
            assert (run.status, run.output) == ("completed", output), run
    finished = list(load.expected)[:-3]
    assert len(finished) > 30, "that was no load"
    await check_promises(it, finished)
    await check_nothing_in_vain(it)


async def check_nothing_in_vain(it: Cluster) -> None:
    """Only what had not begun was given back: no handler was called for nothing."""
    streams = await read_log(it.dsn)
    lost = [
        (event.header.stream, event.fact)
        for events in streams.values()
        for event in events
        if isinstance(event.fact, t.AttemptFailed) and event.fact.kind == "lost"
    ]
    reasons = Counter(fact.loss for _, fact in lost)
    assert reasons.keys() <= {"refused"}, lost
    begun = {
        (line["key"], line["attempt"])
        for line in map(msgspec.json.decode, it.ledger.read_bytes().splitlines())
        if line["event"] == "start"
    }
    for stream, fact in lost:
        key = f"{stream.removeprefix('run:')}/{fact.step}~0"
        assert (key, fact.attempt) not in begun, f"{key} had begun"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["drained", "plain", "kill"])
def test_a_rolling_restart_costs_no_run_and_no_work(tmp_path: Path, how: str) -> None:
    with cluster(tmp_path, settings=CALM) as it:
        try:
            anyio.run(play, it, how)
        except BaseException:
            print(it.logs())
            raise
