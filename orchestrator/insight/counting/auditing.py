"""Auditing a projection: a fresh fold of the whole log, compared with what is kept."""

from collections.abc import Mapping

import msgspec

from orchestrator.insight.counting.fold import Fold, Gathered
from orchestrator.insight.counting.folding import PAGE, Bounds, Folding
from orchestrator.insight.counting.glimpse import Unread
from orchestrator.insight.counting.projections import LogPages
from orchestrator.insight.counting.statistics import differences
from orchestrator.insight.counting.tallies import (
    MINUTE_S,
    Key,
    Label,
    NodeState,
    Tally,
    in_all_widths,
)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """All of a generation at its position."""

    position: int
    tallies: Mapping[Key, Tally]
    labels: frozenset[Label]
    nodes: Mapping[str, NodeState]
    unread: tuple[Unread, ...]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`what`: tallies, labels, nodes or unread."""

    what: str
    message: str


async def fresh(log: LogPages, until: int, page: int = PAGE) -> Kept:
    """What the log up to a position gives. O(events) of time; of memory what it gives."""
    folding, whole = Folding(log, Fold(), 0, Bounds(page=page, until=until)), Gathered()
    while (added := await folding.next()) is not None:
        whole.add(added)
    return kept(whole)


def kept(whole: Gathered) -> Kept:
    return Kept(
        position=whole.position,
        tallies=in_all_widths(whole.tallies),
        labels=frozenset(whole.labels),
        nodes=whole.nodes,
        unread=tuple(whole.unread),
    )


def compare(
    found: Kept, expected: Kept, minutes_from: int, archived_until: int = 0
) -> list[Finding]:
    """Where they differ; tallies of minutes before `minutes_from` may be gone. Of what was before
    `archived_until` the log has not all any more: nothing is said of it."""
    said, folded = (_lately(one.tallies, minutes_from, archived_until) for one in (found, expected))
    pairs = [Finding(what="tallies", message=text) for text in differences(said, folded)]
    for label in sorted(found.labels ^ expected.labels, key=str):
        if label.started_at <= archived_until and label in found.labels:
            continue
        which = "kept, but not in the log" if label in found.labels else "missing"
        named = f"{label.kind} {label.name}={label.text} of run {label.run_id}"
        pairs.append(Finding(what="labels", message=f"{named}: {which}"))
    pairs.extend(
        Finding(what="nodes", message=f"node {node} is not as the log says")
        for node in sorted(found.nodes.keys() | expected.nodes.keys())
        if found.nodes.get(node) != expected.nodes.get(node)
    )
    for one in sorted(set(found.unread) ^ set(expected.unread)):
        message = f"event {one.position}: {one.why}: only one of the two could read it"
        pairs.append(Finding(what="unread", message=message))
    return pairs


def _lately(
    tallies: Mapping[Key, Tally], minutes_from: int, archived_until: int
) -> dict[Key, Tally]:
    return {
        key: tally
        for key, tally in tallies.items()
        if (key.width_s != MINUTE_S or key.at >= minutes_from)
        and (not archived_until or (key.width_s and key.at > archived_until))
    }
