"""The simulator can see: planted bugs still apply, and the quick ones are found here and now."""

from pathlib import Path

import pytest

from tests.simulation.planted.planting import PATCHES, hunt, planted

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
    outcome = hunt(patch, seeds=100, workers=1)
    assert outcome.found, outcome.line
