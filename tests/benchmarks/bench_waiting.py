"""Many runs that only wait, beside new ones: memory, restart, throughput; prints JSON.

    python -m tests.benchmarks.bench_waiting [--runs N] [--rounds R] [--load L]

Two systems, each with servers, a coordinator and two agents in processes of their own: one with N
open runs that wait (for a signal, for a timer a day away, for a child run that waits), one empty.
New runs of ten tasks are put through both in turn, and the medians are compared, so that what else
the machine does counts for both. Then the coordinator of the full system is killed and started
again, and so is that of the empty one.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import msgspec
import psycopg

from events.api import AnyRequest, RegisterWorkflow, RunAnswer, SignalRun, StartRun
from events.connection import Connection
from events.definition import CallStep, Definition, WaitStep
from events.errors import Unavailable
from orchestrator.adapters.nats.client import Client, connect
from orchestrator.adapters.postgres.schema import migrate
from orchestrator.cli.bench.measuring import SEQUENCE, SINGLE, Plan, local_cluster, ready
from orchestrator.cli.bench.watch import Watched
from orchestrator.cli.local.processes import Local

IN_FLIGHT = 500
TRY_S = 0.5
DEADLINE_S = 60.0
DAY_S = 86_400.0
WAITING = (
    Definition(name="signal", steps=(WaitStep(id="go", signal="go"),)),
    Definition(name="timer", steps=(WaitStep(id="nap", duration=DAY_S),)),
    Definition(name="parent", steps=(CallStep(id="child", workflow="signal"),)),
)
KINDS = ("signal", "timer", "signal", "timer", "parent")
COUNT = "SELECT count(*) FROM dalsegno.run_index WHERE is_open AND outstanding = 0 AND ready = 0"
RUNS_OF_KINDS = 6
"""A parent is two open runs."""


class System:
    """One cluster and a client of it."""

    def __init__(self, watched: Watched, local: Local, client: Client) -> None:
        self.local = local
        self.client = client
        self.coordinator = watched.coordinator
        self._dsn = watched.dsn
        self._number = 0

    def rss_mb(self, field: str = "VmRSS") -> float:
        status = Path(f"/proc/{self.coordinator}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith(field))
        return round(int(line.split()[1]) / 1024, 1)

    def waiting(self) -> int:
        """Open runs of which nothing is under way, as the index says."""
        with psycopg.connect(self._dsn) as connection:
            row = connection.execute(COUNT).fetchone()
        return int(row[0]) if row else 0

    async def filled(self, runs: int) -> None:
        """Waits until so many runs wait: children are begun after their parents."""
        with anyio.fail_after(DEADLINE_S):
            while self.waiting() < runs:  # noqa: ASYNC110 -- the index tells nobody
                await anyio.sleep(TRY_S)

    async def throughput(self, runs: int) -> float:
        """Tasks a second of so many new runs of ten tasks, from first start to last end."""
        began = time.perf_counter()

        async def one(run_id: str) -> None:
            await self.client.run(StartRun(run_id=run_id, workflow=SEQUENCE))

        await spread((f"new-{self._next()}" for _ in range(runs)), one)
        return 10 * runs / (time.perf_counter() - began)

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def restart(self) -> dict[str, float]:
        """Seconds from the start of the process, after the last one was killed: to the first answer
        about a new run, which is durable by then, and to the end of a run with a task."""
        self.local.kill("coordinator")
        began = time.perf_counter()
        self.coordinator = self.local.start_again("coordinator")
        run_id = f"after-{self._next()}"
        await self._at_last(StartRun(run_id=run_id, workflow=SINGLE))
        decided = time.perf_counter() - began
        await self.client.await_run(run_id)
        ended = time.perf_counter() - began
        return {"first_decision_s": round(decided, 3), "first_task_run_s": round(ended, 3)}

    async def _at_last(self, request: AnyRequest) -> None:
        """Asks again and again, without the pauses of a patient client."""
        with anyio.fail_after(DEADLINE_S):
            while True:
                try:
                    await self.client.request(request, timeout_s=TRY_S)
                except Unavailable:
                    await anyio.sleep(0.01)
                else:
                    return

    async def signal_p50_ms(self, run_ids: list[str]) -> float:
        """From the signal to the answer, for runs that are not in memory."""
        taken = []
        for run_id in run_ids:
            began = time.perf_counter()
            answer = await self.client.request(SignalRun(run_id=run_id, name="go", id="s"))
            taken.append(time.perf_counter() - began)
            assert isinstance(answer, RunAnswer)
        return round(statistics.median(taken) * 1000, 2)


async def spread(run_ids: Iterator[str], one: Callable[[str], object]) -> None:
    """`one` for each, many at a time."""

    async def keep_going() -> None:
        for run_id in run_ids:
            await one(run_id)  # type: ignore[misc]

    async with anyio.create_task_group() as group:
        for _ in range(IN_FLIGHT):
            group.start_soon(keep_going)


async def fill(system: System, runs: int) -> list[str]:
    """Starts runs until so many wait; returns the ids of those that wait for a signal."""
    client = system.client
    for definition in WAITING:
        await client.request(RegisterWorkflow(definition=definition))
    count = runs // RUNS_OF_KINDS * len(KINDS)
    kinds = {f"wait-{number}": KINDS[number % len(KINDS)] for number in range(count)}

    async def one(run_id: str) -> None:
        await client.request(StartRun(run_id=run_id, workflow=kinds[run_id]))

    await spread(iter(list(kinds)), one)
    await system.filled(count // len(KINDS) * RUNS_OF_KINDS)
    return [run_id for run_id, kind in kinds.items() if kind == "signal"]


class Options(msgspec.Struct, frozen=True):
    runs: int
    rounds: int
    load: int


async def measure(options: Options) -> dict[str, object]:
    plan = Plan()
    with local_cluster(plan) as empty, local_cluster(plan) as full:
        async with (
            connect(Connection(urls=(empty[0].nats_url,)), timeout_s=120) as to_empty,
            connect(Connection(urls=(full[0].nats_url,)), timeout_s=120) as to_full,
        ):
            systems = System(*empty, to_empty), System(*full, to_full)
            for (watched, local), system in zip((empty, full), systems, strict=True):
                migrate(watched.dsn, shards=8)
                await ready(system.client, plan, local)
            return await compare(*systems, options)


async def compare(empty: System, full: System, options: Options) -> dict[str, object]:
    began = time.perf_counter()
    waiting = await fill(full, options.runs)
    filled_s = time.perf_counter() - began
    after_fill = full.rss_mb()
    rates: dict[str, list[float]] = {"empty": [], "full": []}
    for number in range(options.rounds):
        for name, system in (("empty", empty), ("full", full))[:: 1 - 2 * (number % 2)]:
            rates[name].append(await system.throughput(options.load))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    loaded, peak = full.rss_mb(), full.rss_mb("VmHWM")
    return {
        "what": "waiting",
        "waiting_runs": full.waiting(),
        "filled_s": round(filled_s, 1),
        "rss_mb": {
            "after_fill": after_fill,
            "after_load": loaded,
            "peak": peak,
            "empty_system_after_load": empty.rss_mb(),
        },
        "tasks_per_s": {name: round(rate) for name, rate in medians.items()},
        "throughput_ratio": round(medians["full"] / medians["empty"], 3),
        "signal_p50_ms": await full.signal_p50_ms(waiting[:200]),
        "restart": await full.restart(),
        "restart_empty": await empty.restart(),
        "rss_after_restart_mb": full.rss_mb(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", type=int, default=1000, help="new runs of a round")
    given = parser.parse_args()
    options = Options(given.runs, given.rounds, given.load)
    print(json.dumps(anyio.run(measure, options, backend_options={"use_uvloop": True}), indent=2))


if __name__ == "__main__":
    main()
