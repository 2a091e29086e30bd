"""A task that kills its agent: it ends as a dead letter, and the others go on."""

import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from events import task_facts as t
from events.definition import Definition, TaskStep
from orchestrator.kernel.poison import DEADLY
from tests.e2e.checks import read_log
from tests.e2e.cluster import ROOT, Cluster, cluster
from tests.e2e.definitions import chain

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]

POISON = Definition(name="poison", steps=(TaskStep(id="boom", task="e2e.poison"),))
AGENTS = ("n1", "n2", "n3")
KILLS = 5


async def keep_alive(it: Cluster) -> None:
    """What systemd does: an agent that has died is started again."""
    while True:
        for name in AGENTS:
            if it.has_died(name):
                it.start_agent(name)
        await anyio.sleep(0.1)


async def dalsegno(it: Cluster, *arguments: str) -> str:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    done = await anyio.run_process(
        command, cwd=ROOT, env=it.environment(), stderr=subprocess.STDOUT
    )
    return done.stdout.decode()


async def test_a_task_that_kills_its_agents_becomes_a_dead_letter(tmp_path: Path) -> None:
    with cluster(tmp_path, agents=len(AGENTS)) as it:
        async with it.client() as client, anyio.create_task_group() as group:
            group.start_soon(keep_alive, it)
            await it.register(client, POISON, chain(20))
            await it.start(client, "poison", "p1", 0)
            for n in range(4):
                await it.start(client, "chain", f"c{n}", n)
            ended = await client.await_run("p1", 60.0)
            others = [await client.await_run(f"c{n}", 60.0) for n in range(4)]
            group.cancel_scope.cancel()
        assert ended.error is not None, it.logs()
        assert (ended.status, ended.error.code) == ("failed", "poison_task")
        assert [(one.status, one.output) for one in others] == [
            ("completed", 20 + n) for n in range(4)
        ]
        await check_letter(it)
        (listed,) = json.loads(await dalsegno(it, "dead-letter", "list", "--json"))
        assert (listed["run_id"], listed["step"], len(listed["kills"])) == ("p1", "boom", KILLS)
        shown = await dalsegno(it, "dead-letter", "show", "p1")
        for word in ("e2e.poison", listed["kills"][0]["loss"], "dalsegno run retry p1"):
            assert word in shown
        assert "sound" in await dalsegno(it, "verify", "p1")


async def check_letter(it: Cluster) -> None:
    """Each death is there, with who and when; it moved from node to node."""
    facts = [event.fact for event in (await read_log(it.dsn))["run:p1"]]
    (letter,) = [fact for fact in facts if isinstance(fact, t.TaskDeadLettered)]
    sent = [fact for fact in facts if isinstance(fact, t.TaskDispatched)]
    assert len(letter.kills) == len(sent) == KILLS
    for kill, fact in zip(letter.kills, sent, strict=True):
        assert (kill.node, kill.incarnation) == (fact.node, fact.incarnation)
        assert 0 < kill.dispatched_at <= kill.lost_at
        assert kill.loss in DEADLY  # which of them depends on how soon its agent is back
    assert len({kill.node for kill in letter.kills}) > 1
    waits = [fact.delay_s for fact in facts if isinstance(fact, t.AttemptFailed)]
    assert waits == [0.0, 1.0, 2.0, 4.0]
