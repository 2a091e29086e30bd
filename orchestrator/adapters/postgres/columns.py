"""A batch as the columns that the statements take."""

from collections.abc import Sequence

from psycopg.rows import TupleRow

from events.envelope import Stored
from events.ids import run_stream
from events.limits import FOLLOWED_BYTES_MAX, FOLLOWED_EVENTS_MAX, FOLLOWED_LOOKS_MAX
from events.run_facts import RunForked
from orchestrator.adapters.postgres.arrays import (
    Packed,
    byteas,
    integers,
    optional_integers,
    texts,
)
from orchestrator.coordinator.ports import IndexRow, Lease
from orchestrator.insight.following.filters import Wanted
from orchestrator.replay.audit.log_batches import LogBatch, event_digests
from orchestrator.replay.retention.archives import fork_source

RUN = run_stream("")
Columns = dict[str, Packed | str | int | bytes]


def event_columns(events: Sequence[Stored]) -> Columns:
    return {
        "streams": texts([event.stream for event in events]),
        "versions": integers([event.version for event in events]),
        "topics": texts([event.type for event in events]),
        "states": byteas([event.state for event in events]),
        "digests": event_digests([event.state for event in events]),
    }


def head_columns(events: Sequence[Stored]) -> Columns:
    """The first event that the batch adds to each of its streams; and of runs that begin, which
    have to be here for that: they themselves, and what they are forked from."""
    heads = dict[str, int]()
    beginning = list[tuple[str, str]]()
    for event in events:
        heads.setdefault(event.stream, event.version)
        if event.version == 1 and event.stream.startswith(RUN):
            beginning.append((event.stream, event.stream))
            if event.type == RunForked.TYPE:
                beginning.append((event.stream, run_stream(fork_source(event.state))))
    return {
        "head_streams": texts(list(heads)),
        "head_versions": integers(list(heads.values())),
        "beginning": texts([stream for stream, _ in beginning]),
        "standing": texts([stream for _, stream in beginning]),
    }


def lease_columns(leases: Sequence[Lease]) -> Columns:
    return {
        "shards": integers([lease.shard for lease in leases]),
        "epochs": integers([lease.epoch for lease in leases]),
    }


def index_columns(rows: Sequence[IndexRow]) -> Columns:
    return {
        "run_ids": texts([row.run_id for row in rows]),
        "run_shards": integers([row.shard for row in rows]),
        "workflows": texts([row.workflow for row in rows]),
        "workflow_versions": texts([row.workflow_version for row in rows]),
        "statuses": texts([row.status for row in rows]),
        "run_versions": integers([row.version for row in rows]),
        "next_due_ats": optional_integers([row.next_due_at for row in rows]),
        "outstandings": integers([row.outstanding for row in rows]),
        "readies": integers([row.ready for row in rows]),
        "started_ats": integers([row.started_at for row in rows]),
        "updated_ats": integers([row.updated_at for row in rows]),
        "calls": integers([row.calls for row in rows]),
        "parents": texts([row.parent for row in rows]),
    }


def wanted_columns(after: int, wanted: Wanted) -> Columns:
    return {
        "after": after,
        "types": texts(wanted.types),
        "streams": texts(wanted.streams),
        "looks": FOLLOWED_LOOKS_MAX,
        "limit": FOLLOWED_EVENTS_MAX,
        "bytes": FOLLOWED_BYTES_MAX,
    }


def index_row(row: TupleRow) -> IndexRow:
    return IndexRow(
        run_id=row[0],
        shard=row[1],
        workflow=row[2],
        workflow_version=row[3],
        status=row[4],
        version=row[5],
        next_due_at=row[6],
        outstanding=row[7],
        ready=row[8],
        started_at=row[9],
        updated_at=row[10],
        calls=row[11],
        parent=row[12],
    )


def log_batch(row: TupleRow) -> LogBatch:
    return LogBatch(
        number=row[0],
        first=row[1],
        last=row[2],
        events=row[3],
        digests=row[4],
        digest=row[5],
        recorded_at=row[6],
        gone=row[7] or b"",
    )
