"""Whatever runs did in simulated worlds, exported and imported they are the same to the byte.

Coordinators died, nodes vanished, operators restored and forked, maps ran in parts, steps called
other workflows, values were erased, and two releases wrote side by side.
"""

import os
from collections.abc import Sequence

import pytest

from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.audit.verify_log import LogVerifier, Standing
from orchestrator.replay.exchange.importing import Importer, Who
from orchestrator.replay.exchange.redacting import redacted
from orchestrator.replay.exchange.selecting import Exportable
from orchestrator.replay.fields import field_of
from orchestrator.replay.rebuild import Rebuilder
from tests import exports
from tests.simulation.versions import catalogue
from tests.simulation.world import World

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]
SEEDS = range(int(os.environ.get("IMPORT_SEEDS", "2")))
CATALOGUE = catalogue()


async def bring(store: PostgresStore, data: bytes) -> list[str]:
    async def log(_: str) -> PostgresStore:
        return store

    numbers = iter(range(10**6))
    who = Who("user:ada", lambda: 1_800_000_000_000_000, lambda: f"id-{next(numbers)}")
    with await open_file(data) as file:
        importer = Importer(file, log, CATALOGUE, who)
        return [one.run_id async for one in importer.carry_out(await importer.plan())]


async def findings(store: PostgresStore) -> list[tuple[str, str, str]]:
    async def tell(_: Standing) -> None: ...

    verifier = Verifier(store, CATALOGUE, store.info.shards)
    done = await LogVerifier(store, verifier, Standing(), tell).run()
    return [(one.check, one.run_id, one.message) for one in done.findings]


async def is_as(store: PostgresStore, history: Exportable, run_ids: Sequence[str]) -> None:
    """Bytes, and the state at every version; of personal runs that of who has no keys."""
    ours = await exports.jsonl(store, *run_ids, catalogue=CATALOGUE)
    assert ours == await exports.jsonl(history, *run_ids, catalogue=CATALOGUE)
    packed = await exports.bundle(store, *run_ids, catalogue=CATALOGUE)
    assert packed == await exports.bundle(history, *run_ids, catalogue=CATALOGUE)
    with await open_file(ours) as file:
        for run_id in run_ids:
            hashes = await exports.hashes(store, run_id, CATALOGUE)
            assert hashes == await exports.hashes(file, run_id, CATALOGUE)
            rebuilt = await Rebuilder(store, CATALOGUE).run(run_id)
            assert rebuilt is not None
            if not rebuilt.state.subject:
                assert hashes == await exports.hashes(history, run_id, CATALOGUE)
    assert await findings(store) == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_runs_of_a_world_come_back_to_the_byte(store: PostgresStore, seed: int) -> None:
    world = World(seed)
    assert not world.run().violations
    history, run_ids = world.logs.reader(), list(world.auditor.books)
    done = await bring(store, await exports.bundle(history, *run_ids, catalogue=CATALOGUE))
    assert set(run_ids) <= set(done)
    await is_as(store, history, run_ids)


@pytest.mark.parametrize("seed", SEEDS)
async def test_redacted_runs_of_a_world_come_back_to_the_byte(
    store: PostgresStore, seed: int
) -> None:
    world = World(seed)
    assert not world.run().violations
    history, run_ids = world.logs.reader(), list(world.auditor.books)
    taken, told = await redacted(history, CATALOGUE, run_ids, [field_of("output")])
    done = await bring(
        store, await exports.jsonl(taken, *told.run_ids, redacted=told.fields, catalogue=CATALOGUE)
    )
    assert set(told.run_ids) <= set(done)
    await is_as(store, taken, told.run_ids)
