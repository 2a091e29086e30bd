"""kill -9 of a coordinator that owns many open runs, with a second one attending; prints JSON.

    python -m tests.benchmarks.bench_takeover [--runs N] [--due SHARE] [--at-work T]

One coordinator owns every shard, and N open runs: of these a share has work due soon, by a timer in
the seconds after the kill, T are at work on agents, which end in the same seconds, and the rest
waits for a signal. Then a second coordinator begins to attend, and the first is killed before it
has handed anything over. What is told is how long after the kill (or after it was due, if that is
later) each run with work due has its next event in the log.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import anyio
import msgspec
import psycopg

from events.api import RegisterWorkflow, StartRun
from events.connection import Connection
from events.definition import Definition, TaskStep, WaitStep
from orchestrator.adapters.embedded import EmbeddedServers
from orchestrator.adapters.nats.client import Client, connect
from orchestrator.coordinator.settings import Settings
from tests.e2e.cluster import ROOT

IN_FLIGHT = 400
TRY_S = 0.05
DEADLINE_S = 300.0
SPREAD_S = 8.0
"""Timers of what is due fire within so many seconds after the kill."""
BEGINS_S = 1.5
"""Until the second coordinator attends, and the first is killed."""
TASK_S = 16.0
HOUR_US = 3_600_000_000
SLOTS = 1000

WORKFLOWS = (
    Definition(name="signal", steps=(WaitStep(id="go", signal="go"),)),
    Definition(name="timer", steps=(WaitStep(id="nap", until="${ input.at }"),)),
    Definition(
        name="work",
        steps=(TaskStep(id="t", task="e2e.add", inputs={"left": 1, "takes_s": TASK_S}),),
    ),
)
NEXT_EVENTS = """
    SELECT k.run_id, k.is_at_work, k.next_due_at, (e.event ->> 'recorded_at')::bigint,
        coalesce((e.event -> 'data' ->> 'ended_at')::bigint, 0)
    FROM public.known AS k LEFT JOIN LATERAL (
        SELECT convert_from(state, 'UTF8')::json AS event FROM dalsegno.events
        WHERE originator_id = 'run:' || k.run_id AND originator_version = k.version + 1
    ) AS e ON true
"""
MISSING = f"SELECT count(*) FROM ({NEXT_EVENTS}) AS x (run, work, due, at, ended) WHERE at IS NULL"


class Options(msgspec.Struct, frozen=True):
    runs: int
    due: int
    at_work: int


class System:
    """Servers, and processes by name."""

    def __init__(self, folder: Path, servers: EmbeddedServers) -> None:
        self.dsn, self.nats_url = servers.postgres.dsn, servers.nats.url
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_coordinator(self, name: str) -> None:
        self._start(name, "orchestrator.cli.main", "coordinator", "--name", name)

    def start_agent(self, name: str) -> None:
        options = ("--node", name, "--import", "tests.e2e.work", "--slots", str(SLOTS))
        data = str(self._folder / name)
        self._start(name, "node_agent", *options, "--data-dir", data)

    def _start(self, name: str, *arguments: str) -> None:
        ours = {"DALSEGNO_NATS_URL": self.nats_url, "DALSEGNO_POSTGRES__DSN": self.dsn}
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, **ours, "LEDGER": os.devnull},
                stdout=log,
                stderr=log,
            )

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def end(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        process = self._processes.pop(name)
        process.send_signal(how)
        process.wait()

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def ask(self, text: str) -> list[tuple[int, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(text.encode()).fetchall()

    def texts(self, text: str) -> list[tuple[str | None, ...]]:
        """Rows of texts."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(text.encode()).fetchall()

    def do(self, text: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(text.encode())

    async def until(self, text: str, holds: Callable[[int], bool]) -> None:
        """Asks the database, which tells nobody, again and again."""
        with anyio.fail_after(DEADLINE_S):
            while not holds(self.ask(text)[0][0]):  # noqa: ASYNC110
                await anyio.sleep(TRY_S)


async def spread(requests: Iterator[StartRun], client: Client) -> None:
    async def keep_going() -> None:
        for request in requests:
            await client.request(request)

    async with anyio.create_task_group() as group:
        for _ in range(IN_FLIGHT):
            group.start_soon(keep_going)


def at(instant_us: int) -> str:
    return datetime.fromtimestamp(instant_us / 1e6, UTC).isoformat().replace("+00:00", "Z")


async def fill(system: System, client: Client, options: Options) -> float:
    """Starts the runs, those at work last; returns how long the kill is to be waited for."""
    for definition in WORKFLOWS:
        await client.request(RegisterWorkflow(definition=definition))
    waiting = options.runs - options.due - options.at_work
    names = (f"signal-{number}" for number in range(waiting))
    began = time.perf_counter()
    await spread((StartRun(run_id=name, workflow="signal") for name in names), client)
    each_s = (time.perf_counter() - began) / waiting
    # Far enough ahead for all of them to be started before the first is due.
    ahead_s = 10 + 2 * each_s * (options.due + options.at_work)
    kill_at = time.time_ns() // 1000 + round(1e6 * ahead_s)
    each = SPREAD_S * 1e6 / max(1, options.due)
    due = (
        StartRun(
            run_id=f"timer-{number}",
            workflow="timer",
            input={"at": at(round(kill_at + BEGINS_S * 1e6 + number * each))},
        )
        for number in range(options.due)
    )
    await spread(due, client)
    left_s = kill_at / 1e6 - time.time()
    await anyio.sleep(max(0.0, left_s - 0.4 * TASK_S))
    names = (f"work-{number}" for number in range(options.at_work))
    await spread((StartRun(run_id=name, workflow="work") for name in names), client)
    return kill_at / 1e6


async def take_over(system: System, kill_at: float) -> int:
    """Kills the owner once the other one attends; returns the instant."""
    await anyio.sleep(max(0.0, kill_at - time.time()))
    system.start_coordinator("second")
    await system.until("SELECT count(*) FROM dalsegno.coordinator", lambda n: n == 2)
    system.end("first")
    return time.time_ns() // 1000


async def measure(options: Options, folder: Path, servers: EmbeddedServers) -> dict[str, object]:
    system = System(folder, servers)
    try:
        return await measured(options, system)
    finally:
        system.close()


async def measured(options: Options, system: System) -> dict[str, object]:
    system.start_coordinator("first")
    for number in range(-(-options.at_work // SLOTS)):
        system.start_agent(f"n{number}")
    async with connect(Connection(urls=(system.nats_url,)), timeout_s=120) as client:
        began = time.perf_counter()
        kill_at = await fill(system, client, options)
        filled_s = time.perf_counter() - began
        killed_at = await take_over(system, kill_at)
        keep_what_is_due(system, killed_at)
        await system.until(MISSING, lambda n: not n)
        late = lateness(system, killed_at)
        rss = rss_mb(system.pid("second"))
    leases = system.ask(
        f"SELECT count(*), min(m), max(m) FROM (SELECT (convert_from(state, 'UTF8')::json"
        f" ->> 'recorded_at')::bigint - {killed_at} AS m FROM dalsegno.events"
        f" WHERE topic = 'lease.acquired.v1') AS x WHERE m > 0"
    )[0]
    return {
        "what": "takeover",
        "runs": options.runs,
        "filled_s": round(filled_s, 1),
        "lease_s": Settings().lease_ttl_s,
        "leases_acquired_s": [round(leases[1] / 1e6, 2), round(leases[2] / 1e6, 2)],
        "next_event_s": late,
        "rss_mb": rss,
        "cpu_s": cpu_s(system.pid("second")),
    }


def keep_what_is_due(system: System, killed_at: int) -> None:
    """Notes which runs have work due, as the log was when the owner was killed."""
    soon = killed_at + round(1e6 * (SPREAD_S + 2))
    system.do(
        "CREATE TABLE public.known AS SELECT run_id, version, outstanding > 0 AS is_at_work,"
        " coalesce(next_due_at, 0) AS next_due_at FROM dalsegno.run_index"
        f" WHERE is_open AND (outstanding > 0 OR next_due_at < {soon})"
    )


def lateness(system: System, killed_at: int) -> dict[str, dict[str, float]]:
    """Seconds from the kill, or from when a run was due, to its next event: timers by when they
    were to fire, runs at work by the end of their task."""
    found: dict[str, list[float]] = {"timers": [], "at_work": [], "all": []}
    for _, is_at_work, due_at, event_at, ended_at in system.ask(NEXT_EVENTS):
        late_s = (event_at - max(killed_at, ended_at if is_at_work else due_at)) / 1e6
        found["at_work" if is_at_work else "timers"].append(late_s)
        found["all"].append(late_s)
    return {kind: quantiles(sorted(late)) for kind, late in found.items() if late}


def quantiles(found: list[float]) -> dict[str, float]:
    last = len(found) - 1
    places = {"p50": last // 2, "p99": last * 99 // 100, "max": last}
    return {"count": len(found)} | {name: round(found[at], 2) for name, at in places.items()}


def rss_mb(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return {name: round(int(found[name]) / 1024, 1) for name in ("VmRSS", "VmHWM")}


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--due", type=float, default=0.4, help="share of the runs, by timer")
    parser.add_argument("--at-work", type=int, default=1000, help="runs at work on agents")
    given = parser.parse_args()
    options = Options(given.runs, round(given.runs * given.due), given.at_work)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = stack.enter_context(EmbeddedServers())
        found = anyio.run(measure, options, folder, servers)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
