"""Transactional tasks on real processes: kill -9 after the commit, commits that come too late."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from events import task_facts as t
from events.api import CancelRun, RestoreRun, SkipStep
from events.completions import COMPLETIONS_TABLE
from events.definition import Definition, TaskStep
from orchestrator.adapters.nats.client import Client
from tests.e2e.checks import read_log
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.ledgers import Noted, noted, until_noted

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]


@pytest.fixture
def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster without agents yet, and a database of the users'."""
    with cluster(tmp_path, agents=0) as made:
        with psycopg.connect(made.dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE orders")
        dsn = make_conninfo(made.dsn, dbname="orders")
        monkeypatch.setenv("ORDERS_DSN", dsn)
        with psycopg.connect(dsn) as connection:
            connection.execute(COMPLETIONS_TABLE.encode())
            connection.execute("CREATE TABLE effects (attempt bigint NOT NULL)")
        yield made


def rows(it: Cluster, query: str) -> list[object]:
    with psycopg.connect(make_conninfo(it.dsn, dbname="orders")) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


async def test_a_commit_whose_report_is_lost_counts_once(it: Cluster) -> None:
    it.start_agent("n1")
    async with it.client() as client:
        await it.register(client, Definition(name="pay", steps=(TaskStep(id="a", task="e2e.pay"),)))
        await it.start(client, "pay", "r1", 0)
        assert it.wait("n1") == -9, "killed between commit and report"
        assert rows(it, "SELECT attempt FROM effects") == [1]
        it.start_agent("n2")
        it.start_agent("n1")
        run = await client.await_run("r1", 60.0)
    assert (run.status, run.output) == ("completed", "paid by 1"), it.logs()
    assert rows(it, "SELECT attempt FROM effects") == [1]
    assert noted(it) == [Noted("a", 1, "start")], "the second attempt called no handler"


async def frozen_in_its_transaction(it: Cluster, client: Client) -> Path:
    """Run r1, whose agent stands still before it commits, and another agent. Once that goes on, the
    file that is returned has to be there for the commit."""
    gate = it.folder / "gate"
    step = TaskStep(id="a", task="e2e.pay_slowly", inputs={"gate": str(gate)})
    it.start_agent("n1")
    await it.register(client, Definition(name="pay", steps=(step,)))
    await it.start(client, "pay", "r1", 0)
    await until_noted(it, lambda found: Noted("a", 1, "start") in found)
    it.pause("n1")
    it.start_agent("n2")
    return gate


async def test_a_commit_that_comes_after_the_run_gave_up_is_refused(it: Cluster) -> None:
    async with it.client() as client:
        gate = await frozen_in_its_transaction(it, client)
        await client.request(CancelRun(run_id="r1", reason="too slow"))
        run = await client.await_run("r1", 60.0)
        assert run.status == "cancelled", it.logs()
        assert rows(it, "SELECT state FROM dalsegno.task_completions") == ["abandoned"]
        gate.touch()
        it.resume("n1")
        await until_noted(it, lambda found: Noted("a", 1, "commits") in found)
    it.terminate("n1")
    assert rows(it, "SELECT attempt FROM effects") == []
    facts = [event.fact for event in (await read_log(it.dsn))["run:r1"]]
    kinds = [type(fact) for fact in facts]
    assert kinds.index(t.TaskSettling) < kinds.index(t.TaskCancelled)


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        (SkipStep(run_id="r1", step="a", id="x", output="by hand", reason="slow"), "by hand"),
        (RestoreRun(run_id="r1", id="x", version=1, reason="the input was wrong"), "paid by 1"),
    ],
)
async def test_a_commit_that_comes_after_an_operator_acted_is_refused(
    it: Cluster, asked: SkipStep | RestoreRun, then: str
) -> None:
    async with it.client() as client:
        gate = await frozen_in_its_transaction(it, client)
        await client.request(asked, timeout_s=60.0)
        assert "abandoned" in rows(it, "SELECT state FROM dalsegno.task_completions"), it.logs()
        gate.touch()
        it.resume("n1")
        run = await client.await_run("r1", 60.0)
        assert (run.status, run.output) == ("completed", then), it.logs()
        commits = [Noted("a", 1, "commits")] * (1 if isinstance(asked, SkipStep) else 2)
        await until_noted(it, lambda found: [one for one in found if one in commits] == commits)
    it.terminate("n1")
    completed = rows(it, "SELECT state FROM dalsegno.task_completions").count("completed")
    assert len(rows(it, "SELECT attempt FROM effects")) == completed
    assert completed == (0 if isinstance(asked, SkipStep) else 1)
