"""An exported file that was opened: streams and stored values of runs, without a cluster.

It is a `History`, so everything that reads a log reads a file as well: rebuild, verify, step, diff.
It holds no bytes of events in memory, only where they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol, Self

import msgspec

from events.envelope import Stored
from events.ids import run_stream
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.snapshots import Snapshot, SnapshotInfo, SnapshotPlace

FileFormat = Literal["bundle", "jsonl"]
RUN = run_stream("")


class FileInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself. `run_ids`: the runs that were asked for; `ends`: version and
    digest of the last event of each stream in it, in their order. `redacted`: the fields whose
    values were taken out. `sha256`: names its content."""

    name: str
    format: FileFormat
    run_ids: tuple[str, ...]
    ends: Mapping[str, tuple[int, str]]
    redacted: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs in it: also sources of forks, and child runs."""
        return tuple(one.removeprefix(RUN) for one in self.ends if one.startswith(RUN))


class OpenedFile(Protocol):
    """A `History`, and all else that readers ask of a log; close it, or use it in `with`. Whatever
    reads may raise `Corrupt` with the file and the place when it is damaged there."""

    info: FileInfo

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]: ...

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        """None: there are none in a file."""

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]: ...

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None: ...

    async def index_row(self, run_id: str) -> IndexRow | None:
        """None: a file has no index."""

    async def load_payload(self, hash_: str) -> bytes | None: ...

    async def kept_digests(self, positions: Sequence[int]) -> Mapping[int, bytes]: ...

    def payload_names(self) -> Iterator[str]: ...

    def where(self, stream: str, version: int) -> str:
        """The place of an event in the file, in words, for messages."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class WithoutCluster:
    """What a file does not have."""

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        return None

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]:
        return []

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None:
        return None

    async def index_row(self, run_id: str) -> IndexRow | None:
        return None

    async def kept_digests(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        return {}
