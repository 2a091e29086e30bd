"""One session: load and faults together, then quiet until every run has ended, then the checks."""

import logging
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec

from orchestrator.adapters.nats.client import connect
from tests.chaos import checks, outputs
from tests.chaos.cluster import Cluster
from tests.chaos.evidence import Evidence, gather, watch_leases
from tests.chaos.figures import Figures, figures
from tests.chaos.inflict import Happened, Inflicting, now_us
from tests.chaos.load import Load, Started
from tests.chaos.plan import AGENTS, COORDINATORS, Fault
from tests.chaos.processes import ROOT
from tests.e2e.owners import evenly, until
from tests.e2e.replay_check import check_in_another_process

log = logging.getLogger("chaos")

CONNECT_S = 30.0
SETTLE_S = 30.0
"""For journals to be settled, when every run has ended."""
VERIFY_S = REPLAY_S = 1800.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the session is to be. `end_within_s`: after the last fault is mended, every run has
    ended so soon."""

    seed: int
    seconds: float
    tasks_per_s: float
    end_within_s: float
    plan: Sequence[Fault]


class Outcome(msgspec.Struct, kw_only=True):
    violations: list[str]
    figures: Figures
    evidence: Evidence
    runs: list[Started]
    happened: list[Happened]


async def play(it: Cluster, wanted: Wanted) -> Outcome:
    """Returns what became of it; the cluster stands still afterwards.

    Raises `TimeoutError` when the cluster does not come up."""
    chance = random.Random(f"load/{wanted.seed}")
    inflicting = Inflicting(it)
    async with connect(it.connection, timeout_s=CONNECT_S) as client:
        load = Load(client, chance, wanted.tasks_per_s)
        await until(client, evenly(*COORDINATORS))
        await load.register()
        async with anyio.create_task_group() as services:
            services.start_soon(inflicting.supervise)
            await anyio.to_thread.run_sync(watch_leases, it.postgres.dsn())
            log.info("the cluster is up")
            span_us = await _under_load(load, inflicting, wanted)
            settled = [*await _settle(it), *await _projected(it)]
            services.cancel_scope.cancel()
    codes = [it.processes.ask_to_end(name) for name in tuple(it.processes.programs)]
    late = [wait() for wait in codes]
    log.info("checking")
    evidence = gather(it.postgres.dsn(), it.ledger, it.effects.dsn)
    violations = [
        *checks.check(evidence, load.runs),
        *settled,
        *(f"a program ended with {code} when it was asked to" for code in late if code),
        *(f"{name} did not end after SIGTERM" for name in inflicting.killed_by_wait),
        *(f"{one.fault}: {one.trouble}" for one in inflicting.happened if one.trouble),
        *outputs.complaints(it.logs),
        *outputs.bad_ends(it.processes.ends),
        *verified(it.postgres.dsn()),
        *replayed(it),
    ]
    return Outcome(
        violations=violations,
        figures=figures(evidence, inflicting.happened, span_us, it.postgres.promotions),
        evidence=evidence,
        runs=list(load.runs.values()),
        happened=inflicting.happened,
    )


async def _under_load(load: Load, inflicting: Inflicting, wanted: Wanted) -> tuple[int, int]:
    """Returns the instants between which there was load."""
    from_us = now_us()
    async with anyio.create_task_group() as clients:
        clients.start_soon(load.run, wanted.seconds)
        async with anyio.create_task_group() as faults:
            faults.start_soon(inflicting.run, list(wanted.plan))
            await anyio.sleep(wanted.seconds)
        inflicting.mend_everything()
        until_us = now_us()
        log.info("quiet from now on; %d runs are open", len(load.unfinished()))
        quiet_at = time.monotonic()
        with anyio.move_on_after(wanted.end_within_s):
            await load.all_ended()
        left = load.unfinished()
        log.info("%d runs are open after %.1f s", len(left), time.monotonic() - quiet_at)
        clients.cancel_scope.cancel()
    return from_us, until_us


async def _settle(it: Cluster) -> list[str]:
    """What journals still hold after a while, though every run has ended."""
    folders = [it.journal(name) for name in AGENTS]
    found: list[str] = []
    with anyio.move_on_after(SETTLE_S):
        while True:
            if not (found := outputs.unsettled(folders)):
                return []
            await anyio.sleep(0.5)
    return found


async def _projected(it: Cluster) -> list[str]:
    """Lists and statistics catch up with the log."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "projections", "status"]
    command += ["--behind-max-s", "5", "--dsn", it.postgres.dsn()]
    said = ""
    with anyio.move_on_after(SETTLE_S):
        while True:
            done = await anyio.run_process(command, cwd=ROOT, check=False)
            if done.returncode == 0:
                return []
            said = (done.stdout + done.stderr).decode()
            await anyio.sleep(0.5)
    return [f"projections do not catch up: {said}"]


def verified(dsn: str) -> list[str]:
    """`dalsegno verify --all`, as an operator calls it."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "verify", "--all"]
    command += ["--dsn", dsn]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=VERIFY_S, check=False
    )
    return [] if done.returncode == 0 else [f"verify --all: {done.stdout}{done.stderr}"]


def replayed(it: Cluster) -> list[str]:
    """Each version folds to the state that coordinators had, also from each snapshot."""
    try:
        check_in_another_process(it.postgres.dsn(), it.hashes(), REPLAY_S)
    except AssertionError as error:
        return [f"replay: {error}"]
    return []


def keep(folder: Path, outcome: Outcome) -> None:
    """Writes what was wrong and what happened beside the processes' logs and the ledger."""
    (folder / "violations.txt").write_text("\n".join(outcome.violations) + "\n")
    (folder / "figures.json").write_bytes(msgspec.json.format(msgspec.json.encode(outcome.figures)))
    for name, rows in (("faults", outcome.happened), ("runs", outcome.runs)):
        lines = b"\n".join(msgspec.json.encode(row) for row in rows)
        (folder / f"{name}.jsonl").write_bytes(lines + b"\n")
    with (folder / "log.jsonl").open("wb") as log_file:
        for one in outcome.evidence.log:
            place = msgspec.json.encode((one.position, one.committed_us))
            head = msgspec.json.encode(one.event.header)
            fact = msgspec.json.encode(one.event.fact)
            log_file.write(b'{"at":%s,"header":%s,"fact":%s}\n' % (place, head, fact))
