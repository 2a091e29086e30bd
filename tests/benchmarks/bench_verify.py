"""`verify --all` over a generated log: events a second, CPU time, peak memory; prints JSON.

    python -m tests.benchmarks.bench_verify DSN [--events N]

Works in a scratch database beside the given one. Each run has ten steps and 22 events; the events
of a thousand runs lie between each other. The audit is the command itself, in a process of its own.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from events.cluster_facts import DefinitionRegistered, NodeRegistered
from events.envelope import Head, Stamp, Stored, seal
from events.ids import definition_stream, node_stream, run_stream, shard_of
from events.run_facts import RunStarted
from orchestrator.adapters.postgres.insert_rate import scratch_database
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Batch, Lease
from orchestrator.replay.ports import row_of
from tests.builders import NOW, VERSION, Play, started, task, workflow

BATCH = 1_000
IN_FLIGHT = 1_000
STEPS = 10


def one_run() -> Play:
    return started(workflow(*(task(f"s{number}") for number in range(STEPS)))).finish()


def histories(play: Play, count: int) -> Iterator[list[Stored]]:
    """The same run again and again, each under an id of its own."""
    for number in range(count):
        run_id = f"bench-{number:09d}"
        head = Head(run_stream(run_id))
        facts = [
            replace(fact, run_id=run_id) if isinstance(fact, RunStarted) else fact
            for fact in play.facts
        ]
        stamps = (Stamp(recorded_at=NOW, causation=f"{at}") for at in range(len(facts)))
        yield [
            seal(head, fact, f"{run_id}-{at}", stamp)
            for at, (fact, stamp) in enumerate(zip(facts, stamps, strict=True))
        ]


async def fill(dsn: str, events: int) -> int:
    """Appends so many events, or a few more; returns how many."""
    play, appended = one_run(), 0
    async with await PostgresStore.open(dsn) as store:
        leases = await store.acquire(range(store.info.shards), "bench", 3600.0)
        await _append(store, leases, _cluster(play))
        made = histories(play, -(-events // len(play.facts)))
        while group := [history for _, history in zip(range(IN_FLIGHT), made, strict=False)]:
            for at in range(len(play.facts)):
                await _append(store, leases, [history[at] for history in group])
            ids = [history[0].stream.removeprefix(run_stream("")) for history in group]
            shards = store.info.shards
            rows = [row_of(run_id, shard_of(run_id, shards), play.state) for run_id in ids]
            await store.replace_index_rows(rows)
            appended += len(group) * len(play.facts)
    return appended


def _cluster(play: Play) -> list[Stored]:
    node = NodeRegistered(node="n1", incarnation="i1", tasks=("work",), slots=10**6, credits=10**6)
    definition = DefinitionRegistered(
        workflow="workflow",
        workflow_version=VERSION,
        definition=workflow(*(task(f"s{number}") for number in range(STEPS))),
        net=play.net.net,
    )
    stamp = Stamp(recorded_at=NOW)
    return [
        seal(Head(node_stream("n1")), node, "n", stamp),
        seal(Head(definition_stream("workflow")), definition, "d", stamp),
    ]


async def _append(store: PostgresStore, leases: Sequence[Lease], events: list[Stored]) -> None:
    for start in range(0, len(events), BATCH):
        part = tuple(events[start : start + BATCH])
        outcome = await store.append(Batch(id="b", leases=tuple(leases), events=part))
        assert isinstance(outcome, Appended)


async def run(dsn: str, events: int) -> dict[str, object]:
    async with scratch_database(dsn) as scratch:
        began = time.perf_counter()
        appended = await fill(scratch, events)
        filled_s = time.perf_counter() - began
        began = time.perf_counter()
        command = [sys.executable, "-m", "orchestrator.cli.main", "verify", "--all", "--json"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "--dsn", scratch],
            check=True,
            capture_output=True,
        )
        took_s = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "what": "verify --all",
        "events": appended,
        "filled_s": round(filled_s, 1),
        "took_s": round(took_s, 1),
        "events_per_s": round(appended / took_s),
        "cpu_us_per_event": round((used.ru_utime + used.ru_stime) / appended * 1e6, 1),
        "peak_mib": round(used.ru_maxrss / 1024),
        "told": json.loads(done.stdout),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(run(arguments.dsn, arguments.events)), indent=2))


if __name__ == "__main__":
    main()
