"""What the service needs: coordinators that answer requests, the log, and to hear of its growth."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from events.api import AnyAnswer, AnyRequest
from events.envelope import Stored
from events.logmap import LogMap
from events.views import RunView
from orchestrator.insight.finding import RunQuery
from orchestrator.insight.follow import Bell
from orchestrator.replay.ports import IndexedHistory, IndexRow


class Coordinators(Protocol):
    async def request(self, request: AnyRequest, timeout_s: float | None = None) -> AnyAnswer:
        """The answer, never `Refused`: that is raised. Raises `Unavailable`."""

    async def await_run(self, run_id: str, timeout_s: float | None = None) -> RunView:
        """The run as soon as it has ended, or as it is after `timeout_s`."""


class LogPart(Protocol):
    """One log."""

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Events with position > `after`, in order of position; misses none that commits later."""

    async def last_position(self) -> int:
        """Position of the last event, 0 in an empty log."""


class Log(IndexedHistory, Protocol):
    """The log, or all logs of a cluster as one."""

    async def stream_names(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Names of streams that begin with `prefix`, those after `after`, in order of bytes."""


class Lists(Protocol):
    async def find_runs(self, query: RunQuery) -> list[IndexRow]:
        """The runs that are asked for, of all logs, the newest first."""


class Tail(Protocol):
    """The end of one log."""

    async def part(self) -> LogPart:
        """The log itself. Raises `Unavailable`."""

    def join(self) -> Bell:
        """A bell that rings when it has grown; to be given back with `leave`."""

    def leave(self, bell: Bell) -> None: ...


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. `tails`: one for each log, by its name."""

    coordinators: Coordinators
    log: Log
    lists: Lists
    tails: Mapping[str, Tail]
    map: LogMap | None = None
    """Which log has which run, where there are several."""

    def log_of(self, run_id: str) -> str:
        """The name of the log that has a run."""
        return next(iter(self.tails)) if self.map is None else self.map.of(run_id)
