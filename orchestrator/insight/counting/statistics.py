"""Statistics from tallies: counts, rates and percentiles, in the shape that people are shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from orchestrator.insight.counting.bins import Times
from orchestrator.insight.counting.projections import Standing
from orchestrator.insight.counting.tallies import (
    ALL,
    HOUR_S,
    MICROSECONDS,
    MINUTE_S,
    Key,
    NodeState,
    Tally,
    bucket,
    total,
)

G = TypeVar("G")
F = TypeVar("F", "RunFigures", "TaskFigures")

PERCENTS = (50, 90, 99)
MINUTES_SPAN_S = 6 * HOUR_S
"""Longer stretches of time are added up from hours."""
ENDS = ("completed", "failed", "cancelled", "timed_out")
RETRIES = ("retried_failed", "retried_timed_out", "retried_lost")


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in microseconds that whole minutes or hours of `width_s` seconds make up;
    all time when that is 0. `seconds`: those of it that are over already, 0 for all time."""

    width_s: int
    since: int
    until: int
    seconds: float

    @property
    def stretch(self) -> tuple[int, int, int]:
        return (self.width_s, self.since, self.until)


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of `count` times, in seconds, each within 6.25 per cent; zeros when there are none."""

    count: int
    p50_s: float
    p90_s: float
    p99_s: float
    mean_s: float
    max_s: float


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of a workflow, or of all of them in a stretch of time. `open`: runs that are open now, by
    status. Rates are runs started and ended in a second, None for all time."""

    workflow: str
    at: int | None
    started: int
    ended: dict[str, int]
    open: dict[str, int]
    started_per_s: float | None
    ended_per_s: float | None
    duration: Percentiles
    wait: Percentiles


class TaskFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of a task type or a node. `retried`: attempts that another one followed, by why."""

    workflow: str
    task: str
    node: str
    dispatched: int
    completed: int
    failed: int
    cancelled: int
    retried: dict[str, int]
    completed_per_s: float | None
    duration: Percentiles
    wait: Percentiles
    queue: Percentiles


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """`statuses`: runs of all time by status, open ones as they are now."""

    as_of: Standing
    window: Window
    statuses: dict[str, int]
    workflows: tuple[RunFigures, ...]
    over_time: tuple[RunFigures, ...]
    tasks: tuple[TaskFigures, ...]
    nodes: tuple[TaskFigures, ...]
    node_states: tuple[NodeState, ...]


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What statistics are made of: tallies of the window and of runs of all time, and what is open
    now by workflow and status."""

    runs: Mapping[Key, Tally]
    tasks: Mapping[Key, Tally]
    runs_ever: Mapping[Key, Tally]
    open_runs: Mapping[tuple[str, str], int]
    nodes: Iterable[NodeState]


def window(since: int | None, until: int | None, now: int) -> Window:
    """Whole minutes, or hours when it is long, that hold the time between two instants."""
    end = now if until is None else min(until, now)
    if since is None and until is None:
        return Window(width_s=ALL, since=0, until=1, seconds=0.0)
    begin = 0 if since is None else since
    width_s = MINUTE_S if end - begin <= MINUTES_SPAN_S * MICROSECONDS else HOUR_S
    first = bucket(begin, width_s)
    last = bucket(max(end - 1, first), width_s) + width_s * MICROSECONDS
    seconds = (min(last, now) - first) / MICROSECONDS if since is not None else 0.0
    return Window(width_s=width_s, since=first, until=last, seconds=max(0.0, seconds))


def statistics(made_of: Material, as_of: Standing, seen: Window) -> Statistics:
    """The figures; those with most events first."""
    by_workflow = grouped(made_of.runs, lambda key: key.workflow)
    by_bucket = grouped(made_of.runs, lambda key: key.at)
    by_task = grouped(made_of.tasks, lambda key: (key.workflow, key.task))
    by_node = grouped(made_of.tasks, lambda key: key.node)
    open_by_workflow: dict[str, dict[str, int]] = {}
    for (workflow, status), count in made_of.open_runs.items():
        open_by_workflow.setdefault(workflow, {})[status] = count
    names = sorted(by_workflow.keys() | open_by_workflow.keys())
    return Statistics(
        as_of=as_of,
        window=seen,
        statuses=_statuses(made_of),
        workflows=_busiest(
            _runs(name, None, by_workflow.get(name, Tally()), seen, open_by_workflow.get(name, {}))
            for name in names
        ),
        over_time=tuple(
            _runs("", at, by_bucket[at], _one_bucket(seen), {}) for at in sorted(by_bucket)
        )
        if seen.width_s
        else (),
        tasks=_busiest(_tasks(w, t, "", tally, seen) for (w, t), tally in by_task.items()),
        nodes=_busiest(_tasks("", "", n, tally, seen) for n, tally in by_node.items() if n),
        node_states=tuple(sorted(made_of.nodes, key=lambda state: state.node)),
    )


def _one_bucket(seen: Window) -> Window:
    return msgspec.structs.replace(seen, seconds=float(seen.width_s))


def grouped(tallies: Mapping[Key, Tally], by: Callable[[Key], G]) -> dict[G, Tally]:
    found: dict[G, list[Tally]] = {}
    for key, tally in tallies.items():
        found.setdefault(by(key), []).append(tally)
    return {name: total(some) for name, some in found.items()}


def _busiest(figures: Iterable[F]) -> tuple[F, ...]:
    def weight(one: RunFigures | TaskFigures) -> int:
        return one.dispatched if isinstance(one, TaskFigures) else one.started

    return tuple(sorted(figures, key=weight, reverse=True))


def _statuses(made_of: Material) -> dict[str, int]:
    ever = total(made_of.runs_ever.values()).counts
    found = {name: ever.get(name, 0) for name in ENDS}
    for (_, status), count in sorted(made_of.open_runs.items()):
        found[status] = found.get(status, 0) + count
    return found


def _runs(
    workflow: str, at: int | None, tally: Tally, seen: Window, still_open: Mapping[str, int]
) -> RunFigures:
    ended = {name: tally.counts.get(name, 0) for name in ENDS}
    started = tally.counts.get("started", 0)
    return RunFigures(
        workflow=workflow,
        at=at,
        started=started,
        ended=ended,
        open=dict(still_open),
        started_per_s=rate(started, seen),
        ended_per_s=rate(sum(ended.values()), seen),
        duration=percentiles(tally.times.get("duration")),
        wait=percentiles(tally.times.get("wait")),
    )


def _tasks(workflow: str, task: str, node: str, tally: Tally, seen: Window) -> TaskFigures:
    counts = tally.counts
    retried = {name.removeprefix("retried_"): counts.get(name, 0) for name in RETRIES}
    return TaskFigures(
        workflow=workflow,
        task=task,
        node=node,
        dispatched=counts.get("dispatched", 0),
        completed=counts.get("completed", 0),
        failed=counts.get("failed", 0),
        cancelled=counts.get("cancelled", 0),
        retried=retried,
        completed_per_s=rate(counts.get("completed", 0), seen),
        duration=percentiles(tally.times.get("duration")),
        wait=percentiles(tally.times.get("wait")),
        queue=percentiles(tally.times.get("queue")),
    )


def rate(count: int, seen: Window) -> float | None:
    return round(count / seen.seconds, 4) if seen.seconds else None


def percentiles(times: Times | None) -> Percentiles:
    found = times or Times()
    p50, p90, p99 = found.percentiles_s(PERCENTS)
    return Percentiles(
        count=found.count,
        p50_s=p50,
        p90_s=p90,
        p99_s=p99,
        mean_s=round(found.mean_s, 6),
        max_s=found.max_us / 1e6,
    )


def differences(said: Mapping[Key, Tally], folded: Mapping[Key, Tally]) -> Sequence[str]:
    """Where two sets of tallies differ, in words."""
    return [
        f"{' '.join(map(str, key))}: kept {_text(said.get(key))}, the log says "
        f"{_text(folded.get(key))}"
        for key in sorted(said.keys() | folded.keys())
        if said.get(key) != folded.get(key)
    ]


def _text(tally: Tally | None) -> str:
    return "nothing" if tally is None else msgspec.json.encode(tally.counts).decode()
