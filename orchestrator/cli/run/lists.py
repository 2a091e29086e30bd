"""`dalsegno run list`: runs by status, workflow, tag, search attribute and time."""

from typing import Literal

import msgspec

from events.errors import Misconfigured, Rejected
from events.limits import LABELS_ASKED_MAX, RUNS_LISTED_MAX
from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.nearest import nearest
from orchestrator.cli.output import (
    DIM,
    console,
    day,
    instant,
    plain,
    print_json,
    rows,
    status,
    table,
)
from orchestrator.cli.run.wanted import ALL, Wanted
from orchestrator.cli.stores import log_settings, open_logs, with_store
from orchestrator.cli.workflow.registry import versions
from orchestrator.config import Config
from orchestrator.insight.finding import LabelCondition, RunQuery, condition, newest_first
from orchestrator.replay.ports import IMPORTED, IndexRow

NONE_YET = "no runs yet: `dalsegno run start WORKFLOW` starts one"


def list_(
    *,
    wanted: Wanted = ALL,
    before: str = "",
    limit: int = 20,
    common: Common = COMMON,
) -> None:
    """List runs, the newest first, from the log's index; needs no coordinator.

    Tags and search attributes are looked up in the projections, which may be a moment late.

    Parameters
    ----------
    before
        Only runs that began before this one: for the next page.
    limit
        Most runs to list.

    Examples
    --------
    dalsegno run list
    dalsegno run list --status failed --workflow greet --since 1d --limit 5
    dalsegno run list --tag team=sales --attribute "amount>=100"
    dalsegno run list --before 01m7yf4vgw1tqq5ay37h9hvpzk
        The page after the one that ended with this run.
    """
    first, last = wanted.began()
    if not 0 < limit <= RUNS_LISTED_MAX:
        raise Misconfigured(f"--limit is {limit}: expected 1 to {RUNS_LISTED_MAX}")
    query = RunQuery(
        status=wanted.status,
        workflow=wanted.workflow,
        since=first,
        until=last,
        labels=labels(wanted.tag or (), wanted.attribute or ()),
        before=before,
        limit=limit + 1,
    )
    found = _found(query, common)
    if not found and (wanted.workflow or before):
        with_store(common, lambda store: _refuse_unknown(store, query))
    shown = found[:limit]
    if common.json:
        print_json([_row_json(row) for row in shown])
        return
    if shown:
        _print_rows(shown)
    else:
        print(NONE_YET if query == RunQuery(limit=limit + 1) else "no such runs")
    if len(found) > limit:
        print(f"\nthere are more: --before {shown[-1].run_id}")


def _found(query: RunQuery, common: Common) -> list[IndexRow]:
    config = configured(common)
    settings = log_settings(config)

    async def read() -> list[IndexRow]:
        asked = query if len(settings) == 1 else await _placed(config, query)
        found: list[IndexRow] = []
        for one in settings:
            async with PostgresProjected(one) as projected:
                found += await projected.find_runs(asked)
        return newest_first(found, query.limit)

    return go(read)


async def _placed(config: Config, query: RunQuery) -> RunQuery:
    """The same for a log that need not have the last run of the page before."""
    if not query.before:
        return query
    async with await open_logs(config) as store:
        row = await store.index_row(query.before)
    return msgspec.structs.replace(query, before_at=row.started_at if row is not None else 0)


async def _refuse_unknown(store: PostgresStore, query: RunQuery) -> None:
    """Nothing was found: raises `Rejected` where that is because of a name that is none."""
    if query.workflow:
        await versions(store, query.workflow)
    if query.before and await store.index_row(query.before) is None:
        raise Rejected(
            f"--before: there is no run {query.before}: expected the last one of the page before"
            f"{await nearest(store, query.before)}"
        )


def labels(
    tags: list[str] | tuple[str, ...], attributes: list[str] | tuple[str, ...]
) -> tuple[LabelCondition, ...]:
    """Raises `Misconfigured` for what is no condition."""
    if len(tags) + len(attributes) > LABELS_ASKED_MAX:
        raise Misconfigured(
            f"{len(tags) + len(attributes)} tags and attributes, over {LABELS_ASKED_MAX}"
        )
    return (
        *(_condition("tag", text) for text in tags),
        *(_condition("attribute", text) for text in attributes),
    )


def _condition(kind: Literal["tag", "attribute"], text: str) -> LabelCondition:
    try:
        return condition(kind, text)
    except ValueError as error:
        raise Misconfigured(f"--{error}") from None


def _row_json(row: IndexRow) -> dict[str, object]:
    told: dict[str, object] = {
        "run_id": row.run_id,
        "workflow": row.workflow,
        "workflow_version": row.workflow_version,
        "status": row.status,
        "version": row.version,
        "shard": row.shard,
        "outstanding": row.outstanding,
        "ready": row.ready,
        "next_due_at": instant(row.next_due_at),
        "started_at": instant(row.started_at),
        "updated_at": instant(row.updated_at),
    }
    return {**told, "imported": True} if row.shard == IMPORTED else told


def _status(row: IndexRow) -> str:
    """Of one that was imported also that: nobody works on it here."""
    shown = status(row.status)
    return f"{shown} [{DIM}]imported[/]" if row.shard == IMPORTED else shown


def _print_rows(found: list[IndexRow]) -> None:
    made = table("run", "status", "started (UTC)", "events>?", "at work>?", "ready>?", "workflow")
    lines = (
        (
            plain(row.run_id),
            _status(row),
            day(row.started_at),
            str(row.version),
            str(row.outstanding),
            str(row.ready),
            plain(row.workflow),
        )
        for row in found
    )
    console().print(rows(made, lines))
