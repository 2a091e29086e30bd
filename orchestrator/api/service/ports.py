"""What the service needs: coordinators that answer requests, the log, and to hear of its growth."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from events.api import AnyAnswer, AnyRequest
from events.views import RunView
from orchestrator.insight.bells import Bells
from orchestrator.insight.feed import Feed
from orchestrator.insight.finding import RunQuery
from orchestrator.kernel.expressions import Expressions
from orchestrator.replay.ports import IndexedHistory, IndexRow


class Coordinators(Protocol):
    async def request(self, request: AnyRequest, timeout_s: float | None = None) -> AnyAnswer:
        """The answer, never `Refused`: that is raised. Raises `Unavailable`."""

    async def await_run(self, run_id: str, timeout_s: float | None = None) -> RunView:
        """The run as soon as it has ended, or as it is after `timeout_s`."""


class Log(IndexedHistory, Protocol):
    """The log, or all logs of a cluster as one."""

    async def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Names of streams that begin with `prefix`, those after `after`, in order of bytes."""


class Lists(Protocol):
    async def find_runs(self, query: RunQuery) -> list[IndexRow]:
        """The runs that are asked for, of all logs, the newest first."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. `ends`: the position of the last event of each log by its name."""

    coordinators: Coordinators
    log: Log
    lists: Lists
    feed: Feed
    bells: Bells
    ends: Callable[[], Awaitable[Mapping[str, int]]]
    expressions: Expressions
    place: Callable[[int], tuple[str, int]] | None = None
    """Where there are several logs: the name of one, and the position in it, for a position in the
    cluster."""
