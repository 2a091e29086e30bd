"""`dalsegno stats`: counts, rates and percentiles of runs, tasks and nodes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from orchestrator.adapters.postgres.projected import PostgresProjected
from orchestrator.cli.common import COMMON, Common, configured, go
from orchestrator.cli.output import (
    clock,
    console,
    counted,
    day,
    instant,
    plain,
    print_json,
    rows,
    status,
    table,
)
from orchestrator.cli.stores import log_settings, with_store
from orchestrator.cli.times import between, now
from orchestrator.cli.workflow.registry import versions
from orchestrator.insight.counting.figures import figures
from orchestrator.insight.counting.merging import furthest_behind, merged
from orchestrator.insight.counting.projections import Standing
from orchestrator.insight.counting.statistics import (
    Material,
    Percentiles,
    RunFigures,
    Statistics,
    TaskFigures,
    statistics,
    window,
)
from orchestrator.kernel.durations import length

if TYPE_CHECKING:
    from rich.table import Table

INSTANTS = frozenset({"at", "since", "until", "recorded_at", "begun_at", "joined_at"})


def stats(workflow: str = "", *, since: str = "", until: str = "", common: Common = COMMON) -> None:
    """Show counts, rates and percentiles of runs, tasks and nodes; all time, or a part of it.

    Kept by `dalsegno projections run`; the first line says as of when.

    p50, p90 and p99 are of how long ended runs and completed tasks took: 99 of 100 took no longer
    than p99. As many waited no longer than `wait` for a node, and than `queue` on their way to it
    and there. `bad` are those that ended otherwise than well, `again` attempts that another one
    followed, `/s` how many ended a second.

    Parameters
    ----------
    workflow
        Only runs and tasks of this workflow.
    since
        Only what was recorded since then: "15m", "2h", "7d" back from now, or an instant.
    until
        Only what was recorded before.

    Examples
    --------
    dalsegno stats
    dalsegno stats greet --since 2h
    dalsegno stats --since 7d --json
    """
    at = now()
    stretch = between(since, until, at)
    settings, seen = log_settings(configured(common)), window(*stretch, at)

    async def read() -> Statistics:
        parts: list[Material] = []
        standings: list[Standing] = []
        for one in settings:
            async with PostgresProjected(one) as projected, projected.snapshot():
                part, standing = await figures(projected, workflow, seen)
            parts.append(part)
            standings.append(standing)
        return statistics(merged(parts), furthest_behind(standings), seen)

    found = go(read)
    if workflow and not any(found.statuses.values()):
        with_store(common, lambda store: versions(store, workflow))  # refuses what is none
    if common.json:
        print_json(readable(msgspec.to_builtins(found)))
    else:
        show(found)


def behind(standing: Standing) -> str:
    """How far behind the log it is, in words."""
    if not standing.events_behind:
        return "up to date with the log"
    events = counted(standing.events_behind, "event")
    return f"{events}, {length(standing.seconds_behind)} behind the log"


def readable(found: object) -> object:
    """Instants as text, like everywhere in JSON."""
    if isinstance(found, dict):
        return {
            key: instant(value) if key in INSTANTS and isinstance(value, int) else readable(value)
            for key, value in found.items()
        }
    return [readable(one) for one in found] if isinstance(found, list) else found


def show(found: Statistics) -> None:
    out = console()
    seen = found.window
    which = f"{day(seen.since)} to {day(seen.until)} UTC" if seen.width_s else "all time"
    out.print(f"{which}; as of {clock(found.as_of.at)} UTC, {behind(found.as_of)}", soft_wrap=True)
    counts = (f"{status(name)} {count}" for name, count in found.statuses.items() if count)
    out.print(f"runs of all time: {', '.join(counts) or 'none'}", soft_wrap=True)
    for made in tables(found):
        out.print()
        out.print(made)


def tables(found: Statistics) -> Iterator["Table"]:
    if found.workflows:
        yield run_table("workflow", found.workflows)
    if len(found.over_time) > 1:
        yield run_table("from (UTC)", found.over_time)
    if found.tasks:
        yield task_table(found.tasks)
    if found.node_states:
        yield node_table(found)


def run_table(first: str, figures: Iterable[RunFigures]) -> "Table":
    columns = (
        first,
        "started>",
        "ended>",
        "bad>",
        "open>",
        "/s>",
        "p50>",
        "p90>?",
        "p99>",
        "wait>",
    )
    return rows(table(*columns), (_run_line(one) for one in figures))


def _run_line(one: RunFigures) -> tuple[str, ...]:
    bad = sum(count for status, count in one.ended.items() if status != "completed")
    return (
        plain(one.workflow) if one.at is None else day(one.at)[5:16],
        str(one.started),
        str(sum(one.ended.values())),
        str(bad or ""),
        str(sum(one.open.values()) or ""),
        _rate(one.ended_per_s),
        *_three(one.duration),
        _three(one.wait)[2],
    )


def task_table(figures: Sequence[TaskFigures]) -> "Table":
    several = len({one.workflow for one in figures}) > 1
    names = ("workflow", "task", "done>", "bad>", "again>", "/s>")
    lines = [
        (
            plain(one.workflow) if several else "",
            plain(one.task or "(unknown)"),
            *_counts(one),
            *_three(one.duration),
            _three(one.wait)[2],
        )
        for one in figures
    ]
    return rows(table(*names, "p50>", "p90>?", "p99>", "wait>"), lines)


def node_table(found: Statistics) -> "Table":
    """Those that did something, and those that are there."""
    statuses = {
        state.node: "cordoned" if state.cordoned and state.status == "healthy" else state.status
        for state in found.node_states
    }
    names = ("node", "status", "done>", "bad>", "again>", "/s>", "p50>", "p90>?", "p99>", "queue>")
    lines: list[Sequence[str]] = [
        (
            plain(one.node),
            status(statuses.get(one.node, "")),
            *_counts(one),
            *_three(one.duration),
            _three(one.queue)[2],
        )
        for one in found.nodes
    ]
    busy = {one.node for one in found.nodes}
    lines += [
        (plain(node), status(now), *[""] * 8) for node, now in statuses.items() if node not in busy
    ]
    return rows(table(*names), lines)


def _counts(one: TaskFigures) -> tuple[str, str, str, str]:
    again = sum(one.retried.values())
    bad = one.failed + one.cancelled
    return str(one.completed), str(bad or ""), str(again or ""), _rate(one.completed_per_s)


def _three(times: Percentiles) -> tuple[str, str, str]:
    if not times.count:
        return "", "", ""
    return length(times.p50_s), length(times.p90_s), length(times.p99_s)


def _rate(per_s: float | None) -> str:
    return "" if per_s is None else f"{per_s:.3g}"
