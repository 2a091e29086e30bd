"""The connection file: how commands find the servers of the `dev` that runs in their folder.

`dev` writes it into its data folder, and holds a lock on it for as long as it lives. A file whose
lock nobody holds was left by a `dev` that was killed, and is not read.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import msgspec

from events.configuration import Layer
from events.errors import InvariantViolation, Misconfigured
from orchestrator.config import LogPlace, shards_of

DATA_DIR = ".dalsegno"
NAME = "connection.json"


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses with their passwords; the file is for its owner only."""

    dsn: str
    nats_url: str
    pid: int
    logs: tuple[LogPlace, ...] = ()
    """Where there are several; then they go for `dsn`."""


class ConnectionFile:
    """Held by `dev`: a context manager around its whole life."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / NAME
        self._file: IO[bytes] | None = None
        self._is_folder_ours = False

    def __enter__(self) -> Self:
        """Raises `Misconfigured` when another `dev` holds the folder, or it cannot be written."""
        try:
            self._is_folder_ours = not self.path.parent.exists()
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(
                f"the data folder {self.path.parent} cannot be used: {error.strerror}; give "
                "another one with --data-dir"
            ) from error
        self._file = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise Misconfigured(
                f"another `dalsegno dev` runs on {self.path.parent}: use that one, or give another "
                "folder with --data-dir"
            ) from None
        return self

    def write(self, addresses: Addresses) -> None:
        if self._file is None:
            raise InvariantViolation("the connection file is written before it is held")
        self._file.seek(0)
        self._file.truncate()
        self._file.write(msgspec.json.encode(addresses))
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self._file.close()
        if self._is_folder_ours:
            with suppress(OSError):
                self.path.parent.rmdir()  # of a refused start, which put nothing into it


def read_addresses(data_dir: Path) -> Addresses | None:
    """What a living `dev` wrote there, else None."""
    path = data_dir / NAME
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read(), type=Addresses)
    except (OSError, msgspec.MsgspecError):
        return None
    return None


def connection_layers(folder: Path) -> list[Layer]:
    """The layer of the `dev` that runs in `folder`, if one does."""
    found = read_addresses(folder / DATA_DIR)
    if found is None:
        return []
    values: dict[str, object] = {"nats.urls": found.nats_url}
    if found.logs:
        values["logs"] = msgspec.to_builtins(found.logs)
        values["coordinator.shards"] = shards_of(found.logs)
    else:
        values["postgres.dsn"] = found.dsn
    source = f"dev in {folder / DATA_DIR}"
    return [Layer(source=source, values=values, texts=True)]
