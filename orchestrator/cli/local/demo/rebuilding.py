"""The proof: a new process folds the events, and each state equals the live coordinator's."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from events.errors import Unavailable
from orchestrator.cli.output import BAD, GOOD

HASH_SEED = "271828"
TIMEOUT_S = 30.0


class Rebuilt(msgspec.Struct, frozen=True):
    """What the other process says, as far as it is compared."""

    version: int
    state_hash: str
    hashes: list[str]


def show_rebuilt(
    console: Console, run_id: str, hashes_file: Path, environment: Mapping[str, str]
) -> bool:
    """Returns whether all states are byte for byte the same."""
    rebuilt = rebuild(run_id, environment)
    live = live_hashes(hashes_file, run_id)
    same = sum(rebuilt.hashes[version - 1] == value for version, value in live.items())
    is_same = same == len(live) and live.get(rebuilt.version) == rebuilt.state_hash
    console.print()
    console.print(Text("Rebuilt from events", "bold underline"))
    console.print()
    coordinator = live.get(rebuilt.version, "was not recorded")
    style = GOOD if is_same else BAD
    console.print(Text.assemble("the coordinators, live     ", (coordinator, style)))
    console.print(Text.assemble("another process, replayed  ", (rebuilt.state_hash, style)))
    words = "byte-identical" if is_same else "NOT THE SAME"
    console.print(
        Text.assemble(
            (f"{words} ", f"bold {style}"),
            f"at {same} of {len(live)} recorded versions (events: {rebuilt.version}, ",
            f"PYTHONHASHSEED={HASH_SEED})",
        )
    )
    return is_same


def rebuild(run_id: str, environment: Mapping[str, str]) -> Rebuilt:
    """What `dalsegno replay` says in a process with another hash seed. Raises `Unavailable`."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "replay", run_id, "--hashes", "--json"],
        env={**environment, "PYTHONHASHSEED": HASH_SEED, "TZ": "Asia/Kathmandu"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"the replay failed: {done.stderr.decode(errors='replace').strip()}")
    return msgspec.json.decode(done.stdout, type=Rebuilt)


def live_hashes(file: Path, run_id: str) -> dict[int, str]:
    """State hashes by version, as the coordinators recorded them when they committed."""
    lines = (
        msgspec.json.decode(line, type=tuple[str, int, str])
        for line in file.read_bytes().splitlines()
    )
    return {version: value for run, version, value in lines if run == run_id}
