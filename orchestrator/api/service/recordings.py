"""Recordings of runs that are looked at: whoever asks for one version asks for the next one too.

A run is read once; after that only what was appended since. What is kept is bounded in number and
in bytes, and the recording that was not asked for longest goes first. Nothing else is lost with it
than time. A recording with the values of a person is not kept: it would outlive their erasure.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from events.catalogue import Catalogue
from events.errors import NotFound
from events.limits import API_RECORDINGS_MAX, RECORDING_BYTES_MAX
from orchestrator.replay.cursor import Cursor
from orchestrator.replay.moments import Moment, moment_of
from orchestrator.replay.ports import History
from orchestrator.replay.recording import Recording, extend, record

T = TypeVar("T")


class Kept:
    """A recording with a cursor on it, which one asker at a time moves."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self.recording: Recording | None = None
        self.cursor: Cursor | None = None

    @property
    def may_stay(self) -> bool:
        return self.recording is not None and not self.recording.is_personal

    async def reach(self, log: History, run_id: str, version: int) -> Cursor:
        """The cursor, on a recording that goes as far as the version if the run does. Raises as
        `record`."""
        if self.recording is None or self.cursor is None:
            self.recording = await record(log, Catalogue(), run_id)
            self.cursor = Cursor(self.recording)
        elif version > self.recording.last:
            await extend(self.recording, log)
        if version > self.cursor.last:
            last = self.cursor.last
            raise NotFound(f"run {run_id} has no version {version}: its last one is {last}")
        return self.cursor


class Recordings:
    """`recordings_max`: how many are kept, in as many as `bytes_max` bytes of events."""

    def __init__(
        self,
        log: History,
        recordings_max: int = API_RECORDINGS_MAX,
        bytes_max: int = RECORDING_BYTES_MAX,
    ) -> None:
        self._log = log
        self._recordings_max = recordings_max
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    @property
    def run_ids(self) -> list[str]:
        """Of which runs there are some, the one that was asked for last at the end."""
        return list(self._kept)

    async def moment(self, run_id: str, version: int) -> Moment:
        """All that was so of a run at a version. Raises `NotFound` when there is no such run, or
        no such version yet; else as `record`."""
        return await self.look(run_id, version, moment_of)

    async def look(self, run_id: str, version: int, at: Callable[[Cursor], T]) -> T:
        """What `at` makes of a cursor that stands at the version, in a thread. Raises as
        `moment`."""
        kept = self._kept.setdefault(run_id, Kept())
        self._kept.move_to_end(run_id)
        try:
            async with kept.lock:
                cursor = await kept.reach(self._log, run_id, version)
                return await anyio.to_thread.run_sync(lambda: at(cursor.to(version)))
        finally:
            if not kept.may_stay and self._kept.get(run_id) is kept:
                del self._kept[run_id]
            self._shed()

    def _shed(self) -> None:
        while len(self._kept) > self._recordings_max or (
            len(self._kept) > 1 and self._bytes() > self._bytes_max
        ):
            self._kept.popitem(last=False)

    def _bytes(self) -> int:
        recordings = (one.recording for one in self._kept.values())
        return sum(one.bytes for one in recordings if one is not None)
