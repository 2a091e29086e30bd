"""What the service needs: coordinators that answer requests, the log, and to hear of its growth."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from events.api import Here
from events.limits import Limits
from events.views import ForkView, RunView
from orchestrator.api.service.answers import Asking
from orchestrator.insight.counting.statistics import Statistics, Window
from orchestrator.insight.dead_letters import Letters
from orchestrator.insight.finding import RunQuery
from orchestrator.insight.following.bells import Bells
from orchestrator.insight.following.feed import Feed
from orchestrator.kernel.expressions import Expressions
from orchestrator.replay.audit.verify import Audited
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.snapshots import Snapshot, SnapshotPlace


class Coordinators(Asking, Protocol):
    async def await_run(self, run_id: str, timeout_s: float | None = None) -> RunView:
        """The run as soon as it has ended, or as it is after `timeout_s`."""

    async def greet(self, shard: int | None, timeout_s: float) -> Here:
        """Who owns a shard; or any coordinator. Raises `Unavailable`."""


class Log(Audited, Letters, Protocol):
    """The log, or all logs of a cluster as one."""

    async def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Names of streams that begin with `prefix`, those after `after`, in order of bytes."""

    async def save_snapshot(self, snapshot: Snapshot) -> None: ...

    async def delete_snapshot(self, place: SnapshotPlace) -> bool:
        """Whether there was one."""


class Lists(Protocol):
    """What indexes and projections say, of all logs together."""

    async def find_runs(self, query: RunQuery) -> list[IndexRow]:
        """The runs that are asked for, the newest first."""

    async def forks_of(self, run_id: str) -> list[ForkView]:
        """The runs that were forked from this one, oldest first, as many as are listed."""

    async def statistics(self, workflow: str, seen: Window) -> Statistics:
        """Raises `Unavailable` also where there are no projections yet."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. `ends`: the position of the last event of each log by its name. `now`:
    microseconds."""

    coordinators: Coordinators
    log: Log
    lists: Lists
    feed: Feed
    bells: Bells
    ends: Callable[[], Awaitable[Mapping[str, int]]]
    expressions: Expressions
    limits: Limits
    shards: int
    release: str
    now: Callable[[], int]
    fresh_id: Callable[[], str]
    has_log: bool = True
    """False for who can only ask coordinators."""
    place: Callable[[int], tuple[str, int]] | None = None
    """Where there are several logs: the name of one, and the position in it, for a position in the
    cluster."""
