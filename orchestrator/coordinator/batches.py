"""What a store may expect of a batch, checked before it reaches one: by the adapter and by its
twin.

A batch that breaks these rules is a bug of the coordinator, so all of them are
`InvariantViolation`.
"""

from events.ids import run_stream
from events.limits import BatchLimits
from orchestrator.coordinator.ports import Batch
from orchestrator.errors import InvariantViolation


def check_batch(batch: Batch, limits: BatchLimits) -> None:
    """Raises `InvariantViolation` naming the offender: no events, no lease, a shard or an index row
    twice, over a limit, versions of a stream that are not consecutive, an index row at another
    version than the batch's last event of its run."""
    _require(bool(batch.events), batch, "has no events")
    _require(bool(batch.leases), batch, "has no lease: only an owner may append")
    shards = {lease.shard for lease in batch.leases}
    _require(len(shards) == len(batch.leases), batch, "names a shard twice in its leases")
    _check_size(batch, limits)
    last = _last_versions(batch)
    _require(len(last) <= limits.streams_max, batch, f"has {len(last)} streams", limits.streams_max)
    _check_index(batch, last)


def _check_size(batch: Batch, limits: BatchLimits) -> None:
    count = len(batch.events)
    _require(count <= limits.events_max, batch, f"has {count} events", limits.events_max)
    size = sum(len(event.state) for event in batch.events)
    _require(size <= limits.bytes_max, batch, f"has {size} bytes", limits.bytes_max)


def _last_versions(batch: Batch) -> dict[str, int]:
    last: dict[str, int] = {}
    for event in batch.events:
        before = last.get(event.stream)
        if event.version < 1 or (before is not None and event.version != before + 1):
            _require(False, batch, f"has event {event.version} of {event.stream} after {before}")
        last[event.stream] = event.version
    return last


def _check_index(batch: Batch, last: dict[str, int]) -> None:
    seen = set[str]()
    for row in batch.index:
        _require(row.run_id not in seen, batch, f"has two index rows of run {row.run_id}")
        seen.add(row.run_id)
        version = last.get(run_stream(row.run_id))
        if version != row.version:
            _require(
                False,
                batch,
                f"has an index row of run {row.run_id} at version {row.version}, its events end at "
                f"{version}",
            )


def _require(holds: bool, batch: Batch, offence: str, limit: int | None = None) -> None:
    if not holds:
        mend = "" if limit is None else f": at most {limit}, split it"
        raise InvariantViolation(f"batch {batch.id} {offence}{mend}")
