"""Counting events of a stretch of time by what they are, whose and where. Bounded in memory."""

from collections.abc import Iterable

import msgspec

from events.limits import EVENT_GROUPS_MAX
from orchestrator.insight.following.filters import bare
from orchestrator.insight.following.sieve import Followed

OTHERS = "(others)"
NONE = ""
"""What belongs to no workflow, or to no node."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """How many events, and how many a second of the stretch."""

    name: str
    events: int
    bytes: int
    per_s: float


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `until` in microseconds; groups with most events first."""

    since: int
    until: int
    events: int
    bytes: int
    per_s: float
    unread: int
    """Those that could not be decoded; they count by their type only."""
    types: tuple[Group, ...]
    workflows: tuple[Group, ...]
    nodes: tuple[Group, ...]


class _Tally:
    """Counts by name, of the first names that come."""

    def __init__(self) -> None:
        self._found: dict[str, list[int]] = {}

    def add(self, name: str, size: int) -> None:
        found = self._found.get(name)
        if found is None:
            known = name if len(self._found) < EVENT_GROUPS_MAX else OTHERS
            found = self._found.setdefault(known, [0, 0])
        found[0] += 1
        found[1] += size

    def groups(self, stretch_s: float) -> tuple[Group, ...]:
        made = (
            Group(name=name, events=events, bytes=size, per_s=events / stretch_s)
            for name, (events, size) in self._found.items()
        )
        return tuple(sorted(made, key=lambda one: (-one.events, one.name)))


class Counts:
    def __init__(self) -> None:
        self._events = self._bytes = self._unread = 0
        self._first: int | None = None
        self._last = 0
        self._types, self._workflows, self._nodes = _Tally(), _Tally(), _Tally()

    def add(self, events: Iterable[Followed]) -> None:
        for seen in events:
            size = len(seen.stored.state)
            self._events += 1
            self._bytes += size
            self._types.add(bare(seen.stored.type), size)
            if seen.event is None:
                self._unread += 1
                continue
            at = seen.event.header.recorded_at
            self._first = at if self._first is None else min(self._first, at)
            self._last = max(self._last, at)
            self._workflows.add(seen.workflow or NONE, size)
            self._nodes.add(seen.node or NONE, size)

    def done(self, since: int | None, until: int | None) -> Counted:
        """Over this stretch; where an end of it is not given, from the first event or to the
        last."""
        begin = since if since is not None else self._first or 0
        end = until if until is not None else max(self._last, begin)
        stretch_s = max((end - begin) / 1e6, 1e-6)
        return Counted(
            since=begin,
            until=end,
            events=self._events,
            bytes=self._bytes,
            per_s=self._events / stretch_s if self._events else 0.0,
            unread=self._unread,
            types=self._types.groups(stretch_s),
            workflows=self._workflows.groups(stretch_s),
            nodes=self._nodes.groups(stretch_s),
        )
