"""Auditing an archive: every run in it is read back, and judged by the same rules as in the log."""

from collections.abc import Mapping, Sequence

from events.catalogue import Catalogue
from events.envelope import Stored
from events.errors import Corrupt
from events.ids import run_stream
from orchestrator.replay.audit.findings import Finding, check_of
from orchestrator.replay.audit.verify import Verifier
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.retention.archives import ArchiveFile, RunFrame, streams_of
from orchestrator.replay.snapshots import Snapshot, SnapshotInfo, SnapshotPlace

NOT_THERE = frozenset({"run_index", "batch", "payloads", "length"})
"""Checks of what an archive does not have."""


class FrameHistory:
    """A run's frame where an audit expects a log: without index, snapshots and batches."""

    def __init__(self, frame: RunFrame) -> None:
        self._streams = streams_of(frame)

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return [one for one in self._streams.get(stream, ()) if one.version > after][:limit]

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

    async def load_payload(self, hash_: str) -> bytes | None:
        return None

    async def kept_digests(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        return {}


async def audit(file: ArchiveFile, catalogue: Catalogue) -> list[Finding]:
    """What is wrong with the runs of an archive; a run that is damaged stops no other."""
    found: list[Finding] = []
    shards = file.manifest.head.shards
    for run in file.manifest.runs:
        try:
            frame = file.read(run)
        except Corrupt as error:
            found.append(
                Finding(
                    check=check_of(error, "chain"), version=0, message=str(error), run_id=run.run_id
                )
            )
            continue
        verifier = Verifier(FrameHistory(frame), catalogue, shards, ignored=NOT_THERE)
        verified = await verifier.run(run.run_id)
        if verified is None or verified.events != run.version:
            text = f"the archive does not have all of {run_stream(run.run_id)}"
            found.append(Finding(check="chain", version=0, message=text, run_id=run.run_id))
        if verified is not None:
            found += verified.findings
    return found
