"""What somebody has who installed the wheel: its files, nothing of the clone."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.e2e.cluster import ROOT

SCRIPT = """#!{python}
import sys
from orchestrator.cli.main import main
sys.exit(main())
"""


def install(folder: Path) -> dict[str, str]:
    """Makes `.venv/bin/dalsegno` in the folder, from a wheel that is built now; returns what the
    environment needs so that the wheel's packages go before the clone's.

    The packages that it depends on are those of the tests' own environment.
    """
    packed, site, programs = folder / "wheel", folder / ".venv/site", folder / ".venv/bin"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(packed)], cwd=ROOT, capture_output=True, check=True)
    with zipfile.ZipFile(next(packed.glob("*.whl"))) as archive:
        archive.extractall(site)
    programs.mkdir(parents=True)
    script = programs / "dalsegno"
    script.write_text(SCRIPT.format(python=sys.executable), "utf-8")
    script.chmod(0o755)
    return {"PYTHONPATH": str(site)}
