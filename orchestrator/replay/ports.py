"""What replay needs of a log: to read a stream, its snapshots, and its row of the index.

Every method may raise `Unavailable`. The coordinator's store is one of these, and can append.
"""

from typing import Protocol

import msgspec

from events.envelope import Stored
from orchestrator.kernel.state import RunState
from orchestrator.replay.snapshots import Snapshot, SnapshotInfo, SnapshotPlace

IMPORTED = -1
"""The shard of runs that were imported: nobody owns it, so nobody works on them."""


class IndexRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as `run_index` knows it: enough to find what is due without opening a stream.

    `next_due_at`: earliest timer in microseconds, None without one. `outstanding`: attempts with
    nodes; of a run that ends, or gives up parts of a map, also its child runs. `ready`: tasks
    awaiting placement. `calls`: child runs that it waits for. `parent`: the run that has started
    it, or "".
    Equal to what a fold of the stream says at `version`.
    """

    run_id: str
    shard: int
    workflow: str
    workflow_version: str
    status: str
    version: int
    next_due_at: int | None = None
    outstanding: int = 0
    ready: int = 0
    started_at: int = 0
    updated_at: int = 0
    calls: int = 0
    parent: str = ""


def row_of(run_id: str, shard: int, state: RunState) -> IndexRow:
    """The row of a run in this state."""
    calls = len(state.calls)
    origin = state.origin
    return IndexRow(
        run_id=run_id,
        shard=shard,
        workflow=state.workflow,
        workflow_version=state.workflow_version,
        status=state.status,
        version=state.version,
        next_due_at=state.next_due_at,
        outstanding=len(state.outstanding) + (calls if state.gives_up else 0),
        ready=len(state.ready),
        started_at=state.started_at,
        updated_at=state.updated_at,
        calls=calls,
        parent=origin.run_id if origin.kind == "parent" else "",
    )


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run ends by the index; `digest`: what its batch keeps of the event there, empty when
    it keeps nothing. `imported`: it is the history of another cluster's run."""

    version: int
    digest: bytes = b""
    imported: bool = False


class History(Protocol):
    """Streams and their snapshots."""

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Events of a stream with version > `after`, in order."""

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        """The newest one of any kind (at or below version `at_most`), or None. Raises `Damaged`
        with its version when it cannot be used."""


class Log(History, Protocol):
    """The whole log beside its streams."""

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Events with position > `after`, in order of position; misses none that commits later."""


class IndexedHistory(History, Protocol):
    """The same with the index of runs, and a list of the snapshots."""

    async def index_row(self, run_id: str) -> IndexRow | None:
        """The row of a run, or None."""

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None:
        """The one there, or None. Raises `Damaged`."""

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]:
        """Those of a stream, or of all; places > `after`, in order of place."""
