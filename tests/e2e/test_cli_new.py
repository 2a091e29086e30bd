"""A project that `new` makes runs as it is: once on real servers, and its tests under pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command_line import dalsegno, environment

pytest_plugins = ["tests.servers"]


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("flags", "tried"), [([], "workflow.py"), (["--yaml"], "workflow.yaml --import tasks.py")]
)
def test_a_new_project_runs(tmp_path: Path, flags: list[str], tried: str) -> None:
    assert dalsegno(tmp_path, "new", "my-shop", *flags).code == 0
    project = tmp_path / "my-shop"
    done = dalsegno(project, "try", *tried.split(), "--input", '{"items": ["pen", "book"]}')
    assert done.code == 0, done
    assert '"paid": 230' in done.out

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--basetemp", "tmp", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "3 passed" in tested.stdout
