"""Copies of the tree with a bug in them, and the search that is to find it there."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
PATCHES = sorted(Path(__file__).parent.glob("*.patch"))
COPIED = ("events", "orchestrator", "node_agent", "dalsegno", "tests/simulation")
HUNT_S_MAX = 3600.0
"""Seconds after which the search for one bug is given up: it is not found then."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`seeds`: how many were tried, in order from 0, the last one showed the bug if it was found.
    `said`: what the checker said; of one that was not found, how the search ended."""

    name: str
    found: bool
    seeds: int
    took_s: float
    said: str


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


def hunts(patches: Iterable[Path], seeds: int, workers: int) -> Iterator[Outcome]:
    """Hunts so many bugs at the same time; yields what came of each, as soon as it is known."""
    with ThreadPoolExecutor(workers) as threads:
        begun = [threads.submit(hunt, patch, seeds) for patch in patches]
        for done in as_completed(begun):
            yield done.result()


def hunt(patch: Path, seeds: int) -> Outcome:
    """Searches until the bug shows itself. One process searches one seed after the other, so it is
    the same seed wherever and with whatever else this is run. A search that breaks, or has no tree
    to search, finds nothing."""
    began = time.perf_counter()
    try:
        with planted(patch) as folder:
            done = _search(folder, seeds)
        lines = done.stdout.strip().splitlines()
        if done.returncode in {0, 1} and lines:
            return _outcome(patch.stem, lines[-1])
        said = f"the search broke: {done.stderr.strip()[-500:]}"
    except subprocess.TimeoutExpired:
        said = f"given up after {HUNT_S_MAX:g} s"
    except subprocess.CalledProcessError:
        said = "the patch does not apply"
    took_s = time.perf_counter() - began
    return Outcome(name=patch.stem, found=False, seeds=0, took_s=took_s, said=said)


def _search(folder: Path, seeds: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", "--first", f"--seeds={seeds}"]
    return subprocess.run(
        [*command, "--workers=1"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=HUNT_S_MAX,
    )


def _outcome(name: str, line: str) -> Outcome:
    """Of what `tests.simulation --first` says last."""
    words = line.split()
    found = words[0] == "found"
    said = line.partition(": ")[2] if found else line
    return Outcome(
        name=name,
        found=found,
        seeds=int(words[2]),
        took_s=float(words[5]),
        said=said,
    )
