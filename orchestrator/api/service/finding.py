"""Lists of runs: what is asked for, in the words of the index."""

import msgspec

from orchestrator.api.errors import InvalidRequest
from orchestrator.api.operations.groups import RunsWanted
from orchestrator.api.service.cursors import cursor, place
from orchestrator.api.service.ports import Ports
from orchestrator.api.shapes import Page, RunRow
from orchestrator.insight.finding import LabelCondition, RunQuery, condition
from orchestrator.replay.ports import IndexRow


def run_query(wanted: RunsWanted, limit: int = 20) -> RunQuery:
    """Raises `InvalidRequest` for what is no condition."""
    return RunQuery(
        status=wanted.status,
        workflow=wanted.workflow,
        since=wanted.since or None,
        until=wanted.until or None,
        labels=_labels(wanted),
        limit=limit,
    )


def _labels(wanted: RunsWanted) -> tuple[LabelCondition, ...]:
    try:
        return (
            *(condition("tag", text) for text in wanted.tag),
            *(condition("attribute", text) for text in wanted.attribute),
        )
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


async def list_runs(ports: Ports, query: RunQuery, text: str) -> Page[RunRow]:
    """A cursor is the start and the id of the last run listed, which never change."""
    if text:
        started_at, run_id = place(text, tuple[int, str])
        query = msgspec.structs.replace(query, before=run_id, before_at=started_at)
    found = await ports.lists.find_runs(msgspec.structs.replace(query, limit=query.limit + 1))
    items = tuple(row_shown(row) for row in found[: query.limit])
    more = len(found) > query.limit
    last = cursor((items[-1].started_at, items[-1].run_id)) if more else None
    return Page(items=items, next=last)


def row_shown(row: IndexRow) -> RunRow:
    return RunRow(
        run_id=row.run_id,
        workflow=row.workflow,
        workflow_version=row.workflow_version,
        status=row.status,
        version=row.version,
        shard=row.shard,
        outstanding=row.outstanding,
        ready=row.ready,
        calls=row.calls,
        parent=row.parent,
        started_at=row.started_at,
        updated_at=row.updated_at,
        next_due_at=row.next_due_at,
    )
