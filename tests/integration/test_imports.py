"""Exported, wiped, imported, replayed: every byte and every state is what it was."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dalsegno.testing import dalsegno_env
from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered, RunImported
from events.codec import encode
from events.envelope import Head, Stamp, seal, unseal
from events.errors import Conflict, Corrupt, Rejected
from events.ids import definition_stream, import_stream, run_stream, shard_of
from events.logmap import LogMap
from events.sealing import NoKeys
from orchestrator.adapters.archives.opening import open_file
from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.loading import Loader
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.audit.verify_log import LogVerifier, Standing
from orchestrator.replay.exchange.importing import Imported, Importer, Who, redacted_before
from orchestrator.replay.exchange.redacting import redacted
from orchestrator.replay.fields import field_of
from orchestrator.replay.ports import IMPORTED
from orchestrator.replay.rebuild import Rebuilder
from tests import exports
from tests.exports import EMAIL, Kept
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

Write = Callable[..., Awaitable[bytes]]
WRITERS = [pytest.param(exports.bundle, id="bundle"), pytest.param(exports.jsonl, id="jsonl")]
AT = 1_800_000_000_000_000
CATALOGUE = Catalogue()


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    async for found in exports.cluster():
        yield found


def who() -> Who:
    numbers = iter(range(10**6))
    return Who("user:ada", lambda: AT, lambda: f"id-{next(numbers)}")


async def imported(store: PostgresStore, source: Path | bytes) -> list[Imported]:
    async def log(_: str) -> PostgresStore:
        return store

    with await open_file(source) as file:
        importer = Importer(file, log, CATALOGUE, who())
        return [one async for one in importer.carry_out(await importer.plan())]


async def findings(
    store: PostgresStore, whole: PostgresStore | None = None
) -> list[tuple[str, str, str]]:
    async def tell(_: Standing) -> None: ...

    verifier = Verifier(whole or store, CATALOGUE, store.info.shards)
    done = await LogVerifier(store, verifier, Standing(), tell).run()
    return [(one.check, one.run_id, one.message) for one in done.findings]


@pytest.mark.parametrize("write", WRITERS)
async def test_what_was_exported_comes_back_to_the_byte(
    store: PostgresStore, kept: Kept, write: Write, tmp_path: Path
) -> None:
    path = tmp_path / "runs"
    path.write_bytes(await write(kept.store, "fork-1", children=True))
    done = await imported(store, path)
    runs = [one.run_id for one in done]
    assert {"order-1", "fork-1"} < set(runs)
    assert await write(store, "fork-1", children=True) == path.read_bytes()
    for run_id in runs:
        assert await exports.hashes(store, run_id) == await exports.hashes(kept.store, run_id)
        row = await store.index_row(run_id)
        assert row is not None
        assert row.shard == IMPORTED
        verified = await Verifier(store, CATALOGUE, store.info.shards).run(run_id)
        assert verified is not None
        assert verified.findings == ()
    assert await findings(store) == []
    assert await store.load_payload(exports.CHUNK.hash) == exports.CHUNK.data
    (event,) = await store.read(import_stream("fork-1"))
    fact = unseal(event, CATALOGUE).fact
    assert isinstance(fact, RunImported)
    assert (fact.file, fact.by) == ("runs", "user:ada")


@pytest.mark.parametrize("write", WRITERS)
async def test_nobody_works_on_an_imported_run(
    store: PostgresStore, kept: Kept, write: Write
) -> None:
    await imported(store, await write(kept.store, "fork-1"))
    row = await store.index_row("fork-1")
    assert row is not None
    assert row.status == "waiting"
    everyone = list(range(store.info.shards))
    assert await store.active_runs(everyone, "", 100) == []
    assert await store.due_runs(everyone, 2**62, 100) == []
    assert await store.stray_children(everyone, 100) == []
    loaded = await Loader(store, CATALOGUE, "c").load(s.LoadRun(run_id="fork-1"))
    assert isinstance(loaded, s.RunLoaded)
    assert loaded.rebuilt is None
    assert "run fork-1 was imported" in loaded.moved
    base = await Loader(store, CATALOGUE, "c").load(
        s.LoadRun(run_id="fork-1", at=1, fork="another")
    )
    assert isinstance(base, s.RunLoaded)
    assert base.rebuilt is not None
    assert await store.archives().candidates(2**62, "", "", 10) == []


async def test_the_same_file_again_changes_nothing(store: PostgresStore, kept: Kept) -> None:
    data = await exports.bundle(kept.store, "fork-1")
    first = await imported(store, data)
    assert [one.events for one in first] == [one.version for one in first]
    last = await store.last_position()
    again = await imported(store, await exports.jsonl(kept.store, "fork-1"))
    assert [(one.run_id, one.events) for one in again] == [(one.run_id, 0) for one in first]
    assert await store.last_position() == last


async def test_what_a_run_did_since_is_added(store: PostgresStore, kept: Kept) -> None:
    early = await exports.bundle(kept.store, "fork-1")
    await kept.env.run("fork-1").signal("approved", {"who": "alan"})
    await kept.env.run("fork-1").result()
    late = await exports.jsonl(kept.store, "fork-1")
    await imported(store, early)
    before = len(await store.read(run_stream("fork-1")))
    done = {one.run_id: one for one in await imported(store, late)}
    assert done["fork-1"].events == done["fork-1"].version - before > 0
    assert done["order-1"].events == 0
    row = await store.index_row("fork-1")
    assert row is not None
    assert (row.status, row.shard) == ("completed", IMPORTED)
    assert len(await store.read(import_stream("fork-1"))) == 2
    assert [one.events for one in await imported(store, early)] == [0, 0]
    assert await findings(store) == []


async def test_another_run_of_the_same_id_is_refused_and_nothing_is_written(
    store: PostgresStore, kept: Kept
) -> None:
    await imported(store, await exports.bundle(kept.store, "order-1"))
    last = await store.last_position()
    await exports.forked(kept.env, run_id="fork-2")
    other = (await exports.jsonl(kept.store, "fork-2")).replace(b"ada.", b"eda.")
    with pytest.raises(Rejected, match=r"run order-1 is in this log with another history: event "):
        await imported(store, exports.rechained(other))
    assert await store.last_position() == last
    assert await store.index_row("fork-2") is None


async def test_a_run_of_this_cluster_stays_its_own(store: PostgresStore, kept: Kept) -> None:
    early = await kept.store.read(run_stream("order-1"))
    (lease,) = await store.acquire([0], "a", 60.0)
    row = exports.row_of(early[:2], shard_of("order-1", store.info.shards))
    await store.append(exports.batch((lease,), early[:2], row))
    with pytest.raises(Rejected, match="run order-1 is a run of this cluster, with 2 events"):
        await imported(store, await exports.bundle(kept.store, "order-1"))
    assert await store.index_row("order-1") == row


async def test_a_definition_that_is_known_stays_the_newest(
    store: PostgresStore, kept: Kept
) -> None:
    stream = definition_stream("order")
    (theirs,) = await kept.store.read(stream)
    fact = unseal(theirs, CATALOGUE).fact
    assert isinstance(fact, DefinitionRegistered)
    ours = exports.changed(fact, workflow_version="ours")
    stored = seal(Head(stream), ours, "e1", Stamp(recorded_at=1))
    (lease,) = await store.acquire([0], "a", 60.0)
    await store.append(exports.batch((lease,), [stored]))
    await imported(store, await exports.bundle(kept.store, "fork-1"))
    events = await store.read(stream)
    assert [unseal(one, CATALOGUE).fact for one in events] == [
        ours,
        exports.changed(fact, aside=True),
    ]
    assert await exports.hashes(store, "fork-1") == await exports.hashes(kept.store, "fork-1")
    assert await findings(store) == []


async def test_an_import_that_breaks_off_leaves_whole_runs_and_goes_on(
    store: PostgresStore, kept: Kept
) -> None:
    data = await exports.bundle(kept.store, "order-1", "fork-1", children=True)

    async def log(_: str) -> PostgresStore:
        return store

    with await open_file(data) as file:
        importer = Importer(file, log, CATALOGUE, who())
        planned = await importer.plan()
        first = await anext(importer.carry_out(planned[:1]))
    assert first.events == first.version
    assert await findings(store) == []
    done = await imported(store, data)
    assert [one.events > 0 for one in done] == [False, *[True] * (len(done) - 1)]
    assert await exports.bundle(store, "order-1", "fork-1", children=True) == data
    assert await findings(store) == []


async def test_two_imports_at_once_do_not_mix(store: PostgresStore, kept: Kept) -> None:
    data = await exports.bundle(kept.store, "order-1")

    async def log(_: str) -> PostgresStore:
        return store

    with await open_file(data) as file:
        importer = Importer(file, log, CATALOGUE, who())
        planned = await importer.plan()
        await imported(store, data)
        with pytest.raises(Conflict, match="run order-1 was changed here while it was imported"):
            _ = [one async for one in importer.carry_out(planned)]
    assert await findings(store) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: t.replace(b'"attempt":1', b'"attempt":"one"'), "runs:"),
        (lambda t: t.replace(b"task.dispatched.v1", b"task.despatched.v1"), "runs:"),
        (lambda t: b"".join(t.splitlines(keepends=True)[:-1]), "cut short"),
        (lambda t: t.replace(b"wait.ended.v1", b"run.completed.v1", 1), "runs:"),
    ],
)
async def test_a_bad_file_is_refused_with_the_place(
    store: PostgresStore,
    kept: Kept,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    said: str,
) -> None:
    path = tmp_path / "runs"
    good = await exports.jsonl(kept.store, "order-1")
    path.write_bytes(exports.rechained(damage(good)))
    if path.read_bytes() == good:
        pytest.fail("the damage changed nothing")
    with pytest.raises(Corrupt, match=said):
        await imported(store, path)
    assert await store.last_position() == 0


async def test_what_does_not_fold_is_refused(store: PostgresStore, kept: Kept) -> None:
    """A file whose chains are all right, made by somebody who knows how."""
    good = await exports.jsonl(kept.store, "order-1")
    lines = good.splitlines(keepends=True)
    stream = encode({"stream": "run:order-1"})[1:-1]
    own = [line for line in lines if stream in line]
    forged = exports.rechained(good.replace(own[2], b"").replace(own[1], b""))
    with pytest.raises(Corrupt, match=r"run order-1 does not fold"):
        await imported(store, forged)
    assert await store.last_position() == 0


async def test_values_of_personal_runs_stay_sealed_and_no_key_goes_with_them(
    store: PostgresStore,
) -> None:
    """Elsewhere they are as if they were erased; where the key is they are there again."""
    async with dalsegno_env(tasks=exports.TASKS) as env:
        await env.register(exports.letter())
        run = await env.start(exports.letter(), input={"to": EMAIL}, id="p-1", subject="ada")
        await run.result()
        sealed = exports.store_of(env)
        assert EMAIL in str([event.fact for event in run.events()])
        data = await exports.jsonl(sealed, "p-1")
    assert EMAIL.encode() not in data
    (done,) = await imported(store, data)
    assert (done.run_id, done.status) == ("p-1", "completed")
    rebuilt = await Rebuilder(store, CATALOGUE).run("p-1")
    assert rebuilt is not None
    assert rebuilt.state.output == {"$erased": True}
    key = await store.data_keys.find("ada")
    assert key is not None
    assert key.erased
    assert await exports.jsonl(store, "p-1") == data
    assert await findings(store) == []


async def test_of_an_imported_personal_run_only_what_was_sealed_is_not_audited(
    store: PostgresStore,
) -> None:
    """No key has come with it: its chain and its row are right, and its values are known to be
    gone."""
    async with dalsegno_env(tasks=exports.TASKS) as env:
        await env.register(exports.letter())
        run = await env.start(exports.letter(), input={"to": EMAIL}, id="p-1", subject="ada")
        await run.result()
        await imported(store, await exports.bundle(exports.store_of(env), "p-1"))
        theirs = await Verifier(exports.store_of(env), CATALOGUE, 16).run("p-1")
    ours = await Verifier(store, CATALOGUE, store.info.shards).run("p-1")
    assert ours is not None
    assert theirs is not None
    assert (ours.findings, ours.status) == ((), "completed")
    assert ours.events == theirs.events
    raw = b"".join(one.state + (one.opened or b"") for one in await store.read(run_stream("p-1")))
    assert EMAIL.encode() not in raw
    assert await findings(store) == []


@pytest.mark.parametrize("write", WRITERS)
async def test_what_was_redacted_comes_back_to_the_byte(
    store: PostgresStore, kept: Kept, write: Write
) -> None:
    asked = [field_of("customer.email"), field_of("item")]
    history, told = await redacted(kept.store, CATALOGUE, ["fork-1"], asked, children=True)
    data = await write(history, *told.run_ids, children=True, redacted=told.fields)
    assert EMAIL.encode() not in exports.plain(data)
    done = await imported(store, data)
    assert {"order-1", "fork-1"} < {one.run_id for one in done}
    before = await redacted_before(store, CATALOGUE, told.run_ids)
    assert tuple(before) == ("customer.email", "item")
    assert await write(store, *told.run_ids, children=True, redacted=before) == data
    for one in done:
        assert await exports.hashes(store, one.run_id) == await exports.hashes(history, one.run_id)
    assert await findings(store) == []
    again, told = await redacted(store, CATALOGUE, told.run_ids, [field_of("count")], children=True)
    data = await write(again, *told.run_ids, children=True, redacted=(*before, *told.fields))
    with await open_file(data) as file:
        assert file.info.redacted == ("customer.email", "item", "count")


async def test_each_run_comes_to_the_log_that_it_belongs_to(
    database_factory: DatabaseFactory, kept: Kept
) -> None:
    """Of a cluster of two, and the definitions to wherever a run needs them."""
    fork = next(
        f"fork-{n}" for n in range(2, 50) if shard_of(f"fork-{n}", 2) != shard_of("order-1", 2)
    )
    await exports.forked(kept.env, run_id=fork)
    data = await exports.bundle(kept.store, fork, children=True)
    map_ = LogMap({"east": [0], "west": [1]})
    dsns = {name: database_factory(None) for name in map_.names}
    for name, dsn in dsns.items():
        migrate(dsn, log=name, shards=2, map_=map_.text)
    settings = [Settings(dsn=dsn, log=name, map=map_.text) for name, dsn in dsns.items()]
    async with PostgresCluster(map_, settings, NoKeys()) as cluster:

        async def log(stream: str) -> PostgresStore:
            return await cluster.log(map_.of_stream(stream))

        with await open_file(data) as file:
            importer = Importer(file, log, CATALOGUE, who())
            runs = [one.run_id async for one in importer.carry_out(await importer.plan())]
        assert await exports.bundle(cluster, fork, children=True) == data
        assert len({map_.of(run_id) for run_id in runs}) == 2
        for run_id in runs:
            own = await cluster.log(map_.of(run_id))
            assert await own.index_row(run_id) is not None
            expected = await exports.hashes(kept.store, run_id)
            assert await exports.hashes(cluster, run_id) == expected
            assert await own.read(definition_stream(kept.workflow(run_id))) != []
        for name in map_.names:
            assert await findings(await cluster.log(name), cluster) == []
