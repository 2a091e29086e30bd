"""Runs go to archives and come back, whole, whatever happens in the middle of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import anyio
import msgspec
import pytest

from events.catalogue import Catalogue
from events.cluster_facts import NodeRegistered
from events.envelope import Head, Stamp, Stored, seal, unseal
from events.errors import Corrupt, Unavailable
from events.ids import node_stream, run_stream, shard_of
from events.personal import ERASED
from events.policies import Origin
from events.references import Payload
from events.run_facts import RunForked
from events.values import Value
from orchestrator.adapters.archives.reading import ArchiveReader
from orchestrator.adapters.archives.writing import ArchiveWriter
from orchestrator.adapters.crypto.keyring import Keys
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Batch, Conflicted
from orchestrator.replay.audit.anchors import anchor_of
from orchestrator.replay.audit.archives import audit
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.audit.verify_log import LogVerifier, Standing
from orchestrator.replay.ports import IndexRow, row_of
from orchestrator.replay.retention import archives as a
from orchestrator.replay.retention.archiving import Archiver, Follower, Moved, Wanted, rebuilt
from tests.builders import NOW, Play, Setting, started, task, workflow
from tests.logs import extend
from tests.postgres import Observer

pytest_plugins = ["tests.servers", "tests.postgres"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

RUNS = [f"run-{number}" for number in range(3)]
WANTED = Wanted(before=NOW + 1)
NODE = node_stream("n1")
REGISTERED = NodeRegistered(node="n1", incarnation="i1", tasks=("work",), slots=9, credits=9)
CHUNK = Payload.of(b"[1,2]")


@pytest.fixture
async def plays(store: PostgresStore) -> list[Play]:
    """Three runs that have ended, whose events lie between each other."""
    value: Value = {
        "$ref": "list",
        "count": 2,
        "bytes": 4,
        "chunks": [{"count": 2, "hash": CHUNK.hash}],
    }
    plays = [
        started(workflow(task("a")), Setting(run_id=run_id), value).finish() for run_id in RUNS
    ]
    await store.put_payloads([CHUNK])
    await append(store, extend(Head(NODE), facts=[REGISTERED]))
    histories = [play.stored() for play in plays]
    for at in range(len(histories[0])):
        await append(store, [history[at] for history in histories], plays if not at else ())
    for play in plays:
        await store.replace_index_rows([row(store, play)])
    return plays


async def append(
    store: PostgresStore, events: Sequence[Stored], plays: Sequence[Play] = ()
) -> object:
    (lease,) = await store.acquire([0], "a", 60.0)
    index = tuple(
        msgspec.structs.replace(row(store, play), version=1, status="running") for play in plays
    )
    return await store.append(Batch(id="b", leases=(lease,), events=tuple(events), index=index))


def row(store: PostgresStore, play: Play) -> IndexRow:
    run_id = play.state.run_id
    return row_of(run_id, shard_of(run_id, store.info.shards), play.state)


def archiver(store: PostgresStore) -> Archiver:
    verifier = Verifier(store, Catalogue(), store.info.shards)
    return Archiver(store, store, store.archives(), verifier)


async def written(store: PostgresStore, path: Path, moved: Moved) -> ArchiveReader:
    info = store.info
    anchor = await anchor_of(store, info.name)
    head = a.Head(log=info.name, shards=info.shards, created_at=NOW, anchor=anchor)
    writer = ArchiveWriter(path, head)
    made = archiver(store)
    async for one in made.candidates(WANTED, moved):
        await made.write(one, writer)
    writer.finish()
    writer.close()
    reader = ArchiveReader(path)
    await store.archives().begin(path.name, reader.digest, len(reader.manifest.runs), 1)
    return reader


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def findings(store: PostgresStore) -> list[tuple[str, str]]:
    async def tell(_standing: Standing) -> None: ...

    verifier = Verifier(store, Catalogue(), store.info.shards)
    done = await LogVerifier(store, verifier, Standing(), tell).run()
    return [(one.check, one.run_id) for one in done.findings]


async def test_runs_go_and_leave_a_log_that_is_sound(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    moved = Moved()
    reader = await written(store, tmp_path / "x", moved)
    await archiver(store).remove("x", reader, moved)
    assert (moved.runs, moved.events) == (3, sum(len(play.facts) for play in plays))
    assert [event.stream for event in await store.read_log()] == [NODE]
    assert await store.index_rows() == []
    assert await findings(store) == []
    assert [one.done for one in await store.archives().known()] == [True]
    assert await audit(reader, Catalogue()) == []
    tombstone = await store.archived("run-1")
    assert tombstone is not None
    assert (tombstone.archive, tombstone.status) == ("x", "completed")
    assert "was moved to the archive x" in a.moved(tombstone)


async def test_a_run_that_went_cannot_begin_again(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    moved = Moved()
    await archiver(store).remove("x", await written(store, tmp_path / "x", moved), moved)
    again = await append(store, plays[0].stored()[:1])
    assert again == Conflicted(streams=("run:run-0",))
    assert await store.read("run:run-0") == []


async def test_a_run_comes_back_as_it_was(
    store: PostgresStore, plays: list[Play], tmp_path: Path, eyes: Observer
) -> None:
    before = await store.read("run:run-1")
    row_before = await store.index_row("run-1")
    moved, made = Moved(), archiver(store)
    reader = await written(store, tmp_path / "x", moved)
    await made.remove("x", reader, moved)
    await eyes.do("DELETE FROM dalsegno.payloads")
    run = reader.find("run-1")
    assert run is not None
    assert await made.restore(reader, run, shard_of("run-1", store.info.shards))
    assert await store.read("run:run-1") == before
    assert await store.index_row("run-1") == row_before
    assert await store.load_payload(CHUNK.hash) == CHUNK.data
    assert await store.archived("run-1") is None
    assert await findings(store) == []
    assert not await made.restore(reader, run, 0)
    later = Moved()
    assert [one async for one in made.candidates(WANTED, later)] == []


async def test_what_was_interrupted_goes_on(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    """Killed behind the first transaction of the removal: the rest is still in the log."""
    moved = Moved()
    reader = await written(store, tmp_path / "x", moved)
    position = reader.manifest.head.anchor.position
    await store.archives().remove("x", reader.manifest.runs[:1], position)
    assert await findings(store) == []
    assert len(await store.index_rows()) == 2
    assert [one.done for one in await store.archives().known()] == [False]
    for _ in range(2):
        await archiver(store).remove("x", ArchiveReader(tmp_path / "x"), moved)
    assert moved.runs == 2
    assert [event.stream for event in await store.read_log()] == [NODE]
    assert await findings(store) == []


async def test_a_file_that_was_not_finished_leaves_nothing(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    anchor = await anchor_of(store, "main")
    head = a.Head(log="main", shards=8, created_at=NOW, anchor=anchor)
    writer = ArchiveWriter(tmp_path / "x", head)
    writer.close()
    assert files(tmp_path) == []
    with pytest.raises(Unavailable, match="cannot be written"):
        ArchiveWriter(tmp_path / "nowhere" / "x", head)


async def test_what_a_fork_stands_on_is_kept_and_named(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    reader = await written(store, tmp_path / "x", Moved())
    await fork(store, "run-1")
    moved = Moved()
    await archiver(store).remove("x", reader, moved)
    assert moved.runs == 2
    assert await store.read("run:run-1") != []
    late = Moved()
    assert [one async for one in archiver(store).candidates(WANTED, late)] == []
    assert late.kept == [("run-1", "run fork is a fork of it: that one goes first")]


@pytest.mark.parametrize("what", ["fork", "run-2"])
async def test_what_waited_to_begin_while_its_run_went_is_refused(
    store: PostgresStore, dsn: str, plays: list[Play], tmp_path: Path, eyes: Observer, what: str
) -> None:
    """Its append begins, and takes its look at the log, before the removal has committed."""
    reader = await written(store, tmp_path / "x", Moved())
    moved, outcomes = Moved(), list[object]()
    (lease,) = await store.acquire([0], "a", 60.0)
    event = forked("run-1") if what == "fork" else plays[2].stored()[0]

    async def remove() -> None:
        async with await PostgresStore.open(dsn) as other:
            await archiver(other).remove("x", reader, moved)

    async def begin() -> None:
        outcomes.append(await store.append(Batch(id="b", leases=(lease,), events=(event,))))

    async with anyio.create_task_group() as tasks, eyes.ordering_lock():
        tasks.start_soon(remove)
        await eyes.until_waiting(1)
        tasks.start_soon(begin)
        await eyes.until_waiting(2)
    assert moved.runs == 3
    assert outcomes == [Conflicted(streams=(event.stream,))]
    assert await store.read(event.stream) == []


class Everywhere:
    """This log and another one, in which a fork has begun since the file was written."""

    def __init__(self, store: PostgresStore, *forks: Stored) -> None:
        self._store = store
        self._forks = forks

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def first_events(self, topic: str, after: int, limit: int = 1000) -> list[Stored]:
        own = await self._store.first_events(topic, after, limit)
        return own or [one for one in self._forks if (one.position or 0) > after]


async def test_what_a_fork_in_another_log_stands_on_is_kept(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    reader = await written(store, tmp_path / "x", Moved())
    elsewhere = msgspec.structs.replace(forked("run-1"), position=7)
    verifier = Verifier(store, Catalogue(), store.info.shards)
    whole = cast("PostgresStore", Everywhere(store, elsewhere))
    moved = Moved()
    await Archiver(store, whole, store.archives(), verifier).remove("x", reader, moved)
    assert moved.runs == 2
    assert await store.read("run:run-1") != []


async def test_a_fork_of_what_is_there_again_begins(
    store: PostgresStore, plays: list[Play], tmp_path: Path
) -> None:
    reader = await written(store, tmp_path / "x", Moved())
    await archiver(store).remove("x", reader, Moved())
    assert await append(store, [forked("run-1")]) == Conflicted(streams=("run:fork",))
    (run,) = [one for one in reader.manifest.runs if one.run_id == "run-1"]
    assert await archiver(store).restore(reader, run, 0)
    assert isinstance(await append(store, [forked("run-1")]), Appended)


async def fork(store: PostgresStore, source: str) -> None:
    assert isinstance(await append(store, [forked(source)]), Appended)


def forked(source: str) -> Stored:
    fact = RunForked(
        run_id="fork",
        source_run_id=source,
        source_version=2,
        workflow="workflow",
        workflow_version="version-1",
        origin=Origin(kind="fork", run_id=source, version=2),
    )
    return seal(Head(run_stream("fork")), fact, "f", Stamp(recorded_at=NOW))


async def test_what_was_erased_cannot_be_read_from_an_archive_that_stays_whole(
    dsn: str, tmp_path: Path
) -> None:
    """A personal run is archived, then its subject erased, then it is brought back."""
    ring = Keys({"k": bytes(range(32))}, "k")
    async with await PostgresStore.open(dsn, keys=ring) as store:
        play = started(workflow(task("a")), Setting(run_id="run-0"), {"name": "Ada"}).finish()
        head = Head(run_stream("run-0"), key=await store.join_data_key("run-0", "ada", "d1"))
        sealed = [
            seal(head, fact, f"e{number}", Stamp(recorded_at=at))
            for number, (fact, at) in enumerate(zip(play.facts, play.instants, strict=True))
        ]
        await append(store, sealed[:1], [play])
        await append(store, sealed[1:])
        await store.replace_index_rows([row(store, play)])
        reader = await written(store, tmp_path / "x", Moved())
        assert b"Ada" not in b"".join(one.state for one in sealed)
        (run,) = reader.manifest.runs
        frame = reader.read(run)
        before = await rebuilt("run-0", await store.archives().opened(frame.events), Catalogue())
        assert before.input == {"name": "Ada"}
        await archiver(store).remove("x", reader, Moved())
        assert [one.status for one in await store.data_keys.runs("d1")] == ["completed"]
        assert (await store.data_keys.drop("d1", [])).keys == 1

        again = ArchiveReader(tmp_path / "x")
        assert again.digest == reader.digest
        assert await audit(again, Catalogue()) == []
        opened = await store.archives().opened(again.read(run).events)
        assert (await rebuilt("run-0", opened, Catalogue())).input == ERASED
        shard = shard_of("run-0", store.info.shards)
        assert await archiver(store).restore(again, run, shard)
        (came, *_) = await store.read("run:run-0")
        assert came.state == sealed[0].state
        assert unseal(came, Catalogue()).fact == msgspec.structs.replace(
            play.facts[0], input=ERASED
        )
        assert await findings(store) == []


async def test_a_damaged_run_is_kept_and_named(
    store: PostgresStore, plays: list[Play], eyes: Observer
) -> None:
    await eyes.do(
        "UPDATE dalsegno.events SET state = state || ' ' "
        "WHERE originator_id = 'run:run-1' AND originator_version = 2"
    )
    moved = Moved()
    going = [one.run_id async for one in archiver(store).candidates(WANTED, moved)]
    assert going == ["run-0", "run-2"]
    assert "it is damaged: event 2 of run:run-1" in moved.kept[0][1]


async def test_what_a_subscription_has_not_had_yet_is_kept_and_named(
    store: PostgresStore, plays: list[Play]
) -> None:
    ends = [(await store.read(run_stream(run_id)))[-1].position or 0 for run_id in RUNS]
    moved, last = Moved(), Follower(name="billing", position=ends[1])
    wanted = msgspec.structs.replace(WANTED, last=last)
    found = [one.run_id async for one in archiver(store).candidates(wanted, moved)]
    assert found == [run_id for run_id, end in zip(RUNS, ends, strict=True) if end <= ends[1]]
    assert found != RUNS
    assert all("subscription billing is at position" in why for _, why in moved.kept)


@pytest.mark.parametrize("where", ["run", "manifest", "end", "cut"])
async def test_a_flipped_byte_in_an_archive_is_named(
    store: PostgresStore, plays: list[Play], tmp_path: Path, where: str
) -> None:
    path = tmp_path / "x"
    reader = await written(store, path, Moved())
    run = reader.find("run-1")
    assert run is not None
    data = bytearray(path.read_bytes())
    last = reader.manifest.runs[-1]
    place = {
        "run": run.offset + 20,
        "manifest": last.offset + last.bytes + 20,
        "end": -300,
        "cut": 0,
    }
    data[place[where]] ^= 1
    path.write_bytes(data[:-1] if where == "cut" else data)
    if where == "run":
        damaged = ArchiveReader(path)
        (finding,) = await audit(damaged, Catalogue())
        assert finding.run_id == "run-1"
        assert "its bytes have another digest" in finding.message
        with pytest.raises(Corrupt, match="run run-1 is damaged"):
            await archiver(store).remove("x", damaged, Moved())
        assert len(await store.read("run:run-1")) == len(plays[1].facts)
    elif where == "cut":
        with pytest.raises(Corrupt, match="cut short"):
            ArchiveReader(path)
    else:
        with pytest.raises(Corrupt, match=r"list of runs|its end"):
            ArchiveReader(path)


async def test_values_that_nobody_names_are_swept_up(
    store: PostgresStore, plays: list[Play], eyes: Observer
) -> None:
    other, young = Payload.of(b"[3]"), Payload.of(b"[4]")
    await store.put_payloads([other])
    before = await eyes.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    assert isinstance(before, int)
    await store.put_payloads([young])
    made = archiver(store)
    assert await made.sweep(before, lambda _: None, remove=False) == (1, 3)
    assert await store.load_payload(other.hash) == other.data
    assert await made.sweep(before, lambda _: None, remove=True) == (1, 3)
    assert await store.load_payload(other.hash) is None
    assert await store.load_payload(CHUNK.hash) == CHUNK.data
    assert await store.load_payload(young.hash) == young.data


async def test_a_value_that_is_stored_again_is_young_again(
    store: PostgresStore, plays: list[Play], eyes: Observer
) -> None:
    other = Payload.of(b"[3]")
    await store.put_payloads([other])
    await eyes.do("UPDATE dalsegno.payloads SET stored_at = now() - interval '30 days'")
    await store.put_payloads([other])
    old = await eyes.value(
        "SELECT count(*) FROM dalsegno.payloads WHERE stored_at < now() - interval '1 day'"
    )
    assert old == 1  # the other one, which nobody has stored again
