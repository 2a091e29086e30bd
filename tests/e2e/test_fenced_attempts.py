"""A frozen agent whose attempts went to others hears so when it wakes, and gives them up."""

from pathlib import Path

import pytest

from events import task_facts as t
from events.definition import Definition, ParallelStep, TaskStep
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises, read_log
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.ledgers import Noted, until_noted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

KINDS = {"async": "e2e.hang", "plain": "e2e.hang_plain", "apart": "e2e.hang_apart"}
FENCED = Definition(
    name="fenced",
    steps=(
        ParallelStep(
            id="all",
            branches={name: (TaskStep(id=name, task=task),) for name, task in KINDS.items()},
        ),
    ),
)
TOLD = {
    Noted("async", 1, "interrupted reset True"),
    Noted("plain", 1, "interrupted reset True"),
    Noted("apart", 1, "interrupted by SIGTERM"),
}


def begun(found: list[Noted], attempt: int) -> bool:
    return {one.step for one in found if one[1:] == (attempt, "start")} == set(KINDS)


async def freeze_until_elsewhere(it: Cluster, client: Client) -> None:
    await it.register(client, FENCED)
    await it.start(client, "fenced", "r1", 0)
    await until_noted(it, lambda found: begun(found, 1))
    it.pause("n1")
    it.start_agent("n2")
    await until_noted(it, lambda found: begun(found, 2))
    it.resume("n1")


async def test_a_frozen_agent_gives_up_what_went_to_others(tmp_path: Path) -> None:
    with cluster(tmp_path, agents=1) as it:
        async with it.client() as client:
            await freeze_until_elsewhere(it, client)
            await until_noted(it, TOLD.issubset)
            await client.await_run("r1", 30.0)
        it.terminate("n1")  # what it still had to report, it has reported by now
        await check_promises(it, ["r1"])
        log = await read_log(it.dsn)
        results = [e.fact for e in log["run:r1"] if isinstance(e.fact, t.TaskCompleted)]
        assert {(one.step, one.attempt) for one in results} == {(name, 2) for name in KINDS}
        said = it.log("n1")
        assert said.count("is fenced (reset): its handler is cancelled") == len(KINDS)
