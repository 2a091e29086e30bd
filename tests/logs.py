"""Events, batches and index rows for tests of stores."""

from collections.abc import Sequence

from events.envelope import Head, Stamp, Stored, seal
from events.facts import Fact
from events.ids import run_stream
from events.run_facts import RunCompleted
from orchestrator.coordinator.ports import Batch, IndexRow, Lease

AT = 1_700_000_000_000_000


def extend(head: Head, count: int = 1, by: str = "a", facts: Sequence[Fact] = ()) -> list[Stored]:
    """The next `count` events of a stream. Who writes (`by`) is part of the event ids."""
    facts = facts or [RunCompleted(output=head.version + n) for n in range(count)]
    stamp = Stamp(recorded_at=AT)
    return [seal(head, fact, f"{by}-{head.stream}-{head.version + 1}", stamp) for fact in facts]


def begin(stream: str, count: int = 1, by: str = "a") -> list[Stored]:
    """The first `count` events of a stream."""
    return extend(Head(stream), count, by)


def continued(stream: str, version: int, by: str = "a") -> list[Stored]:
    """One event at a version; its chain is not looked at by a store."""
    return extend(Head(stream, version - 1), 1, by)


def batch(
    leases: Sequence[Lease],
    *events: Sequence[Stored],
    index: Sequence[IndexRow] = (),
    name: str = "batch",
) -> Batch:
    flat = tuple(event for some in events for event in some)
    return Batch(id=name, leases=tuple(leases), events=flat, index=tuple(index))


def row(run_id: str, version: int = 1, **changes: object) -> IndexRow:
    """An index row of a running run in shard 0, with changes."""
    fields: dict[str, object] = {
        "run_id": run_id,
        "shard": 0,
        "workflow": "census",
        "workflow_version": "v1",
        "status": "running",
        "version": version,
    }
    return IndexRow(**{**fields, **changes})  # type: ignore[arg-type]


def run_batch(leases: Sequence[Lease], *rows: IndexRow) -> Batch:
    """A batch that begins the runs of the rows, as many events as their version says."""
    events = [begin(run_stream(item.run_id), item.version) for item in rows]
    return batch(leases, *events, index=rows)
