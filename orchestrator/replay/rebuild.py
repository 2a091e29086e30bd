"""Rebuild: snapshot + tail, or the whole stream, folded into a state.

A forked run begins as another run's state at a version, so its source is rebuilt first; and one
that was restored goes on from its own state at an earlier version. Snapshots whose schema
fingerprint is not today's, or that are damaged, are left aside (`bases`): replay is always right.
"""

from collections.abc import AsyncIterator

import msgspec

from events.catalogue import Catalogue
from events.envelope import Event, Head, Stored, unseal
from events.errors import Corrupt
from events.ids import run_stream
from events.limits import FORKS_MAX
from events.operator_facts import RunRestored
from events.run_facts import RunForked
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.restoring import rewind
from orchestrator.kernel.snapshot import fingerprint, restore
from orchestrator.kernel.state import RunState, serialise
from orchestrator.replay.bases import LeftAside, newest_base, readable
from orchestrator.replay.ports import History
from orchestrator.replay.snapshots import Snapshot

PAGE = 1000


Kept = dict[int, bytes]
"""States of one run at versions that it was restored to, serialised."""


class Rebuilt(msgspec.Struct):
    """A run's state, where its stream ends, and the bytes folded since the snapshot.

    `left_aside`: snapshots that could not be used; whoever asked tells of them.
    """

    state: RunState
    head: Head
    tail_bytes: int = 0
    snapshot_version: int = 0
    traceparent: str = ""
    left_aside: tuple[LeftAside, ...] = ()


class Rebuilder:
    """Rebuilds runs from a store; holds nothing between calls."""

    def __init__(self, store: History, catalogue: Catalogue, *, snapshots: bool = True) -> None:
        self._store = store
        self._catalogue = catalogue
        self._snapshots = snapshots

    async def run(self, run_id: str, at: int | None = None, forks: int = 0) -> Rebuilt | None:
        """The run at version `at` (its last one by default), or None when there is no such run.

        Raises `Corrupt` naming the event that cannot be decoded, is missing, or breaks the chain.
        """
        return await self._run(run_id, at, forks, {})

    async def _run(self, run_id: str, at: int | None, forks: int, kept: Kept) -> Rebuilt | None:
        stream = run_stream(run_id)
        rebuilt = await self._base(stream, at)
        while True:
            events = await self._store.read(stream, rebuilt.head.version, PAGE)
            for stored in events:
                if at is not None and stored.version > at:
                    return rebuilt
                await self._fold(rebuilt, stored, forks, kept)
            if len(events) < PAGE:
                return rebuilt if rebuilt.head.version else None

    async def events(self, run_id: str) -> list[Event]:
        """All events of a run in order; the chain is checked. Raises `Corrupt`."""
        return [event async for event in self.follow(run_id)]

    async def follow(self, run_id: str) -> AsyncIterator[Event]:
        """The same, one after the other."""
        head = Head(run_stream(run_id))
        while page := await self._store.read(head.stream, head.version, PAGE):
            for stored in page:
                yield _next(head, stored, self._catalogue)

    async def ground(self, state: RunState, event: Event, kept: Kept | None = None) -> RunState:
        """What an event is folded onto: the state so far, but for a fork that of its source, and
        for a restore that of the earlier version, which is put into `kept`: it may be asked for
        once more. Raises `Corrupt` when that is not in the log."""
        rebuilt = Rebuilt(state, Head(event.header.stream))
        await self._ground(rebuilt, event, 0, {} if kept is None else kept)
        return rebuilt.state

    async def _ground(self, rebuilt: Rebuilt, event: Event, forks: int, kept: Kept) -> None:
        stream, fact = event.header.stream, event.fact
        if isinstance(fact, RunForked):
            source = await self._source(fact, stream, forks)
            rebuilt.state = source.state
            rebuilt.left_aside += source.left_aside
        elif isinstance(fact, RunRestored):
            rewind(rebuilt.state, await self._earlier(rebuilt, fact, forks, kept))

    async def _earlier(
        self, rebuilt: Rebuilt, fact: RunRestored, forks: int, kept: Kept
    ) -> RunState:
        """Each version is rebuilt once for all that go back to it, or restores of restores would
        cost twice as much each."""
        stream = rebuilt.head.stream
        if fact.version not in kept:
            found = await self._run(stream.partition(":")[2], fact.version, forks, kept)
            if found is None or found.head.version != fact.version or fact.version >= fact.at:
                raise Corrupt(
                    f"event {fact.at} of {stream} goes back to version {fact.version}, which is "
                    "not in the log before it"
                )
            rebuilt.left_aside += found.left_aside
            kept[fact.version] = serialise(found.state)
        return restore(kept[fact.version])

    async def _base(self, stream: str, at: int | None) -> Rebuilt:
        if not self._snapshots:
            return Rebuilt(RunState(), Head(stream))
        base = await newest_base(self._store, stream, at, _state)
        state = RunState() if base.state is None else base.state
        found = Rebuilt(state, base.head, snapshot_version=base.head.version)
        found.left_aside = base.left_aside
        return found

    async def _fold(self, rebuilt: Rebuilt, stored: Stored, forks: int, kept: Kept) -> None:
        event = _next(rebuilt.head, stored, self._catalogue)
        await self._ground(rebuilt, event, forks, kept)
        evolve(rebuilt.state, event.fact, event.header.recorded_at)
        rebuilt.tail_bytes += len(stored.state)
        rebuilt.traceparent = rebuilt.traceparent or event.header.traceparent

    async def _source(self, fact: RunForked, stream: str, forks: int) -> Rebuilt:
        if forks >= FORKS_MAX:
            raise Corrupt(f"{stream} is a fork over {FORKS_MAX} forks deep")
        source = await self.run(fact.source_run_id, fact.source_version, forks + 1)
        if source is None or source.head.version != fact.source_version:
            raise Corrupt(
                f"{stream} is a fork of run {fact.source_run_id} at version "
                f"{fact.source_version}, which is not in the log"
            )
        return source


def _state(snapshot: Snapshot) -> RunState | None:
    if snapshot.fingerprint != fingerprint():
        return None
    return readable(snapshot, restore)


def _next(head: Head, stored: Stored, catalogue: Catalogue) -> Event:
    """Decodes the stream's next event and moves `head`; raises `Corrupt` when the chain breaks."""
    if stored.version != head.version + 1:
        raise Corrupt(f"event {head.version + 1} of {head.stream} is missing from the log")
    event = unseal(stored, catalogue)
    if event.header.previous != head.digest:
        raise Corrupt(
            f"event {stored.version} of {head.stream} does not follow the stored event before it: "
            "one of the two was changed"
        )
    head.version = stored.version
    head.digest = event.digest
    head.segment = event.header.segment
    return event
