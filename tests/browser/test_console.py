"""The console in a real Chromium, before a real API server over a real cluster.

What the browser does and sees is told by `console/tests/browser`; here is what it needs: servers, a
coordinator, an agent, the API. Screenshots are left in `reports/console`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.ports import free_port
from tests.browser.tasks import write
from tests.e2e.cluster import ROOT
from tests.e2e.command_line import COMMAND, dev, environment, started

SHOTS = ROOT / "reports" / "console"
PATIENCE = float(os.environ.get("PATIENCE", "1"))
"""How many times longer than on a machine of one's own everything may take."""
SLOW_S = 300 * PATIENCE


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-console-"))
    made.chmod(0o755)
    write(made)
    with dev(made, "--import", "tests.browser.tasks"):
        yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    found = f"http://127.0.0.1:{free_port()}"
    with started(folder, "api", "--port", found.rpartition(":")[2]):
        _await(f"{found}/api/v1/runs")
        yield found


def _await(url: str) -> None:
    deadline = time.monotonic() + 60 * PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.05)


@pytest.mark.timeout(SLOW_S)
def test_the_console_shows_any_version_of_a_run(folder: Path, url: str) -> None:
    shutil.rmtree(SHOTS, ignore_errors=True)
    command = [shutil.which("npm") or "npm", "run", "--silent", "test:browser"]
    done = subprocess.run(
        command,
        cwd=ROOT / "console",
        env={
            **environment(),
            "CONSOLE_URL": url,
            "CONSOLE_FOLDER": str(folder),
            "CONSOLE_SHOTS": str(SHOTS),
            "DALSEGNO": " ".join(COMMAND),
            "CHROMIUM": os.environ["CHROMIUM"],
            "NO_COLOR": "1",
        },
        timeout=SLOW_S - 30,
        check=False,
        stdout=sys.stderr,
    )

    assert done.returncode == 0
