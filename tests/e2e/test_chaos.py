"""A short session of chaos, and a control without faults, as `make chaos` runs them."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.account import server_account
from orchestrator.adapters.embedded.home import temporary_root
from tests.e2e.cluster import ROOT

SEED = "1"


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the user of the embedded servers may enter."""
    root = temporary_root(server_account(), runs_programs=False)
    with tempfile.TemporaryDirectory(dir=root) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def chaos(folder: Path, *flags: str) -> str:
    """What was printed; everything was stopped, and no promise was broken."""
    command = [sys.executable, "-m", "tests.chaos", "--seed", SEED, "--rate", "25"]
    command += ["--folder", str(folder), *flags]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert not list(folder.iterdir()), "a session that went well leaves something behind"
    return done.stdout


@pytest.mark.timeout(300)
def test_a_cluster_keeps_its_promises_while_everything_breaks(folder: Path) -> None:
    said = chaos(folder, "--seconds", "20", "--faults", "kill,pause,sever,promote")
    promotions = re.search(r"promotions +(\d+)", said)
    assert promotions is not None
    assert int(promotions[1]) >= 1, said


@pytest.mark.timeout(300)
def test_without_faults_nothing_is_taken_over_and_nothing_is_done_again(folder: Path) -> None:
    said = chaos(folder, "--seconds", "10", "--faults", "none")
    assert re.search(r"takeovers +0 of shards", said), said
    assert re.search(r"re-executions +0 of", said), said
