"""Postgres and its twin, given the same few hundred random calls, answer the same."""

import random
from collections.abc import AsyncIterator, Sequence

import pytest
from msgspec.structs import replace

from events.envelope import Stored
from events.ids import run_stream
from events.limits import BatchLimits
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import (
    Appended,
    Batch,
    Conflicted,
    FencedOff,
    IndexRow,
    Lease,
    Snapshot,
    SnapshotInfo,
    SnapshotPlace,
)
from orchestrator.errors import InvariantViolation
from orchestrator.replay.snapshots import KINDS
from tests.logs import AT, batch, continued, row
from tests.postgres import prepare
from tests.servers import DatabaseFactory

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]

CALLS = 400
SHARDS = range(3)
RUNS = [f"r{number}" for number in range(12)]
HOLDERS = ["a", "b", "c"]
STATUSES = ["running", "running", "waiting", "completed", "failed"]
TTL_S = 600.0
LIMITS = BatchLimits(events_max=20)


class Pair:
    """Epochs are those of the twin, which counts from 1; in Postgres they grow with time."""

    def __init__(self, real: PostgresStore, twin: MemoryStore) -> None:
        self.real = real
        self.twin = twin
        self._epochs: dict[tuple[int, int], int] = {}

    async def both(self, name: str, *values: object) -> object:
        """The answer of both, which has to be one."""
        real = await _answer(self.real, name, [self._told(value) for value in values])
        twin = await _answer(self.twin, name, values)
        if name == "acquire":
            self._note(real, twin)
        assert real == self._told(twin), f"{name}{values}"
        return twin

    def _told(self, value: object) -> object:
        """With the epochs that the real one gave."""
        if isinstance(value, Lease):
            return replace(value, epoch=self._epochs[value.shard, value.epoch])
        if isinstance(value, Batch):
            return replace(value, leases=tuple(map(self._told, value.leases)))
        if isinstance(value, list) and value and isinstance(value[0], Lease):
            return [self._told(lease) for lease in value]
        return value

    def _note(self, real: object, twin: object) -> None:
        assert isinstance(real, list)
        assert isinstance(twin, list)
        for theirs, ours in zip(real, twin, strict=True):
            assert theirs.epoch > self._epochs.get((ours.shard, ours.epoch - 1), 0)
            self._epochs[ours.shard, ours.epoch] = theirs.epoch


async def _answer(
    store: PostgresStore | MemoryStore, name: str, values: Sequence[object]
) -> object:
    try:
        answer = await getattr(store, name)(*values)
    except InvariantViolation as error:
        return str(error)
    if name == "stray_children":  # in no order
        return sorted(answer, key=lambda row: row.run_id)
    if isinstance(answer, Appended):
        return "appended"  # positions have gaps in one of them only
    if isinstance(answer, list) and answer and isinstance(answer[0], Stored):
        return [(event.stream, event.version, event.type, event.state) for event in answer]
    if isinstance(answer, list) and answer and isinstance(answer[0], SnapshotInfo):
        return [(one.id, one.actor) for one in answer]  # packed in one of them only
    if isinstance(answer, list) and answer and isinstance(answer[0], Lease):
        # Time passes in one of them only: whether an earlier owner's word holds has to be the same.
        return [replace(one, granted_s=TTL_S if one.granted_s > 0 else 0.0) for one in answer]
    return answer


@pytest.fixture
async def pair(database_factory: DatabaseFactory, anyio_backend: str) -> AsyncIterator[Pair]:
    async with await PostgresStore.open(database_factory(prepare), LIMITS) as real:
        yield Pair(real, MemoryStore(MemoryLog(lambda: AT, LIMITS)))


class World:
    """What the callers believe, which is sometimes wrong."""

    def __init__(self) -> None:
        self.leases: list[Lease] = [Lease(shard=shard, epoch=1, holder="a") for shard in SHARDS]
        self.versions = dict.fromkeys(RUNS, 0)
        self.sent: list[Batch] = []
        self.outcomes = set[type]()
        self.calls = 0

    def batch(self) -> Batch:
        self.calls += 1
        held = random.sample(self.leases, random.randint(1, 2))
        leases = list({lease.shard: lease for lease in held}.values())
        runs = random.sample(RUNS, random.randint(1, 4))
        events = [event for run in runs for event in self._events(run)]
        ends = {event.stream: event.version for event in events}
        rows = [self._row(run, ends[run_stream(run)]) for run in runs if random.random() < 0.8]
        made = batch(leases, events, index=rows, name=f"b{self.calls}")
        self.sent.append(made)
        return made

    def _events(self, run: str) -> list[Stored]:
        wrong = random.choices([0, -1, 1], [20, 2, 1])[0]
        first = max(1, self.versions[run] + 1 + wrong)
        numbers = range(first, first + random.randint(1, 3))
        return [e for n in numbers for e in continued(run_stream(run), n, by=f"b{self.calls}")]

    def _row(self, run: str, version: int) -> IndexRow:
        return row(
            run,
            version,
            shard=random.choice(SHARDS),
            workflow=random.choice(["x", "y"]),
            status=random.choice(STATUSES),
            next_due_at=random.choice([None, 1, 2, 3]),
            outstanding=random.randint(0, 1),
            ready=random.randint(0, 1),
            started_at=random.randint(0, 3),
            calls=random.choice([0, 0, 1, 2]),
            parent=random.choice(["", *RUNS]),
        )

    def landed(self, sent: Batch) -> None:
        for event in sent.events:
            run = event.stream.removeprefix("run:")
            self.versions[run] = max(self.versions[run], event.version)


async def _append(pair: Pair, world: World) -> None:
    again = world.sent and random.random() < 0.1
    sent = random.choice(world.sent) if again else world.batch()
    outcome = await pair.both("append", sent)
    world.outcomes.add(type(outcome))
    if outcome == "appended":
        world.landed(sent)
    await pair.both("landed", random.choice(world.sent))


async def _lease(pair: Pair, world: World) -> None:
    holder = random.choice(HOLDERS)
    shards = random.sample(SHARDS, random.randint(1, 3))
    some = random.sample(world.leases, min(2, len(world.leases)))
    match random.randrange(4):
        case 0:
            await pair.both(
                "release", list({lease.shard: lease for lease in some}.values()), holder
            )
        case 1:
            await pair.both("renew", list({o.shard: o for o in some}.values()), holder, TTL_S)
        case _:
            taken = await pair.both("acquire", shards, holder, TTL_S)
            assert isinstance(taken, list)
            world.leases = [*world.leases, *taken][-8:]


async def _look(pair: Pair, world: World) -> None:
    run = random.choice(RUNS)
    limit = random.choice([1, 3, 100])
    await pair.both("read", run_stream(run), random.randint(0, 4), limit)
    await pair.both("index_row", run)
    await pair.both("due_runs", random.sample(SHARDS, 2), random.randint(0, 3), limit)
    after = random.randint(0, 3), random.choice(["", run])
    await pair.both("due_runs", random.sample(SHARDS, 2), 3, limit, after)
    await pair.both("stray_children", SHARDS, 1000)
    await pair.both("active_runs", random.sample(SHARDS, 2), random.choice(["", run]), limit)
    await pair.both("stream_names", "run:", random.choice(["", run_stream(run)]), limit)
    await pair.both("index_rows", random.choice(["", run]), limit)


async def _mend(pair: Pair, world: World) -> None:
    run = random.choice(RUNS)
    version = max(1, world.versions[run] - random.randint(0, 1))
    await pair.both("replace_index_rows", [row(run, version)])
    await pair.both("drop_stray_index_rows")


async def _snapshot(pair: Pair, world: World) -> None:
    run = run_stream(random.choice(RUNS))
    taken = Snapshot(
        stream=run,
        version=random.randint(1, 5),
        digest="d",
        fingerprint="f",
        state=b"{}",
        kind=random.choice(KINDS),
        actor=random.choice(HOLDERS),
    )
    await pair.both("save_snapshot", taken)
    await pair.both("load_snapshot", run, random.choice([None, 1, 3]))
    place = SnapshotPlace(run, random.randint(1, 5), random.choice(KINDS))
    await pair.both("find_snapshot", place)
    await pair.both("list_snapshots", random.choice(["", run]), place, random.choice([1, 100]))
    if random.random() < 0.3:
        await pair.both("delete_snapshot", place)


async def test_random_calls_are_answered_alike(pair: Pair) -> None:
    world = World()
    await pair.both("acquire", list(SHARDS), "a", TTL_S)
    calls = random.choices([_append, _lease, _look, _mend, _snapshot], [8, 2, 3, 1, 1], k=CALLS)
    for call in calls:
        await call(pair, world)
    assert await pair.both("read_log") != []
    assert world.outcomes == {str, Conflicted, FencedOff}, "the calls have not met every outcome"
