"""Opening exported files: a bundle or lines, from a path or from bytes in memory.

    async with-free use:   with await open_file(path) as file: … await file.read("run:…") …

What it is, is seen by its first bytes, not by its name. A file of lines is read once when it is
opened, and its chains are checked; a bundle's frames are checked as they are read.
"""

import mmap
from pathlib import Path

from events.errors import Corrupt, Misconfigured
from orchestrator.adapters.archives.opened_bundle import OpenedBundle
from orchestrator.adapters.archives.opened_lines import OpenedLines
from orchestrator.replay.exchange.opened import OpenedFile

ZSTD = b"\x28\xb5\x2f\xfd"


async def open_file(source: Path | bytes, name: str = "") -> OpenedFile:
    """The history in an exported file; `name` is what messages call it.

    Raises `Misconfigured` when there is no such file, `Corrupt` when it is damaged or is no export.
    """
    called = name or (str(source) if isinstance(source, Path) else "the export")
    data = source if isinstance(source, bytes) else _mapped(source)
    if data[: len(ZSTD)] == ZSTD:
        return OpenedBundle(data, called)
    if data[:1] == b"{":
        return OpenedLines(data, called)
    raise Corrupt(
        f"{called} is no export of runs: expected a bundle, or lines that begin with {{; "
        "`dalsegno events export RUN` writes both"
    )


def _mapped(path: Path) -> "mmap.mmap | bytes":
    try:
        with path.open("rb") as file:
            if not file.read(1):
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from None
