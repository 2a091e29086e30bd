"""Projections: what is kept of the log for lists and statistics, and what there is to be done.

A *generation* is one projection, all its tables' rows and a position. One serves; while another is
built beside it, from the beginning of the log, the first goes on. When the other has caught up they
change places in one transaction, and the old one's rows are removed piece by piece.

    begin ──► building ──caught up──► serving ──another one serves──► retired ──empty──► gone
                  └────────────────── taken back ──────────────────────►┘

The very first generation serves from its beginning. One made by the fold of another release is not
gone on with: what a fold makes is its own.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from events.constraints import Count, Duration, Share
from events.net import Net
from orchestrator.insight.counting.fold import FOLD, Gathered
from orchestrator.insight.counting.glimpse import Row
from orchestrator.insight.counting.tallies import Key, NodeState, Tally


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often and how hard a projector works."""

    interval_s: Duration = 0.5
    """Shortest time from one batch to the next while events come: how far statistics are behind
    under load. Longer is cheaper."""
    poll_s: Duration = 2.0
    """Longest time between two looks at the log when no announcement is heard."""
    batch_events_max: Count = 20_000
    """Events that are folded before they are written; what is more waits for the next batch."""
    busy_share_max: Share = 0.5
    """Share of the time that a projector works when it is behind, or builds a generation; the rest
    it leaves to others."""
    minutes_kept_s: Duration = 172_800.0
    """Age from which tallies of minutes are removed. Those of hours and of all time stay."""
    standby_s: Duration = 1.0
    """Between two tries of a projector that stands by to take the place of one that has gone."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """`position`: of the last event that is in it; `recorded_at`: that event's instant."""

    number: int
    fold: int
    state: Literal["building", "serving", "retired"]
    position: int = 0
    recorded_at: int = 0
    begun_at: int = 0
    unread: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a generation is behind a log of which `last` is the last position. `seconds_behind`:
    since when the first event that is not in it is there. `at`: when this was so."""

    generation: Generation
    position: int
    last: int
    events_behind: int
    seconds_behind: float
    at: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch changes, as a whole: it moves a generation from a position. `tallies` are
    what they are from now on, not what is added."""

    generation: int
    after: int
    tallies: Mapping[Key, Tally]
    gathered: Gathered


class Todo(msgspec.Struct, frozen=True, kw_only=True):
    """What a projector has to do. `advance`: in this order; `switch` may follow for the one that is
    built; `retire` and `begin` come first."""

    advance: tuple[Generation, ...] = ()
    retire: tuple[Generation, ...] = ()
    remove: tuple[Generation, ...] = ()
    begin: bool = False


def todo(generations: Sequence[Generation], fold: int = FOLD) -> Todo:
    """What is to be done about the generations that there are, by a projector with this fold."""
    serving = [one for one in generations if one.state == "serving"]
    building = [one for one in generations if one.state == "building"]
    ours = [one for one in building if one.fold == fold]
    newer = any(one.fold > fold for one in (*serving, *building))
    return Todo(
        advance=tuple(one for one in (*serving, *ours[:1]) if one.fold == fold),
        retire=tuple(one for one in building if one.fold < fold) + tuple(ours[1:]),
        remove=tuple(one for one in generations if one.state == "retired"),
        begin=not newer and not ours and not any(one.fold == fold for one in serving),
    )


class LogPages(Protocol):
    """The log as a fold reads it. Every method may raise `Unavailable`."""

    async def rows(self, after: int, limit: int) -> list[Row]:
        """Events with position > `after`, in order; misses none that commits later."""

    async def state_of(self, position: int) -> bytes:
        """The bytes of one event, however many."""

    async def past(self, streams: Mapping[str, int], until: int, limit: int) -> list[Row]:
        """Of each stream the first `limit` events after the version named that are at positions up
        to `until`; each stream's in order."""

    async def nets(self, workflow: str) -> Mapping[str, Net]:
        """The nets of a workflow by version."""


class ProjectionStore(LogPages, Protocol):
    """Where generations are kept. Every method may raise `Unavailable`."""

    async def hold(self) -> bool:
        """Whether this is the projector that works: it has the lock, or has just got it."""

    async def generations(self) -> list[Generation]:
        """All there are, in order of number."""

    async def begin(self, fold: int) -> None:
        """Makes a new generation; it serves if there is none, else it is built."""

    async def retire(self, generation: int) -> None: ...

    async def remove(self, generation: int, limit: int) -> bool:
        """Removes some of a retired generation's rows, in the end itself; whether it is gone."""

    async def switch(self, generation: int) -> bool:
        """Lets the one that is built serve, if it is as far as the one that serves."""

    async def nodes(self, generation: int) -> dict[str, NodeState]: ...

    async def tallies(self, generation: int, keys: Sequence[Key]) -> dict[Key, Tally]: ...

    async def apply(self, change: Change) -> bool:
        """Writes all of it or, when the generation is at another position, nothing: then somebody
        else has moved it, or what was written before is lost, and False is returned."""

    async def forget_minutes(self, generation: int, before: int, limit: int) -> int:
        """Removes tallies of minutes that began before an instant; returns how many."""
