"""Replays every run of a log and compares with the hashes that live coordinators recorded.

    python -m tests.e2e.replay_check DSN HASHES_FILE...

Each run is folded from its events alone; the hash of every version must equal what any coordinator
said of it, and what every stored snapshot with its tail gives.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec

from events.catalogue import Catalogue
from events.envelope import Event
from events.ids import run_stream
from orchestrator.adapters.crypto.keyring import keyring
from orchestrator.adapters.postgres.cluster import PostgresCluster
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.stores import log_settings
from orchestrator.config import Config, LogPlace, keys_text, load_config, log_map
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.snapshot import restore, state_hash
from orchestrator.kernel.state import RunState
from orchestrator.replay.rebuild import Kept, Rebuilder

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180.0
KEYS = "DALSEGNO_KEYS__SECRETS"


def check_in_another_process(
    dsn: str, hashes: Sequence[Path], timeout_s: float = TIMEOUT_S
) -> None:
    """With another hash seed and time zone; fails when a state differs or nothing was compared."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.replay_check", dsn, *map(str, hashes)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", KEYS: _keys()},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checked = msgspec.json.decode(done.stdout, type=dict[str, int])
    assert checked["versions"] >= checked["runs"]
    assert checked["hashes"] > 0 or not any(path.stat().st_size for path in hashes)


def _keys() -> str:
    """Those that the command has which is being checked."""
    text, _ = keys_text(load_config({}, os.environ, None).value)
    return text


def live_hashes(paths: list[str]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for path in paths:
        for line in Path(path).read_bytes().splitlines():
            run_id, version, value = msgspec.json.decode(line, type=tuple[str, int, str])
            if found.setdefault((run_id, version), value) != value:
                sys.exit(f"two coordinators disagree about version {version} of {run_id}")
    return found


async def fold(
    rebuilder: Rebuilder, events: list[Event], state: RunState, hashes: dict[int, str]
) -> None:
    """Folds on, comparing with known hashes and noting new ones."""
    kept = Kept()
    for event in events:
        state = await rebuilder.ground(state, event, kept)
        evolve(state, event.fact, event.header.recorded_at)
        value = state_hash(state)
        if hashes.setdefault(event.header.version, value) != value:
            sys.exit(
                f"version {event.header.version} of {event.header.stream} folds to another state"
            )


async def check_run(store: PostgresStore, run_id: str, live: dict[int, str]) -> int:
    rebuilder = Rebuilder(store, Catalogue(), snapshots=False)
    events = await rebuilder.events(run_id)
    hashes = dict(live)
    await fold(rebuilder, events, RunState(), hashes)
    if set(live) - {event.header.version for event in events}:
        sys.exit(f"{run_id}: hashes of versions that are not in the log")
    at: int | None = None
    while snapshot := await store.load_snapshot(run_stream(run_id), at):
        state = restore(snapshot.state)
        if state_hash(state) != hashes[snapshot.version]:
            sys.exit(f"the snapshot of {run_id} at {snapshot.version} is another state")
        await fold(rebuilder, events[snapshot.version :], state, hashes)
        at = snapshot.version - 1
    return len(events)


async def opened(address: str) -> PostgresStore:
    """Of a DSN, or of the logs of a cluster as JSON."""
    keys = keyring(os.environ.get(KEYS, ""), "", KEYS)
    if not address.startswith("["):
        return await PostgresStore.open(address, keys=keys)
    config = Config(logs=msgspec.json.decode(address, type=tuple[LogPlace, ...]))
    return PostgresCluster(log_map(config), log_settings(config), keys)


async def main(address: str, paths: list[str]) -> None:
    live = live_hashes(paths)
    async with await opened(address) as store:
        runs = [name.partition(":")[2] for name in await store.stream_names("run:", limit=100_000)]
        versions = erased = 0
        for run_id in runs:
            if any(event.opened == b"" for event in await store.read(f"run:{run_id}")):
                erased += 1  # it is another state now, for good
                continue
            mine = {version: value for (run, version), value in live.items() if run == run_id}
            versions += await check_run(store, run_id, mine)
    print(
        msgspec.json.encode(
            {"runs": len(runs) - erased, "versions": versions, "hashes": len(live)}
        ).decode()
    )


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2:])
