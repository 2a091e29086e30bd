"""`dalsegno bench`: durable task executions a second, counted from the log.

Production defaults: fsync, ordering lock, epoch check, hash chain, journal with fdatasync;
coordinator and agents in processes of their own. The same run measures how fast the bare insert is
through the same statement, so that machines can be compared by the ratio. While the load runs, all
processes are watched from outside; the coordinator samples its own stacks, some 200 times a second
of its CPU time, which costs less than can be measured.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec

from events.api import ListNodes, Nodes, RegisterWorkflow, StartRun
from events.connection import Connection
from events.definition import Definition, TaskStep
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import Client, connect
from orchestrator.adapters.postgres.insert_rate import measure_insert_rate
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.bench.maps import register_map, timed_maps
from orchestrator.cli.bench.profile import Profile
from orchestrator.cli.bench.watch import Watch, Watched, lagging, watching
from orchestrator.cli.local.cluster import start_projections
from orchestrator.cli.local.processes import Local

TASKS_IN_RUN = 10
SINGLE, SEQUENCE = "bench-1", "bench-10"
INSERT_BATCH = 1000
COMPLETED = "task.completed.v1"
READY_S = 30.0
LOOK_S = 0.1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """First `singles` runs of one task and `tens` of ten tasks, and `maps` maps of 1,000 and of
    10,000 items, one by one on the idle system; then `runs` of ten tasks each, `in_flight` at a
    time. Without `projections` nobody folds the log meanwhile, to see what that costs."""

    runs: int = 2000
    in_flight: int = 1000
    agents: int = 2
    singles: int = 200
    tens: int = 60
    maps: int = 3
    insert_s: float = 3.0
    slots: int = 64
    projections: bool = True
    credits: int = 1000


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """`ratio`: events a second while tasks run, over events a second of the bare insert."""

    tasks_per_s: float
    single_task_p50_ms: float
    single_task_p99_ms: float
    ten_task_p50_ms: float
    ten_task_p99_ms: float
    map_1000_ms: float
    map_10000_ms: float
    insert_events_per_s: float
    ratio: float
    events_per_s: float
    tasks: int
    seconds: float
    profile: Profile


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from the start call to the completion visible to the client, run by run."""

    singles: Sequence[float]
    tens: Sequence[float]
    maps: Mapping[int, float]
    """The median of some maps, by their items."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the load phase has done, counted in the log."""

    tasks: int
    events: int
    seconds: float
    profile: Profile


def sequence(name: str, tasks: int) -> Definition:
    steps = [TaskStep(id="t0", task="bench.next", inputs={"number": 0})]
    for i in range(1, tasks):
        inputs = {"number": f"${{ steps.t{i - 1}.output }}"}
        steps.append(TaskStep(id=f"t{i}", task="bench.next", inputs=dict(inputs)))
    return Definition(name=name, steps=tuple(steps))


@contextmanager
def local_cluster(plan: Plan) -> Iterator[tuple[Watched, Local]]:
    """Servers, a coordinator and agents, in a temporary folder; says where they are."""
    with (
        tempfile.TemporaryDirectory(prefix="dalsegno-bench-") as name,
        EmbeddedServers() as servers,
    ):
        environment = {
            **os.environ,
            "DALSEGNO_POSTGRES_DSN": servers.postgres.dsn,
            "DALSEGNO_NATS_URL": servers.nats.url,
        }
        with Local(Path(name), environment) as local:
            stacks = Path(name) / "stacks.json"
            module = ["orchestrator.cli.bench.coordinator", str(stacks)]
            coordinator = local.start("coordinator", module)
            agents = {
                node: local.start(node, ["node_agent", *_agent_flags(plan, node, Path(name))])
                for node in (f"bench-{number}" for number in range(1, plan.agents + 1))
            }
            watched = _watched(servers, coordinator, agents, stacks)
            if plan.projections:
                watched = msgspec.structs.replace(watched, projections=start_projections(local))
            yield watched, local


def _watched(
    servers: EmbeddedServers, coordinator: int, agents: Mapping[str, int], stacks: Path
) -> Watched:
    return Watched(
        coordinator=coordinator,
        agents={f"agent {node}": pid for node, pid in agents.items()},
        postgres=servers.postgres.pid,
        nats=servers.nats.pid,
        dsn=servers.postgres.dsn,
        nats_url=servers.nats.url,
        stacks=stacks,
    )


def _agent_flags(plan: Plan, node: str, folder: Path) -> list[str]:
    flags = ["--node", node, "--import", "node_agent.bench", "--data-dir", str(folder / node)]
    return [*flags, "--slots", str(plan.slots), "--credits", str(plan.credits)]


def say_nothing(_: str) -> None:
    """Where nobody looks."""


async def measure(plan: Plan, say: Callable[[str], None] = say_nothing) -> Figures:
    """Runs the whole plan on embedded servers and returns its figures; says what it is at."""
    say("starting servers, a coordinator and agents")
    with local_cluster(plan) as (watched, local):
        connection = Connection(urls=(watched.nats_url,))
        migrate(watched.dsn, shards=8)
        store = await PostgresStore.open(watched.dsn)
        async with store, connect(connection, timeout_s=120) as client:
            await ready(client, plan, local)
            say("runs one by one")
            singles = await _one_by_one(client, SINGLE, plan.singles)
            tens = await _one_by_one(client, SEQUENCE, plan.tens)
            say("maps of 1,000 and of 10,000 items")
            maps = await timed_maps(client, plan.maps)
            say(f"{plan.runs} runs of ten tasks, {plan.in_flight} at a time")
            load = await _load(client, plan, store, watched)
        say("the bare insert, to compare with")
        insert = await measure_insert_rate(watched.dsn, plan.insert_s, INSERT_BATCH)
    return _figures(Latencies(singles=singles, tens=tens, maps=maps), load, insert)


async def _load(client: Client, plan: Plan, store: PostgresStore, watched: Watched) -> Load:
    """Many runs at a time, watched."""
    before = await store.last_position()
    with watching(watched, before) as watch:
        seconds = await _timed(client, plan, watch)
        events = await store.last_position() - before
        tasks = await store.count_type(COMPLETED, before)
        profile = await watch.profile(events, tasks)
        return Load(tasks=tasks, events=events, seconds=seconds, profile=profile)


async def _timed(client: Client, plan: Plan, watch: Watch) -> float:
    async with lagging(watch.watched) as behind:
        watch.begin()
        began = time.perf_counter()
        await _many(client, plan)
        seconds = time.perf_counter() - began
        watch.end(behind)
    return seconds


def _figures(idle: Latencies, load: Load, insert: float) -> Figures:
    return Figures(
        tasks_per_s=round(load.tasks / load.seconds, 1),
        single_task_p50_ms=percentile_ms(idle.singles, 50),
        single_task_p99_ms=percentile_ms(idle.singles, 99),
        ten_task_p50_ms=percentile_ms(idle.tens, 50),
        ten_task_p99_ms=percentile_ms(idle.tens, 99),
        map_1000_ms=round(idle.maps[1_000] * 1000, 1),
        map_10000_ms=round(idle.maps[10_000] * 1000, 1),
        insert_events_per_s=round(insert, 1),
        ratio=round(load.events / load.seconds / insert, 3),
        events_per_s=round(load.events / load.seconds, 1),
        tasks=load.tasks,
        seconds=round(load.seconds, 3),
        profile=load.profile,
    )


async def ready(client: Client, plan: Plan, local: Local) -> None:
    """Registers the workflows and waits until all agents are there.

    Raises `Unavailable` with what it said last when one of the processes has ended.
    """
    async with anyio.create_task_group() as group:
        group.start_soon(_alive, local)
        await client.request(RegisterWorkflow(definition=sequence(SEQUENCE, TASKS_IN_RUN)))
        await client.request(RegisterWorkflow(definition=sequence(SINGLE, 1)))
        await register_map(client)
        with anyio.fail_after(READY_S):
            await _agents(client, plan.agents)
        group.cancel_scope.cancel()


async def _alive(local: Local) -> None:
    while True:
        local.check()
        await anyio.sleep(LOOK_S)


async def _agents(client: Client, count: int) -> None:
    while True:
        answer = await client.request(ListNodes())
        if isinstance(answer, Nodes) and len(answer.nodes) >= count:
            return
        await anyio.sleep(LOOK_S)


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds; of two values or more."""
    return round(statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000, 2)


async def _one_by_one(client: Client, workflow: str, runs: int) -> list[float]:
    """Seconds of each run but the first tenth, in which everybody warms up."""
    taken = []
    for number in range(runs):
        began = time.perf_counter()
        run_id = f"{workflow}-{number}"
        await client.run(StartRun(run_id=run_id, workflow=workflow))
        taken.append(time.perf_counter() - began)
    return taken[len(taken) // 10 :]


async def _many(client: Client, plan: Plan) -> None:
    numbers = iter(range(plan.runs))

    async def keep_going() -> None:
        for number in numbers:
            run_id = f"run-{number}"
            await client.run(StartRun(run_id=run_id, workflow=SEQUENCE))

    async with anyio.create_task_group() as group:
        for _ in range(min(plan.in_flight, plan.runs)):
            group.start_soon(keep_going)
