"""A journal that is cut short: the agent that reads it says so, and only what stood there is done
again; one that has lost its beginning is refused, and the work goes to other nodes."""

from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from events import task_facts as t
from events.definition import Definition, TaskStep
from events.values import Value
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import check_promises, read_log
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.definitions import chain
from tests.e2e.ledgers import Noted, noted, until_journalled, until_noted
from tests.e2e.test_rolling_restart import dalsegno

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]

TORN_BYTES = 3
NAMES = ("kept", "torn")


def gated(folder: Path, name: str) -> Definition:
    inputs: dict[str, Value] = {"gate": str(folder / f"{name}.gate"), "word": f"{name} is done"}
    return Definition(
        name=name,
        steps=(TaskStep(id=name, task="e2e.gated", inputs=inputs),),
        output=f"${{ steps.{name}.output }}",
    )


async def lose_the_end(it: Cluster) -> Path:
    """Results get no farther than into the journal of n1; the last one loses some bytes."""
    it.kill("c1")
    it.servers.nats.kill9()
    for name in NAMES:
        (it.folder / f"{name}.gate").touch()
        await until_journalled(it, "n1", f"{name} is done".encode())
    it.kill("n1")
    (journal,) = journals(it)
    cut(journal, journal.stat().st_size - TORN_BYTES)
    await anyio.to_thread.run_sync(it.servers.nats.restart)
    return journal


async def ends(client: Client, run_id: str, output: object) -> None:
    run = await client.await_run(run_id, 60.0)
    assert (run.status, run.output) == ("completed", output), run


def journals(it: Cluster) -> list[Path]:
    return sorted((it.folder / "n1/node-n1").glob("journal-*"))


def cut(journal: Path, size: int) -> None:
    with journal.open("r+b") as file:
        file.truncate(size)


async def test_what_a_journal_lost_at_its_end_is_done_again_and_nothing_else(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path, agents=1) as it:
        async with it.client() as client:
            await it.register(client, *(gated(tmp_path, name) for name in NAMES))
            for name in NAMES:
                await it.start(client, name, name, 0)
            await until_noted(it, {Noted(name, 1, "start") for name in NAMES}.issubset)
        journal = await lose_the_end(it)
        await it.start_agent_first("n1")
        it.start_coordinator()
        async with it.client() as client:
            for name in NAMES:
                await ends(client, name, f"{name} is done")
        assert f"{journal} is torn at byte " in it.log("n1")
        begun = Counter(one.step for one in noted(it) if one.event == "start")
        assert begun == {"kept": 1, "torn": 2}
        streams = await read_log(it.dsn)
        facts = {name: [event.fact for event in streams[f"run:{name}"]] for name in NAMES}
        failures = {
            name: [fact.kind for fact in facts[name] if isinstance(fact, t.AttemptFailed)]
            for name in NAMES
        }
        assert failures == {"kept": [], "torn": ["lost"]}
        await check_promises(it, list(NAMES))
        await dalsegno(it, "dalsegno verify --all")


async def test_a_journal_without_its_beginning_is_refused_and_others_do_the_work(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path, agents=1) as it:
        async with it.client() as client:
            await it.register(client, chain())
            await it.start(client, "chain", "before", 1)
            await ends(client, "before", 7)
            it.terminate("n1")
            (journal,) = journals(it)
            cut(journal, 10)
            it.start_agent("n1")
            assert it.wait("n1") == 5
            assert f"no segment in {journal.parent} has an intact beginning" in it.log("n1")
            it.start_agent("n2")
            await it.start(client, "chain", "meanwhile", 2)
            await ends(client, "meanwhile", 8)
            it.terminate("n2")
            journal.parent.rename(it.folder / "aside")
            it.start_agent("n1")
            await it.start(client, "chain", "after", 3)
            await ends(client, "after", 9)
        await check_promises(it, ["before", "meanwhile", "after"])
