"""Archiving: moving runs that ended long ago into files, bringing them back, and sweeping up after.

A run is moved only when nothing stands on it (no open run has started it, no fork of it is in the
log) and an audit finds nothing wrong with it: what is damaged is kept where it can be mended. What
is kept is named.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.codec import decode, digest
from events.envelope import Head, Stored, unseal
from events.errors import Corrupt, Unavailable
from events.ids import run_stream
from events.references import Payload
from events.run_facts import RunForked
from orchestrator.kernel.state import RunState
from orchestrator.replay.audit.verify import Audited, Verifier
from orchestrator.replay.exchange.export import Exported
from orchestrator.replay.ports import History, IndexRow, row_of
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.retention import archives as a

PAGE = 500
REMOVED_AT_ONCE = 2_000
"""Events of a transaction: appends wait for it."""
KEPT_TOLD = 1_000
NAMED = re.compile(rb"[0-9a-f]{64}")
"""Whatever may be the name of a stored value: rather keep one too many."""


class Archives(Protocol):
    """The log's side; see `PostgresArchives`."""

    async def candidates(
        self, before: int, workflow: str, after: str, limit: int
    ) -> list[IndexRow]: ...

    async def opened(self, events: Sequence[Stored]) -> list[Stored]: ...

    async def raw_payloads(self, hashes: Sequence[str]) -> list[Payload]: ...

    async def begin(self, name: str, digest: str, runs: int, events: int) -> None: ...

    async def done(self, name: str) -> None: ...

    async def remove(
        self, name: str, runs: Sequence[a.ArchivedRun], forks_after: int
    ) -> tuple[list[str], int]: ...

    async def restore(
        self, events: Sequence[Stored], row: IndexRow, payloads: Sequence[Payload]
    ) -> bool: ...

    async def payload_names(self, after: str, before: int, limit: int) -> list[tuple[str, int]]: ...

    async def delete_payloads(self, hashes: Sequence[str], before: int) -> int: ...


class Archivable(Audited, Protocol):
    """The log."""

    async def read_log(self, after: int = 0, limit: int = 1000) -> list[Stored]: ...

    async def first_events(self, topic: str, after: int, limit: int = 1000) -> list[Stored]: ...

    async def last_position(self) -> int: ...


class Writer(Protocol):
    @property
    def size(self) -> int: ...

    def add(self, run: a.ArchivedRun, lines: Iterator[bytes]) -> None: ...

    def finish(self) -> a.Manifest: ...


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription of the log: it has had everything up to a position."""

    name: str
    position: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What goes: runs that ended `before` an instant (microseconds), of one workflow or of all; at
    most so many in one file. `last`: the subscription that is furthest behind, if there is one."""

    before: int
    workflow: str = ""
    runs_max: int = 10_000
    bytes_max: int = 1024 * 1024 * 1024
    last: Follower | None = None


class Link(msgspec.Struct, frozen=True):
    """As much of an envelope as chains it: what a personal event says need not be read for that."""

    previous: str = ""


class Moved(msgspec.Struct, kw_only=True):
    """What was done. `kept`: runs that are old enough and stay, and why."""

    archives: list[str] = []
    runs: int = 0
    events: int = 0
    kept: list[tuple[str, str]] = []

    def keep(self, run_id: str, why: str) -> None:
        if len(self.kept) < KEPT_TOLD:
            self.kept.append((run_id, why))


class Archiver:
    """Moves runs of one log; holds nothing between calls. `whole`: all logs of the cluster, for
    what runs of other logs stand on, and what they name."""

    def __init__(
        self, log: Archivable, whole: Archivable, archives: Archives, verifier: Verifier
    ) -> None:
        self._log = log
        self._whole = whole
        self._archives = archives
        self._verifier = verifier
        self._catalogue = Catalogue()

    # -- which --------------------------------------------------------------------------------

    async def candidates(self, wanted: Wanted, moved: Moved) -> AsyncIterator[IndexRow]:
        """Runs that may go; of those that may not `moved` is told."""
        forks, after = await self.forks(), ""
        while rows := await self._archives.candidates(wanted.before, wanted.workflow, after, PAGE):
            after = rows[-1].run_id
            for row in rows:
                if fork := forks.get(row.run_id):
                    moved.keep(row.run_id, f"run {fork} is a fork of it: that one goes first")
                    continue
                verified = await self._verifier.run(row.run_id)
                if verified is None or verified.findings:
                    said = verified.findings[0].message if verified else "it has no events"
                    moved.keep(row.run_id, f"it is damaged: {said}")
                    continue
                if (last := wanted.last) and await self._end_of(row) > last.position:
                    moved.keep(
                        row.run_id,
                        f"subscription {last.name} is at position {last.position} and has not had "
                        "all of it: let it catch up, or delete it",
                    )
                    continue
                yield row

    async def _end_of(self, row: IndexRow) -> int:
        """The position of a run's last event."""
        found = await self._log.read(run_stream(row.run_id), row.version - 1, 1)
        return found[0].position or 0 if found else 0

    async def forks(self) -> dict[str, str]:
        """The runs that forks stand on, each with one of its forks."""
        found: dict[str, str] = {}
        after = 0
        while page := await self._whole.first_events(RunForked.TYPE, after, PAGE):
            for stored in page:
                fact = unseal(stored, self._catalogue).fact
                if isinstance(fact, RunForked):
                    found[fact.source_run_id] = stored.stream.removeprefix(run_stream(""))
            after = page[-1].position or after
        return found

    # -- moving -------------------------------------------------------------------------------

    async def write(self, row: IndexRow, writer: Writer) -> int:
        """Adds a run to the file; how many of its own events it has."""
        stream = run_stream(row.run_id)
        own = await _stream(self._log, stream)
        sources = await self._sources(own)
        names = dict.fromkeys(
            name.decode() for event in (*sources, *own) for name in NAMED.findall(_bytes(event))
        )
        payloads = await self._archives.raw_payloads(list(names))
        run = a.ArchivedRun(
            run_id=row.run_id,
            workflow=row.workflow,
            workflow_version=row.workflow_version,
            status=row.status,
            version=row.version,
            digest=digest(own[-1].state),
            started_at=row.started_at,
            updated_at=row.updated_at,
            parent=row.parent,
            events=len(own) + len(sources),
            payloads=len(payloads),
        )
        events = [a.event_line(event) for event in (*sources, *own)]
        writer.add(run, iter([*events, *map(a.payload_line, payloads)]))
        return len(own)

    async def _sources(self, own: Sequence[Stored]) -> list[Stored]:
        """The events of what a fork stands on, those of the first of them first."""
        found: list[Stored] = []
        fact = unseal(own[0], self._catalogue).fact
        while isinstance(fact, RunForked):
            events = (await _stream(self._whole, run_stream(fact.source_run_id)))[
                : fact.source_version
            ]
            found = events + found
            fact = unseal(events[0], self._catalogue).fact
        return found

    async def remove(self, name: str, file: a.ArchiveFile, moved: Moved) -> None:
        """Removes the runs of a durable file from the log, each only after it was read back and is
        what the file says. Done again it goes on where it was."""
        forks_after = file.manifest.head.anchor.position
        chunk: list[a.ArchivedRun] = []
        for run in file.manifest.runs:
            self.check(file, run)
            chunk.append(run)
            if sum(one.events for one in chunk) >= REMOVED_AT_ONCE:
                await self._remove(name, chunk, forks_after, moved)
                chunk = []
        if chunk:
            await self._remove(name, chunk, forks_after, moved)
        await self._archives.done(name)

    async def _remove(
        self, name: str, runs: Sequence[a.ArchivedRun], forks_after: int, moved: Moved
    ) -> None:
        forks = await self.forks() if self._whole is not self._log else {}  # ours: by the removal
        going = [run for run in runs if run.run_id not in forks]
        gone, events = await self._archives.remove(name, going, forks_after)
        moved.runs += len(gone)
        moved.events += events

    def check(self, file: a.ArchiveFile, run: a.ArchivedRun) -> a.RunFrame:
        """Reads a run back; raises `Corrupt` when it is not whole."""
        frame = file.read(run)
        for events in a.streams_of(frame).values():
            head = Head(events[0].stream)
            for stored in events:
                link = decode(stored.state, Link, f"event {stored.version} of {stored.stream}")
                if stored.version != head.version + 1 or link.previous != head.digest:
                    raise Corrupt(f"event {stored.version} of {stored.stream} is not what it was")
                head.version, head.digest = stored.version, digest(stored.state)
        last = frame.events[-1] if frame.events else None
        if last is None or (last.version, digest(last.state)) != (run.version, run.digest):
            raise Corrupt(f"the archive does not have all of run {run.run_id}")
        return frame

    # -- return -------------------------------------------------------------------------------

    async def restore(self, file: a.ArchiveFile, run: a.ArchivedRun, shard: int) -> bool:
        """Brings a run back. False when the log does not know that it was moved."""
        frame = self.check(file, run)
        opened = [
            *await self._archives.opened(frame.sources),
            *await self._archives.opened(frame.events),
        ]
        state = await rebuilt(run.run_id, opened, self._catalogue)
        row = row_of(run.run_id, shard, state)
        return await self._archives.restore(frame.events, row, frame.payloads)

    # -- stored values ------------------------------------------------------------------------

    async def sweep(
        self, before: int, tell: Callable[[int], None], *, remove: bool
    ) -> tuple[int, int]:
        """Stored values from before an instant that no event of the log names: how many, and their
        bytes; removes them if told to. O(events) of time."""
        named, position = set[bytes](), 0
        while page := await self._whole.read_log(position, PAGE):
            for stored in page:
                found = NAMED.findall(_bytes(stored))
                named.update(map(bytes.fromhex, map(bytes.decode, found)))
            position = page[-1].position or position
            tell(position)
        count, size, after = 0, 0, ""
        while rows := await self._archives.payload_names(after, before, PAGE):
            after = rows[-1][0]
            left = {hash_: bytes_ for hash_, bytes_ in rows if bytes.fromhex(hash_) not in named}
            if left and remove:
                count += await self._archives.delete_payloads(list(left), before)
            else:
                count += len(left)
            size += sum(left.values())
        return count, size


def _bytes(stored: Stored) -> bytes:
    """All in which an event may name something. Raises `Unavailable` when its values cannot be
    opened: nobody can say then what it names."""
    if stored.trouble:
        raise Unavailable(f"event {stored.version} of {stored.stream}: {stored.trouble}")
    return stored.state + (stored.opened or b"")


async def _stream(store: History, stream: str) -> list[Stored]:
    found: list[Stored] = []
    while page := await store.read(stream, len(found), PAGE):
        found += page
    return found


async def rebuilt(
    run_id: str, events: Sequence[Stored], catalogue: Catalogue, at: int | None = None
) -> RunState:
    """The state of an archived run, at a version or its last one, from its events and those of what
    it was forked from. Raises `Corrupt`."""
    history = Exported(run_id, a.by_stream(events))
    found = await Rebuilder(history, catalogue, snapshots=False).run(run_id, at)
    if found is None:
        raise Corrupt(f"the archive has no events of run {run_id}")
    return found.state
