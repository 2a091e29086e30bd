"""Recordings at hand: runs that are stepped through are read once, and followed.

Somebody who drags a slider asks for one version after the other. What was read stays in memory,
with keyframes, for the runs that were asked for last; of an open run what came since is read first.
One question about a run is answered at a time, in a thread: a long history takes a while to fold.
A recording with the values of a person is not kept: it would outlive their erasure.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import anyio

from events.catalogue import Catalogue
from events.limits import API_RECORDINGS_BYTES_MAX, API_RECORDINGS_MAX
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.ports import History
from orchestrator.replay.recording import Recording, extend, record

T = TypeVar("T")


class _Kept:
    """A recording with a cursor on it, for one at a time."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self.cursor: Cursor | None = None

    @property
    def may_stay(self) -> bool:
        return self.cursor is not None and not self.cursor.recording.is_personal

    @property
    def bytes(self) -> int:
        return 0 if self.cursor is None else self.cursor.recording.bytes


class Recordings:
    def __init__(
        self,
        log: History,
        runs_max: int = API_RECORDINGS_MAX,
        bytes_max: int = API_RECORDINGS_BYTES_MAX,
    ) -> None:
        self._log = log
        self._runs_max = runs_max
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    @property
    def run_ids(self) -> list[str]:
        """Those at hand, the one asked for longest ago first."""
        return list(self._kept)

    async def look(self, run_id: str, at: Callable[[Cursor], T]) -> T:
        """What `at` sees of a run, which it may go about in. Raises `NotFound`, `Rejected`,
        `Corrupt`, `Unavailable`, and what `at` raises."""
        kept = self._kept.setdefault(run_id, _Kept())
        self._kept.move_to_end(run_id)
        try:
            async with kept.lock:
                cursor = kept.cursor = await self._current(kept.cursor, run_id)
                return await anyio.to_thread.run_sync(at, cursor)
        finally:
            if not kept.may_stay and self._kept.get(run_id) is kept:
                del self._kept[run_id]
            self._forget()

    async def recording(self, run_id: str) -> Recording:
        """One of its own, for what takes two of them. Raises like `look`."""
        return await record(self._log, Catalogue(), run_id)

    async def _current(self, cursor: Cursor | None, run_id: str) -> Cursor:
        if cursor is None:
            return Cursor(await record(self._log, Catalogue(), run_id))
        await extend(cursor.recording, self._log)
        return cursor

    def _forget(self) -> None:
        while len(self._kept) > self._runs_max or (
            len(self._kept) > 1 and sum(one.bytes for one in self._kept.values()) > self._bytes_max
        ):
            self._kept.popitem(last=False)
