"""Reading a cluster of several logs as if it were one: whoever asks for a stream is answered by the
log that has it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from events.envelope import Stored
from events.errors import Unavailable
from events.logmap import LogMap
from events.sealing import EventKey
from orchestrator.replay.ports import IndexedHistory, IndexRow
from orchestrator.replay.retention.archives import Tombstone
from orchestrator.replay.snapshots import Snapshot, SnapshotInfo, SnapshotPlace


class ReadableLog(IndexedHistory, Protocol):
    """One log, as far as others read it."""

    async def load_payload(self, hash_: str) -> bytes | None: ...

    async def archived(self, run_id: str) -> Tombstone | None: ...

    async def data_key_of(self, run_id: str) -> EventKey: ...


class Routed:
    """Implements `ReadableLog` over several. `log` hands over one by its name, or raises
    `Unavailable`; only those that are asked need be there."""

    def __init__(self, map_: LogMap, log: Callable[[str], Awaitable[ReadableLog]]) -> None:
        self.map = map_
        self._log = log

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        log = await self._log(self.map.of_stream(stream))
        return await log.read(stream, after, limit)

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        log = await self._log(self.map.of_stream(stream))
        return await log.load_snapshot(stream, at_most)

    async def find_snapshot(self, place: SnapshotPlace) -> Snapshot | None:
        log = await self._log(self.map.of_stream(place.stream))
        return await log.find_snapshot(place)

    async def list_snapshots(
        self, stream: str = "", after: SnapshotPlace = SnapshotPlace(), limit: int = 1000
    ) -> list[SnapshotInfo]:
        """Of one stream, or of all logs."""
        names = [self.map.of_stream(stream)] if stream else self.map.names
        logs = [await self._log(name) for name in names]
        found = [info for log in logs for info in await log.list_snapshots(stream, after, limit)]
        return sorted(found, key=lambda info: info.place)[:limit]

    async def index_row(self, run_id: str) -> IndexRow | None:
        log = await self._log(self.map.of(run_id))
        return await log.index_row(run_id)

    async def archived(self, run_id: str) -> Tombstone | None:
        log = await self._log(self.map.of(run_id))
        return await log.archived(run_id)

    async def data_key_of(self, run_id: str) -> EventKey:
        log = await self._log(self.map.of(run_id))
        return await log.data_key_of(run_id)

    async def load_payload(self, hash_: str) -> bytes | None:
        """From whichever has it; None only when all have said that they have not."""
        away: Unavailable | None = None
        for name in self.map.names:
            try:
                log = await self._log(name)
                found = await log.load_payload(hash_)
            except Unavailable as error:
                away = error
                continue
            if found is not None:
                return found
        if away is not None:
            raise away
        return None
