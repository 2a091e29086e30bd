"""Build ids: which code an agent's tasks are, where nobody has named it.

A hash over the release and the sources of the modules that were named, and of those that they have
imported from the same package or folder. Paths are left out, so it is the same on every host with
the same code, and another one as soon as a line of it changes. What is installed beside it (the
`requirements`) is not looked at: name the build yourself where that matters.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

DIGITS = 12


def build_of(places: Sequence[str], release: str) -> str:
    """The id for modules that are imported already; `places` are dotted names or paths of files."""
    hashed = hashlib.sha256(release.encode())
    for name, source in sorted(sources_of(places, dict(sys.modules)).items()):
        for part in (name.encode(), source):
            hashed.update(len(part).to_bytes(8))
            hashed.update(part)
    return hashed.hexdigest()[:DIGITS]


def sources_of(places: Sequence[str], loaded: Mapping[str, ModuleType]) -> dict[str, bytes]:
    """Sources of the named modules and of their neighbours among those that are loaded, by name. A
    module without a source, a compiled one for instance, counts with its file's bytes.
    """
    folders = {Path(place).resolve().parent for place in places if _is_path(place)}
    packages = {place.partition(".")[0] for place in places if not _is_path(place)}
    found: dict[str, bytes] = {}
    for name, module in loaded.items():
        file = getattr(module, "__file__", None)
        if file is None or name == "__main__":
            continue
        path = Path(file)
        if name.partition(".")[0] in packages or _is_in(path, name, folders):
            found[name] = path.read_bytes() if path.is_file() else b""
    return found


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place


def _is_in(file: Path, name: str, folders: set[Path]) -> bool:
    """Whether the module lies where its name leads from one of the folders."""
    depth = name.count(".") + (file.name == "__init__.py")
    parents = file.resolve().parents
    return depth < len(parents) and parents[depth] in folders
