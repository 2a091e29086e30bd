"""The promises, checked on the log joined with the ledger that the handlers wrote."""

import json
from collections import Counter
from pathlib import Path

import anyio

from events import run_facts as r
from events import task_facts as t
from events.catalogue import Catalogue
from events.envelope import Event, unseal
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from tests.e2e.cluster import Cluster
from tests.e2e.replay_check import check_in_another_process

TERMINAL = (r.RunCompleted, r.RunFailed, r.RunCancelled, r.RunTimedOut)


async def read_log(dsn: str | Settings) -> dict[str, list[Event]]:
    """All streams of the log, in order; fails on a gap in a stream."""
    streams: dict[str, list[Event]] = {}
    catalogue = Catalogue()
    async with await PostgresStore.open(dsn) as store:
        after = 0
        while page := await store.read_log(after, 1000):
            for stored in page:
                events = streams.setdefault(stored.stream, [])
                assert stored.version == len(events) + 1, f"a gap in {stored.stream}"
                events.append(unseal(stored, catalogue))
            after = page[-1].position or 0
    return streams


async def check_promises(cluster: Cluster, run_ids: list[str]) -> None:
    """Every run ended; one completion a key; nothing after the end; nothing started too late."""
    check_streams(cluster, await read_log(cluster.dsn), run_ids)
    await anyio.to_thread.run_sync(_check_replay, cluster)


def check_streams(cluster: Cluster, streams: dict[str, list[Event]], run_ids: list[str]) -> None:
    """The same without the replay."""
    completed_at: dict[str, int] = {}
    for run_id in run_ids:
        events = streams[f"run:{run_id}"]
        ends = [e for e in events if isinstance(e.fact, TERMINAL)]
        assert len(ends) == 1, f"{run_id} has {len(ends)} ends"
        assert events[-1] is ends[0], f"{run_id} goes on after its end"
        completions = [e for e in events if isinstance(e.fact, t.TaskCompleted)]
        counts = Counter(e.fact.step for e in completions if isinstance(e.fact, t.TaskCompleted))
        assert all(n == 1 for n in counts.values()), f"{run_id}: {counts}"
        for event in completions:
            assert isinstance(event.fact, t.TaskCompleted)
            completed_at[f"{run_id}/{event.fact.step}~0"] = event.header.recorded_at
    _check_ledger(cluster.ledger, completed_at)


def _check_ledger(ledger: Path, completed_at: dict[str, int]) -> None:
    started: set[str] = set()
    for line in ledger.read_text().splitlines():
        found = json.loads(line)
        key = found["key"]
        if found["event"] == "start":
            started.add(key)
            recorded_at = completed_at.get(key)
            late = recorded_at is not None and found["at"] > recorded_at
            assert not late, f"{key} was started after its completion was recorded"
    missing = set(completed_at) - started
    assert not missing, f"completed without ever having been started: {missing}"


def _check_replay(cluster: Cluster) -> None:
    """From events alone and from each snapshot, with the hashes of every coordinator."""
    hashes = list(cluster.folder.glob("*.hashes"))
    assert any(path.stat().st_size for path in hashes), "no coordinator recorded a hash"
    check_in_another_process(cluster.dsn, hashes)
