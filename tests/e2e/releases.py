"""Released versions, installed as they were: their wheels lie in `tests/assets`."""

import hashlib
import re
import sys
import zipfile
from pathlib import Path

from tests.e2e.cluster import ROOT

ASSETS = ROOT / "tests/assets"
ROW = re.compile(r"\| `dalsegno-([\d.]+)-py3-none-any\.whl` \| `[0-9a-f]+` \| `([0-9a-f]{64})` \|")


def digests() -> dict[str, str]:
    """What the page beside the wheels says of each release."""
    return dict(ROW.findall((ASSETS / "README.md").read_text("utf-8")))


def wheel(release: str) -> Path:
    return ASSETS / f"dalsegno-{release}-py3-none-any.whl"


class Installed:
    """A release in a folder of its own. What it depends on is the tests' own environment."""

    def __init__(self, release: str, folder: Path) -> None:
        self.release = release
        self.folder = folder
        self._site = folder / "site"
        assert hashlib.sha256(wheel(release).read_bytes()).hexdigest() == digests()[release]
        with zipfile.ZipFile(wheel(release)) as archive:
            archive.extractall(self._site)

    @property
    def environment(self) -> dict[str, str]:
        """The release's packages go before the clone's, in which the scenarios' tasks are."""
        return {"PYTHONPATH": f"{self._site}:{ROOT}"}

    def command(self, *arguments: str) -> list[str]:
        """Run it in `folder`, else the clone in the working directory would go before."""
        return [sys.executable, "-c", MAIN, *arguments]


MAIN = "import sys; from orchestrator.cli.main import main; sys.exit(main())"
