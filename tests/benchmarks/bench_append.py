"""Append at several batch sizes through the store, on an idle database; prints JSON.

    python -m tests.benchmarks.bench_append DSN [--seconds S]

Works in scratch databases beside the given one. Compare figures of one run only.
"""

import argparse
import asyncio
import json
import time

from orchestrator.adapters.postgres.insert_rate import InsertRate, measure

SIZES = (1, 10, 100, 1000)


async def run(dsn: str, seconds: float) -> list[InsertRate]:
    return [await measure(dsn, seconds, size) for size in SIZES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    started = time.perf_counter()
    rates = asyncio.run(run(arguments.dsn, arguments.seconds))
    report = {
        "what": "append",
        "took_s": round(time.perf_counter() - started, 1),
        "sizes": {
            rate.batch_events: {
                "events_per_s": round(rate.events_per_s),
                "append_p50_ms": round(rate.append_p50_ms, 2),
                "append_p99_ms": round(rate.append_p99_ms, 2),
                "client_cpu_us_per_event": round(rate.client_cpu_us_per_event, 1),
            }
            for rate in rates
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
