"""The named SQL of this adapter: every statement lies in its own file, with a line that says
why."""

from importlib.resources import files
from importlib.resources.abc import Traversable

ORDERING_LOCK = 0x64616C7365676E6F
"""Advisory lock of the log ("dalsegno" in ASCII); every append holds it until it has committed."""

MIGRATION_LOCK = ORDERING_LOCK + 1
"""Advisory lock of whoever changes the schema."""

PROJECTION_LOCK = ORDERING_LOCK + 2
"""Advisory lock of the projector that works."""


def _folder(name: str) -> Traversable:
    return files("orchestrator.adapters.postgres").joinpath(name)


class Queries:
    """All statements by name, read once when a store is opened."""

    def __init__(self) -> None:
        self._texts = {
            file.name.removesuffix(".sql"): file.read_text("utf-8")
            for file in _folder("sql").iterdir()
            if file.name.endswith(".sql")
        }

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def names(self) -> list[str]:
        return sorted(self._texts)


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of every migration, in order."""
    found = [file for file in _folder("migrations").iterdir() if file.name.endswith(".sql")]
    return sorted(
        (int(f.name[:4]), f.name.removesuffix(".sql"), f.read_text("utf-8")) for f in found
    )
