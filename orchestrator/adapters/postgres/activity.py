"""What the appends of others wait for, seen from the side: samples of the server's own view.

A thread with a connection of its own asks some twenty times a second; an answer costs the server a
fraction of a millisecond. Without wait event a backend runs, or waits for a core: the server does
not know which.
"""

import random
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import msgspec
import psycopg

from orchestrator.adapters.postgres.queries import Queries
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.translation import translated

EVERY_S = 0.05
IDLE = "no statement"
RUNNING = "running"


class LogTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Commits that have appended, and bytes of the write-ahead log since it began."""

    commits: int
    wal_bytes: int


class AppendWatch:
    """Samples from `start` to `stop`. Raises `Unavailable` when there is no connection."""

    def __init__(self, dsn: str) -> None:
        queries = Queries()
        self._ask = queries["append_waits"].encode()
        self._totals = queries["log_totals"].encode()
        self._named = queries["backends_named"].encode()
        self._append = queries["append"].partition("\n")[0]
        self._counts: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="append-watch", daemon=True)
        with translated("connecting"):
            conninfo = Settings(dsn=dsn, application_name="dalsegno-bench").conninfo()
            self._connection = psycopg.connect(conninfo, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            self.stop()
        self._connection.close()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Mapping[str, int]:
        """How often which wait was seen."""
        self._stopped.set()
        self._thread.join()
        return dict(self._counts)

    def totals(self, after: int) -> LogTotals:
        """Commits of events after a position; not while samples are taken."""
        with translated("counting commits"):
            row = self._connection.execute(self._totals, {"after": after}).fetchone()
        commits, wal_bytes = row or (0, 0)
        return LogTotals(commits=commits, wal_bytes=wal_bytes)

    def backends(self, name: str) -> frozenset[int]:
        """Process ids of the backends of clients with this name; not while samples are taken."""
        with translated("looking for backends"):
            rows = self._connection.execute(self._named, {"name": name}).fetchall()
        return frozenset(pid for (pid,) in rows)

    def _run(self) -> None:
        # Not in step with anything that repeats itself.
        while not self._stopped.wait(EVERY_S * random.uniform(0.5, 1.5)):  # noqa: S311
            self.look()

    def look(self) -> None:
        """Takes one sample."""
        with translated("looking at appends"):
            rows = self._connection.execute(self._ask, {"append": self._append}).fetchall()
        self._counts.update(label(*row) for row in rows)


def label(state: str, kind: str, event: str) -> str:
    if state != "active":
        return IDLE
    return f"{kind} {event}" if event else RUNNING
