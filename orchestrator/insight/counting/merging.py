"""What the projections of several logs say together: each is of one log, who reads adds up."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.insight.counting.projections import Standing
from orchestrator.insight.counting.statistics import Material
from orchestrator.insight.counting.tallies import Key, Tally


def merged(parts: Sequence[Material]) -> Material:
    """One of one part is that part. Nodes are told of by one log each."""
    if len(parts) == 1:
        return parts[0]
    return Material(
        runs=_added(part.runs for part in parts),
        tasks=_added(part.tasks for part in parts),
        runs_ever=_added(part.runs_ever for part in parts),
        open_runs=_summed(part.open_runs for part in parts),
        nodes=[node for part in parts for node in part.nodes],
    )


def furthest_behind(standings: Sequence[Standing]) -> Standing:
    """How far all are behind their logs: events of all, and the time of the latest."""
    if len(standings) == 1:
        return standings[0]
    return Standing(
        generation=max(standings, key=lambda one: one.seconds_behind).generation,
        position=sum(one.position for one in standings),
        last=sum(one.last for one in standings),
        events_behind=sum(one.events_behind for one in standings),
        seconds_behind=max(one.seconds_behind for one in standings),
        at=min(one.at for one in standings),
    )


def _added(parts: Iterable[Mapping[Key, Tally]]) -> dict[Key, Tally]:
    whole: dict[Key, Tally] = {}
    for part in parts:
        for key, tally in part.items():
            whole.setdefault(key, Tally()).add(tally)
    return whole


def _summed(parts: Iterable[Mapping[tuple[str, str], int]]) -> dict[tuple[str, str], int]:
    whole: dict[tuple[str, str], int] = {}
    for part in parts:
        for key, number in part.items():
            whole[key] = whole.get(key, 0) + number
    return whole
