"""docs/quickstart.md is followed by a stranger: an empty folder, the wheel, their own workflow."""

import os
import sys
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.command_line import environment
from tests.e2e.installed import install
from tests.e2e.walkthrough import follow

pytest_plugins = ["tests.servers"]

PAGE = (ROOT / "docs/quickstart.md").read_text("utf-8")
INSTALLED = frozenset(
    {
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        'pip install "$(ls ~/dalsegno/dist/*.whl)[embedded]" pytest',
    }
)
"""What tests/e2e/installed.py does without an index."""


@pytest.mark.timeout(150)
def test_a_stranger_has_a_cluster_with_a_workflow_of_their_own(data_folder: Path) -> None:
    theirs = environment(**install(data_folder))
    programs = (data_folder / ".venv/bin", Path(sys.executable).parent)
    theirs["PATH"] = os.pathsep.join([*map(str, programs), theirs["PATH"]])
    assert all(f"$ {line}\n" in PAGE for line in INSTALLED)
    follow(PAGE, data_folder, theirs, INSTALLED)
