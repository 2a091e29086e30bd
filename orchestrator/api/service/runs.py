"""Runs: lists, their state now and then, their events."""

import msgspec

from events.catalogue import Catalogue
from events.ids import run_stream
from events.views import RunView
from orchestrator.api.service.answers import no_run
from orchestrator.api.service.cursors import cursor, place
from orchestrator.api.service.definitions import net_of
from orchestrator.api.service.events import shown
from orchestrator.api.service.ports import Log, Ports
from orchestrator.api.shapes import EventShown, Page, RunRow
from orchestrator.insight.finding import RunQuery
from orchestrator.insight.run_view import run_view
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.rebuild import Rebuilder


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


async def show_run(log: Log, run_id: str) -> RunView:
    """As the log has it: what a coordinator has answered is in there, and nobody need be up."""
    found = await Rebuilder(log, Catalogue()).run(run_id)
    if found is None:
        raise no_run(run_id)
    state = found.state
    return run_view(state, await net_of(log, state.workflow, state.workflow_version))


async def list_events(ports: Ports, run_id: str, after: int, limit: int) -> Page[EventShown]:
    catalogue, log = Catalogue(), ports.log
    found = await log.read(run_stream(run_id), after, limit + 1)
    if not found and (not after or await log.index_row(run_id) is None):
        raise no_run(run_id)
    items = tuple(shown(one, catalogue, ports.place) for one in found[:limit])
    return Page(items=items, next=str(items[-1].version) if len(found) > limit else None)
