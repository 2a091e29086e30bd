"""Projectors as processes: killed, two at once, and rebuilt while the log grows."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
import psycopg
import pytest

from events.envelope import Stored
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.projections import PostgresProjections
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.cluster.projections import kept_of
from orchestrator.insight.counting.auditing import compare, fresh
from orchestrator.insight.counting.fold import FOLD
from orchestrator.insight.counting.projections import Generation
from orchestrator.insight.counting.tallies import Label
from orchestrator.insight.finding import LabelCondition, RunQuery
from tests.happenings import random_log
from tests.logs import row, run_batch
from tests.postgres import prepare, until
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

EVERYTHING = -(2**62)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class World:
    """A database that is written to, and projectors on it."""

    def __init__(self, dsn: str, nats_url: str, prefix: str) -> None:
        self.dsn = dsn
        self._environment = {
            **os.environ,
            "DALSEGNO_POSTGRES_DSN": dsn,
            "DALSEGNO_NATS_URL": nats_url,
            "DALSEGNO_PREFIX": prefix,
            "DALSEGNO_POSTGRES__MIGRATE": "false",
            "DALSEGNO_PROJECTIONS__INTERVAL_S": "0.01",
            "DALSEGNO_PROJECTIONS__POLL_S": "0.05",
            "DALSEGNO_PROJECTIONS__STANDBY_S": "0.05",
            "DALSEGNO_PROJECTIONS__BATCH_EVENTS_MAX": "7",
            "DALSEGNO_PROJECTIONS__MINUTES_KEPT_S": "300000000",
        }

    @contextmanager
    def projector(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "orchestrator.cli.main", "projections", "run"]
        process = subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    async def append(self, events: Sequence[Stored]) -> None:
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            await connection.cursor().executemany(
                "INSERT INTO dalsegno.events (originator_id, originator_version, topic, state)"
                " VALUES (%s, %s, %s, %s)",
                [(e.stream, e.version, e.type, e.state) for e in events],
            )

    async def until_at(self, position: int) -> Generation:
        """Waits until the generation that serves is at a position."""
        async with PostgresProjected(self.dsn) as projected:

            async def there() -> Generation | None:
                found = await projected.generations()
                return next(
                    (g for g in found if g.state == "serving" and g.position >= position), None
                )

            found = await until(there, f"position {position} is folded")
            assert found is not None
            return found

    async def check(self, generation: Generation) -> None:
        """It is what a fresh fold gives."""
        async with PostgresProjected(self.dsn) as projected, projected.snapshot():
            said = await kept_of(projected, generation)
        async with PostgresProjections(self.dsn) as log:
            assert compare(said, await fresh(log, generation.position), EVERYTHING) == []


@pytest.fixture
def world(database_factory: DatabaseFactory, nats_server: EmbeddedNats, nats_prefix: str) -> World:
    return World(database_factory(prepare), nats_server.url, nats_prefix)


async def test_a_projector_that_is_killed_again_and_again_counts_every_event_once(
    world: World,
) -> None:
    log, dice, sent = random_log(7, 60), random.Random(7), 0
    for _ in range(3):
        piece = log[sent : sent + len(log) // 3]
        await world.append(piece)
        begun, sent = sent, sent + len(piece)
        with world.projector():
            # Killed somewhere in the middle of the piece, whatever it does just then.
            await world.until_at(begun + dice.randrange(1, len(piece)))
    await world.append(log[sent:])
    with world.projector() as last:
        generation = await world.until_at(len(log))
        last.terminate()
        assert last.wait(10) == 0
    await world.check(generation)


async def test_of_two_one_works_and_the_other_takes_its_place(world: World) -> None:
    log = random_log(8, 40)
    half = len(log) // 2
    with world.projector() as first:
        await world.append(log[:half])
        await world.until_at(half)
        with world.projector():
            await world.append(log[half:-5])
            await world.until_at(len(log) - 5)
            first.kill()
            await world.append(log[-5:])
            await world.check(await world.until_at(len(log)))


async def test_a_rebuild_replaces_what_serves_while_the_log_grows(world: World) -> None:
    log = random_log(9, 60)
    await world.append(log[:100])
    with world.projector():
        first = await world.until_at(100)
        async with PostgresProjections(world.dsn) as projections:
            await projections.begin(FOLD)
            for place in range(100, len(log)):
                await world.append(log[place : place + 1])

            async def replaced() -> bool:
                found = await projections.generations()
                return [(g.number > first.number, g.state) for g in found] == [(True, "serving")]

            await until(replaced, "the new generation serves and the old one is gone")
        second = await world.until_at(len(log))
    assert second.number > first.number
    await world.check(second)
    async with await psycopg.AsyncConnection.connect(world.dsn) as connection:
        for table in ("tally", "run_label", "node_state"):
            cursor = await connection.execute(f"SELECT DISTINCT generation FROM dalsegno.{table}")
            assert await cursor.fetchall() == [(second.number,)], table


async def test_runs_are_found_by_their_labels(world: World) -> None:
    log = random_log(11, 40)
    await world.append(log)
    with world.projector():
        generation = await world.until_at(len(log))
    async with PostgresProjected(world.dsn) as projected, await PostgresStore.open(world.dsn) as s:
        labels = await projected.labels(generation.number)
        runs = {label.run_id: label.started_at for label in labels}
        rows = [row(run_id, started_at=at) for run_id, at in runs.items()]
        async with await psycopg.AsyncConnection.connect(world.dsn) as connection:
            await connection.execute("DELETE FROM dalsegno.events")
            await connection.commit()
        leases = await s.acquire([0], "a", 60.0)
        await s.append(run_batch(leases, *rows))
        big = LabelCondition(kind="attribute", name="amount", comparison=">=", value="2.5")
        team = LabelCondition(kind="tag", name="team", comparison="=", value="x")
        three = LabelCondition(kind="attribute", name="amount", comparison="=", value="3.0")
        for asked in ((team,), (big,), (team, big), (three,), (three, team)):
            expected = [
                run_id
                for run_id in runs
                if all(any(_fits(one, a, run_id) for one in labels) for a in asked)
            ]
            expected.sort(key=lambda run_id: (runs[run_id], run_id), reverse=True)
            found = await projected.find_runs(RunQuery(labels=asked, limit=100))
            assert [one.run_id for one in found] == expected != [], asked
            page = await projected.find_runs(RunQuery(labels=asked, limit=100, before=expected[0]))
            assert [one.run_id for one in page] == expected[1:]


def _fits(label: Label, asked: LabelCondition, run_id: str) -> bool:
    if (label.run_id, label.kind, label.name) != (run_id, asked.kind, asked.name):
        return False
    if asked.comparison == "=":
        return label.text in asked.texts
    return label.number is not None and label.number >= (asked.number or 0)


async def test_the_database_may_go_and_come_back(world: World) -> None:
    """Connections are ended under the projector: it takes the lock anew and goes on."""
    log = random_log(10, 40)
    await world.append(log[:60])
    with world.projector():
        await world.until_at(60)
        async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as eyes:
            await eyes.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'dalsegno projections'"
                " AND datname = current_database()"
            )
        await world.append(log[60:])
        with anyio.fail_after(20):
            await world.check(await world.until_at(len(log)))
