"""Shards that change hands in good order, under load; prints JSON.

    python -m tests.benchmarks.bench_handover [--rounds N]

Two coordinators share the shards of a cluster in which runs of a few tasks go on all the time.
Each round one is told to stop (SIGTERM) and started again. For every shard that changes hands the
gap is told between the last event that the owner before has appended for it and the first one of
the next owner: `stops` for shards of who stops, `joins` for those that it gets when it is back.
"""

import argparse
import json
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.to_thread

from events.api import RegisterWorkflow, StartRun
from events.connection import Connection
from events.definition import Definition, TaskStep
from events.ids import shard_of
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import Client, connect
from tests.benchmarks.bench_takeover import System, quantiles
from tests.e2e.owners import evenly, until

SHARDS = 8
LANES = 32
"""Runs under way at a time."""
NAMES = ("first", "second")
WORKFLOW = Definition(
    name="short",
    steps=tuple(
        TaskStep(id=f"t{n}", task="e2e.add", inputs={"left": n, "takes_s": 0.02}) for n in range(3)
    ),
)
EVENTS = """
    SELECT originator_id, convert_from(state, 'UTF8')::json ->> 'recorded_at',
        CASE topic WHEN 'lease.acquired.v1' THEN
            convert_from(state, 'UTF8')::json -> 'data' ->> 'shard'
        END
    FROM dalsegno.events WHERE originator_id LIKE 'run:%' OR topic = 'lease.acquired.v1'
    ORDER BY notification_id
"""


async def load(client: Client, lane: int) -> None:
    number = 0
    while True:
        await client.run(StartRun(run_id=f"{lane}-{number}", workflow="short"))
        number += 1


def gaps(system: System) -> Iterator[tuple[int, float]]:
    """When each shard was acquired that somebody had before, and seconds since the last event."""
    last: dict[int, int] = {}
    for stream, recorded_at, shard in system.texts(EVENTS):
        at = int(recorded_at or 0)
        if shard is None:
            last[shard_of(str(stream).removeprefix("run:"), SHARDS)] = at
            continue
        if int(shard) in last:
            yield at, (at - last[int(shard)]) / 1e6
        last[int(shard)] = at


async def play(system: System, rounds: int) -> dict[str, object]:
    for name in NAMES:
        system.start_coordinator(name)
    system.start_agent("n1")
    stops: list[tuple[int, int]] = []
    async with connect(Connection(urls=(system.nats_url,)), timeout_s=120) as client:
        await until(client, evenly(*NAMES))
        await client.request(RegisterWorkflow(definition=WORKFLOW))
        async with anyio.create_task_group() as group:
            for lane in range(LANES):
                group.start_soon(load, client, lane)
            for number in range(rounds):
                name = NAMES[number % 2]
                await anyio.sleep(1.0)
                began = time.time_ns() // 1000
                await anyio.to_thread.run_sync(system.end, name, signal.SIGTERM)
                await until(client, evenly(NAMES[1 - number % 2]))
                stops.append((began, time.time_ns() // 1000))
                system.start_coordinator(name)
                await until(client, evenly(*NAMES))
            group.cancel_scope.cancel()
    found: dict[str, list[float]] = {"stops": [], "joins": []}
    for at, gap_s in gaps(system):
        if at > stops[0][0]:
            stopped = any(begun <= at <= over for begun, over in stops)
            found["stops" if stopped else "joins"].append(gap_s)
    told = {kind: quantiles(sorted(these)) for kind, these in found.items() if these}
    return {"what": "handover", "rounds": rounds, "gap_s": told}


async def measure(rounds: int, folder: Path, servers: EmbeddedServers) -> dict[str, object]:
    system = System(folder, servers)
    try:
        return await play(system, rounds)
    finally:
        system.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = stack.enter_context(EmbeddedServers())
        found = anyio.run(measure, given.rounds, folder, servers)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
