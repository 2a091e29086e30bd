"""The simulator can see: planted bugs still apply, and the quick ones are found here and now."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.planted.planting import PATCHES, ROOT, hunt, planted

QUICK = ("kernel-retry-counter-reset-on-dispatch", "agent-journal-after-send")


def _name(patch: Path) -> str:
    return patch.stem


def test_there_are_at_least_thirty() -> None:
    assert len(PATCHES) >= 30
    rooms = {patch.stem.partition("-")[0] for patch in PATCHES}
    assert rooms >= {"kernel", "coordinator", "agent", "store", "lease", "snapshot"}


@pytest.mark.parametrize("patch", PATCHES, ids=_name)
def test_a_planted_bug_applies(patch: Path) -> None:
    with planted(patch) as folder:
        assert (folder / "events").is_dir()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_one_is_found(name: str) -> None:
    patch = next(one for one in PATCHES if one.stem == name)
    outcome = hunt(patch, seeds=100)
    assert outcome.found, outcome.said


def test_one_that_is_not_found_is_told_and_is_a_failure() -> None:
    """No seeds show nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.planted", "--seeds=0", QUICK[0]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"{QUICK[0]} " in done.stdout
    assert "NOT FOUND" in done.stdout
    assert done.stdout.endswith("0 of 1 found\n")


def test_one_that_does_not_apply_is_not_found(tmp_path: Path) -> None:
    patch = tmp_path / "of-another-tree.patch"
    patch.write_text("--- a/events/none.py\n+++ b/events/none.py\n@@ -1 +1 @@\n-a\n+b\n")
    outcome = hunt(patch, seeds=1)
    assert (outcome.found, outcome.said) == (False, "the patch does not apply")
