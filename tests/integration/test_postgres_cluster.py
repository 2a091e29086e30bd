"""Several logs read as one: each stream from its log, lists merged, pages that go on."""

from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from events.errors import InvariantViolation, Misconfigured, Unavailable
from events.ids import shard_of
from events.logmap import LogMap
from events.references import Payload
from events.sealing import NoKeys
from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Snapshot
from orchestrator.insight.finding import RunQuery, newest_first
from tests.logs import AT, batch, begin, row, run_batch
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

MAP = LogMap({"east": [0, 2], "west": [1, 3]})
RUNS = [f"r{number:02}" for number in range(20)]


@pytest.fixture
def settings(database_factory: DatabaseFactory) -> dict[str, Settings]:
    found: dict[str, Settings] = {}
    for name in MAP.names:
        dsn = database_factory(None)
        info = migrate(dsn, log=name, shards=MAP.shards, map_=MAP.text)
        assert (info.name, info.shards, info.map) == (name, 4, MAP.text)
        found[name] = Settings(dsn=dsn, log=name, map=MAP.text)
    return found


@pytest.fixture
async def cluster(settings: dict[str, Settings]) -> AsyncIterator[PostgresCluster]:
    """Runs that began one after the other, in both logs, and a definition that both have."""
    async with PostgresCluster(MAP, list(settings.values()), NoKeys()) as made:
        for name in MAP.names:
            await fill(await made.log(name), [run for run in RUNS if MAP.of(run) == name])
        yield made


async def fill(log: PostgresStore, runs: Sequence[str]) -> None:
    leases = await log.acquire(MAP.own(log.info.name), "a", 30.0)
    rows = [row(run, 2, shard=shard_of(run, 4), started_at=AT + RUNS.index(run)) for run in runs]
    await log.append(run_batch(leases, *rows))
    await log.append(batch(leases, begin("definition:census"), name="definition"))


async def test_a_stream_is_read_from_its_log(cluster: PostgresCluster) -> None:
    for run in RUNS:
        events = await cluster.read(f"run:{run}")
        assert [event.version for event in events] == [1, 2]
        places = [cluster.place(event.position or 0) for event in events]
        assert {log for log, _ in places} == {MAP.of(run)}
        found = await cluster.index_row(run)
        assert found is not None
        assert (found.run_id, found.version) == (run, 2)


async def test_lists_are_merged_and_go_on(cluster: PostgresCluster) -> None:
    names: list[str] = []
    while page := await cluster.stream_names("", names[-1] if names else "", 7):
        names += page
    assert names == ["definition:census", *(f"run:{run}" for run in RUNS)]
    rows: list[str] = []
    while found := await cluster.index_rows(rows[-1] if rows else "", 7):
        rows += (one.run_id for one in found)
    assert rows == RUNS
    read: list[tuple[str, int]] = []
    while events := await cluster.read_streams("run:", read[-1] if read else ("", 0), 7):
        read += ((one.stream, one.version) for one in events)
    assert read == [(f"run:{run}", version) for run in RUNS for version in (1, 2)]


async def test_each_event_has_a_position_and_logs_keep_their_order(
    cluster: PostgresCluster,
) -> None:
    found: list[int] = []
    while page := await cluster.read_log(found[-1] if found else 0, 7):
        found += (event.position or 0 for event in page)
    assert found == sorted(set(found))
    assert found[-1] == await cluster.last_position()
    for name in MAP.names:
        log = await cluster.log(name)
        own = [number for log_name, number in map(cluster.place, found) if log_name == name]
        assert own == [event.position for event in await log.read_log()]


async def test_events_of_a_kind_are_found_in_all(cluster: PostgresCluster) -> None:
    kind = begin("run:x")[0].type
    assert await cluster.count_type(kind, 0) == 2 * len(RUNS) + 2
    found = await cluster.first_events(kind, 0)
    assert {event.stream for event in found} == {f"run:{run}" for run in RUNS} | {
        "definition:census"
    }
    half = found[len(found) // 2].position or 0
    later = await cluster.first_events(kind, half)
    assert [event.position for event in later] == [
        event.position for event in found if (event.position or 0) > half
    ]


async def test_snapshots_and_payloads_are_found_where_they_are(cluster: PostgresCluster) -> None:
    for run in RUNS[:4]:
        taken = Snapshot(stream=f"run:{run}", version=2, digest="d", fingerprint="f", state=b"{}")
        await cluster.save_snapshot(taken)
        log = await cluster.log(MAP.of(run))
        assert await log.load_snapshot(taken.stream) == await cluster.load_snapshot(taken.stream)
    listed = await cluster.list_snapshots(limit=3)
    assert [info.stream for info in listed] == [f"run:{run}" for run in RUNS[:3]]
    payload = Payload.of(b"[1]")
    await (await cluster.log("west")).put_payloads((payload,))
    assert await cluster.load_payload(payload.hash) == b"[1]"
    assert await cluster.load_payload("0" * 64) is None


async def test_pages_of_runs_are_newest_first_over_both(
    cluster: PostgresCluster, settings: dict[str, Settings]
) -> None:
    before, before_at, listed = "", None, list[str]()
    while True:
        query = RunQuery(before=before, before_at=before_at, limit=6)
        found = []
        for one in settings.values():
            async with PostgresProjected(one) as projected:
                found += await projected.find_runs(query)
        page = newest_first(found, 6)
        listed += (run.run_id for run in page)
        if len(page) < 6:
            break
        before, before_at = page[-1].run_id, page[-1].started_at
    assert listed == RUNS[::-1]


async def test_a_log_that_is_away_is_in_the_way_of_its_own_only(
    settings: dict[str, Settings],
) -> None:
    gone = msgspec.structs.replace(settings["west"], dsn="postgresql://127.0.0.1:1/gone")
    async with PostgresCluster(MAP, [settings["east"], gone], NoKeys()) as cluster:
        east = next(run for run in RUNS if MAP.of(run) == "east")
        west = next(run for run in RUNS if MAP.of(run) == "west")
        assert await cluster.read(f"run:{east}") == []
        with pytest.raises(Unavailable):
            await cluster.read(f"run:{west}")
        with pytest.raises(Unavailable):
            await cluster.load_payload("0" * 64)  # it may be there


async def test_what_is_one_logs_is_not_asked_of_all(cluster: PostgresCluster) -> None:
    with pytest.raises(InvariantViolation, match="one log"):
        await cluster.append(batch([], begin("run:x")))
    with pytest.raises(InvariantViolation, match="one log"):
        await cluster.acquire([0], "a", 1.0)
    with pytest.raises(InvariantViolation, match="one log"):
        await cluster.last_batch()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"map": ""}, "a cluster with log east with shards 0,2, log west .* is one log with all"),
        ({"map": LogMap({"east": [0], "west": [1, 2, 3]}).text}, "configured is log east with"),
        ({"log": "west"}, "holds log east, and is configured as that of log west"),
    ],
)
async def test_another_map_is_refused_with_both(
    settings: dict[str, Settings], changes: dict[str, str], why: str
) -> None:
    wrong = msgspec.structs.replace(settings["east"], **changes)
    with pytest.raises(Misconfigured, match=why):
        await PostgresStore.open(wrong)
    with pytest.raises(Misconfigured, match=why):
        async with PostgresProjected(wrong):
            pass
    if changes.get("map"):
        with pytest.raises(Misconfigured, match=why):
            migrate(wrong.dsn, log="east", shards=4, map_=wrong.map)


def test_a_log_that_was_alone_stays_alone(database_factory: DatabaseFactory) -> None:
    dsn = database_factory(None)
    migrate(dsn, shards=4)
    with pytest.raises(Misconfigured, match="holds log main of a cluster with one log with all"):
        migrate(dsn, log="east", shards=4, map_=MAP.text)
