"""Maps on a cluster of three processes: `python -m tests.benchmarks.bench_maps 1000 10000 100000`.

For each number of items, the median of five maps (one above 10,000 items) in milliseconds; at the
end the coordinator's peak of resident memory, and the longest stream. As JSON.
"""

import json
import statistics
import sys
from pathlib import Path

import anyio
import psycopg

from events.connection import Connection
from orchestrator.adapters.nats.client import connect
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.cli.bench.maps import timed_map
from orchestrator.cli.bench.measuring import Plan, local_cluster, ready

REPEATS, LARGE = 5, 10_000
LONGEST = "SELECT max(version) FROM dalsegno.run_index"


async def measure(sizes: list[int]) -> dict[str, float]:
    figures: dict[str, float] = {}
    plan = Plan()
    with local_cluster(plan) as (watched, local):
        migrate(watched.dsn, shards=8)
        connection = Connection(urls=(watched.nats_url,))
        async with connect(connection, timeout_s=120) as client:
            await ready(client, plan, local)
            await timed_map(client, "warm", 1000)
            for size in sizes:
                repeats = REPEATS if size <= LARGE else 1
                taken = [await timed_map(client, f"map-{size}-{n}", size) for n in range(repeats)]
                figures[f"map_{size}_ms"] = round(statistics.median(taken) * 1000, 1)
        figures["coordinator_peak_mb"] = round(peak_kib(watched.coordinator) / 1024, 1)
        figures["longest_stream"] = longest(watched.dsn)
    return figures


def peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def longest(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(LONGEST).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    print(json.dumps(anyio.run(measure, [int(size) for size in sys.argv[1:]] or [1000, 10_000])))
