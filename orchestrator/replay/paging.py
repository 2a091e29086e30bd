"""Cursors: going through a whole log in pages, several orders side by side."""

from collections.abc import Sequence
from typing import Protocol

from events.envelope import Stored
from events.ids import import_stream, run_stream
from orchestrator.replay.audit.log_batches import LogBatch
from orchestrator.replay.audit.verify import Audited
from orchestrator.replay.ports import IndexRow
from orchestrator.replay.snapshots import SnapshotPlace

PAGE_BYTES = 4 * 1024 * 1024
PAGE_MIN, PAGE_MAX = 50, 4000
ROWS = 2000
RUN = run_stream("")
IMPORT = import_stream("")
LAST = 2**62


class AuditedLog(Audited, Protocol):
    """What an audit of a whole log reads beside the runs."""

    async def read_streams(
        self, prefix: str, after: tuple[str, int] = ("", 0), limit: int = 1000
    ) -> list[Stored]: ...

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]: ...

    async def read_batches(self, after: int = 0, limit: int = 1000) -> list[LogBatch]: ...

    async def index_rows(self, after: str = "", limit: int = 1000) -> list[IndexRow]: ...

    async def last_position(self) -> int: ...


class Pages:
    """Pages of events that are about as large, whatever the size of an event."""

    def __init__(self) -> None:
        self.limit = PAGE_MIN

    def seen(self, page: Sequence[Stored]) -> None:
        """Decides how many events the next page has."""
        size = sum(len(event.state) for event in page)
        fitting = PAGE_BYTES * len(page) // max(size, 1)
        self.limit = max(PAGE_MIN, min(PAGE_MAX, fitting, self.limit * 2))


class Rows:
    """The rows of the index in order of run, from behind a run on."""

    def __init__(self, store: AuditedLog, after: str) -> None:
        self._store = store
        self._after = after
        self._page: list[IndexRow] = []
        self._at = 0
        self._ended = False

    async def until(self, run_id: str) -> tuple[list[str], IndexRow | None]:
        """The runs of the rows before that of a run, and its own."""
        before: list[str] = []
        while (row := await self._next()) is not None and _order(row.run_id) <= _order(run_id):
            self._at += 1
            if row.run_id == run_id:
                return before, row
            before.append(row.run_id)
        return before, None

    async def rest(self) -> list[str]:
        """The runs of a page of those that are left; they have no events, so there are few."""
        left: list[str] = []
        while (row := await self._next()) is not None and len(left) < ROWS:
            self._at += 1
            left.append(row.run_id)
        return left

    async def _next(self) -> IndexRow | None:
        if self._at == len(self._page) and not self._ended:
            self._page, self._at = await self._store.index_rows(self._after, ROWS), 0
            self._ended = not self._page
            self._after = self._page[-1].run_id if self._page else self._after
        return self._page[self._at] if self._at < len(self._page) else None


class SnapshotStreams:
    """The runs that have snapshots, in order, from behind a run on."""

    def __init__(self, store: AuditedLog, after: str) -> None:
        self._store = store
        self._after = SnapshotPlace(run_stream(after), LAST if after else 0)
        self._page: list[str] = []
        self._at = 0
        self._ended = False

    async def until(self, stream: str) -> tuple[list[str], bool]:
        """The streams with snapshots before this one, and whether it has some."""
        before: list[str] = []
        while (found := await self._next()) and _order(found) <= _order(stream):
            self._at += 1
            if found == stream:
                return before, True
            before.append(found)
        return before, False

    async def rest(self) -> list[str]:
        """The streams of a page of those that are left."""
        left: list[str] = []
        while (found := await self._next()) and len(left) < ROWS:
            self._at += 1
            left.append(found)
        return left

    async def _next(self) -> str:
        while self._at == len(self._page) and not self._ended:
            infos = await self._store.list_snapshots("", self._after, ROWS)
            self._ended = not infos
            if infos:
                last = infos[-1]
                self._after = SnapshotPlace(last.stream, LAST)
                streams = dict.fromkeys(info.stream for info in infos)
                self._page = [name for name in streams if name.startswith(RUN)]
                self._at = 0
        return self._page[self._at] if self._at < len(self._page) else ""


class ImportStreams:
    """The runs that were imported, in order, from behind a run on."""

    def __init__(self, store: AuditedLog, after: str) -> None:
        self._store = store
        self._after = import_stream(after), LAST if after else 0
        self._page: list[str] = []
        self._ended = False

    async def has(self, run_id: str) -> bool:
        """Whether it is one. Ask for runs in their order."""
        while (found := await self._next()) and _order(found) < _order(run_id):
            self._page.pop(0)
        return found == run_id

    async def _next(self) -> str:
        while not self._page and not self._ended:
            events = await self._store.read_streams(IMPORT, self._after, ROWS)
            self._ended = not events
            if events:
                self._after = events[-1].stream, LAST
                self._page = list(dict.fromkeys(one.stream for one in events))
                self._page = [name.removeprefix(IMPORT) for name in self._page]
        return self._page[0] if self._page else ""


class Log:
    """The events by position, from behind one on."""

    def __init__(self, store: AuditedLog, after: int) -> None:
        self._store = store
        self._after = after
        self._pages = Pages()
        self._page: list[Stored] = []
        self._ended = False

    async def until(self, position: int) -> list[Stored]:
        """The next events, up to a position."""
        found: list[Stored] = []
        while True:
            count = sum(1 for event in self._page if (event.position or 0) <= position)
            found += self._page[:count]
            self._page = self._page[count:]
            if self._page or self._after >= position:
                return found
            self._page = await self._store.read_log(self._after, self._pages.limit)
            if not self._page:
                return found
            self._pages.seen(self._page)
            self._after = self._page[-1].position or 0


def _order(name: str) -> bytes:
    """Names are in order of their bytes."""
    return name.encode()
