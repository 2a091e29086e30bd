"""Copies of the tree with a bug in them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
PATCHES = sorted(Path(__file__).parent.glob("*.patch"))
COPIED = ("events", "orchestrator", "node_agent", "dalsegno", "tests/simulation")
HUNT_S_MAX = 900.0


class Outcome(msgspec.Struct, frozen=True):
    """`line` is the last one that the search printed."""

    found: bool
    seeds: int
    took_s: float
    line: str


@contextmanager
def planted(patch: Path) -> Iterator[Path]:
    """The folder of a copy with the patch applied. Raises `CalledProcessError` if it does not."""
    with tempfile.TemporaryDirectory(prefix="dalsegno-planted-") as folder:
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "*.patch")
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=ignored)
        environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(Path(folder).parent)}
        command = ["git", "apply", "--whitespace=nowarn", str(patch)]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        yield Path(folder)


def hunt(patch: Path, seeds: int, workers: int) -> Outcome:
    """Searches until the bug shows itself, in processes of its own."""
    with planted(patch) as folder:
        command = [sys.executable, "-m", "tests.simulation", "--first", f"--seeds={seeds}"]
        done = subprocess.run(
            [*command, f"--workers={workers}"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=HUNT_S_MAX,
        )
    lines = done.stdout.strip().splitlines()
    if done.returncode not in {0, 1} or not lines:
        raise AssertionError(f"the search for {patch.stem} failed: {done.stderr[-2000:]}")
    tried, took_s = lines[-1].split()[2], lines[-1].split()[5]
    return Outcome(done.returncode == 1, int(tried), float(took_s), lines[-1])
