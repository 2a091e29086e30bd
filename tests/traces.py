"""Traces in the shapes of real scientific workflows, made by the recipes of wfcommons.

    python -m tests.traces FOLDER

Making them imports numerical libraries that no other test needs, and which may warn, so a process
of its own does it, with a seed. PYTEST_DONT_REWRITE: imported for its names and as a plugin.
"""

import os
import random
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHAPES = {
    "Blast": 60,
    "Bwa": 120,
    "Cycles": 150,
    "Epigenomics": 150,
    "Genome": 200,
    "Montage": 150,
    "Rnaseq": 120,
    "Seismology": 1101,
    "Soykb": 120,
    "Srasearch": 60,
}
"""Recipes with about how many tasks to make."""
SEED = 5


def make(folder: Path) -> None:
    random.seed(SEED)
    import_module("numpy").random.seed(SEED)
    recipes = import_module("wfcommons.wfchef.recipes")
    generator = import_module("wfcommons").WorkflowGenerator
    for shape, count in SHAPES.items():
        recipe = getattr(recipes, f"{shape}Recipe").from_num_tasks(count)
        generator(recipe).build_workflow().write_json(folder / f"{shape}.json")


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trace for each shape."""
    folder = tmp_path_factory.mktemp("traces")
    home = tmp_path_factory.mktemp("home")  # where those libraries keep caches
    done = subprocess.run(
        [sys.executable, "-m", "tests.traces", str(folder)],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "MPLCONFIGDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]))
