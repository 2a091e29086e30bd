"""Export: a run's history as a file that can be replayed anywhere, and reading it back.

Every line is the stored bytes of an event, unchanged, so that the chain of digests can be checked:
first the stream of the workflow's definition, then those of the runs that it was forked from, then
its own. The last line says which run it is and where each stream ends, so that a file that was cut
short is known as well.
"""

from collections.abc import AsyncIterator, Iterable

import msgspec

from events.catalogue import Catalogue
from events.codec import decode, encode
from events.envelope import Event, Head, Stored, unseal
from events.errors import Corrupt, Rejected
from events.ids import definition_stream, run_stream
from events.run_facts import RunForked, RunStarted
from orchestrator.replay.ports import History
from orchestrator.replay.snapshots import Snapshot

PAGE = 500


class End(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line: `heads` gives version and digest of each stream's last event."""

    run_id: str
    heads: dict[str, tuple[int, str]]


class Place(msgspec.Struct, frozen=True):
    """As much of an envelope as says where it belongs."""

    stream: str
    version: int
    type: str


async def export(store: History, catalogue: Catalogue, run_id: str) -> AsyncIterator[bytes]:
    """The lines of a run's history. Raises `Rejected` when there is no such run, `Corrupt`."""
    heads: dict[str, tuple[int, str]] = {}
    for stream in await _streams(store, catalogue, run_id):
        head = Head(stream)
        while page := await store.read(stream, head.version, PAGE):
            for stored in page:
                follow(head, stored, catalogue)
                yield stored.state
        heads[stream] = head.version, head.digest
    yield encode(End(run_id=run_id, heads=heads))


async def _streams(store: History, catalogue: Catalogue, run_id: str) -> list[str]:
    """What the run stands on, first things first, and the run."""
    streams = [run_stream(run_id)]
    while True:
        first = await store.read(streams[0], 0, 1)
        if not first:
            raise Rejected(f"there is no run {run_id}: `dalsegno run list` shows those there are")
        fact = unseal(first[0], catalogue).fact
        if isinstance(fact, RunForked):
            streams.insert(0, run_stream(fact.source_run_id))
        elif isinstance(fact, RunStarted):
            return [definition_stream(fact.workflow), *streams]
        else:
            raise Corrupt(f"{streams[0]} begins with {fact.TYPE}: a run is started or forked")


def follow(head: Head, stored: Stored, catalogue: Catalogue) -> Event:
    """Decodes the event after `head` and moves it. Raises `Corrupt` when the chain is broken."""
    event = unseal(stored, catalogue)
    if stored.version != head.version + 1 or event.header.previous != head.digest:
        raise Corrupt(
            f"event {stored.version} of {stored.stream} does not follow event {head.version}: "
            "events are missing, or one of the two was changed"
        )
    head.version, head.digest = stored.version, event.digest
    return event


class Exported:
    """A history as it was exported: streams without snapshots."""

    def __init__(self, run_id: str, streams: dict[str, list[Stored]]) -> None:
        self.run_id = run_id
        self._streams = streams

    async def read(self, stream: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        return self._streams.get(stream, [])[after:][:limit]

    async def load_snapshot(self, stream: str, at_most: int | None = None) -> Snapshot | None:
        return None


def read_export(lines: Iterable[bytes], catalogue: Catalogue, name: str) -> Exported:
    """The history in the lines of the file `name`. Raises `Corrupt` with the line that is wrong."""
    streams: dict[str, list[Stored]] = {}
    heads: dict[str, Head] = {}
    end: End | None = None
    for number, text in enumerate(lines, 1):
        if end is not None:
            raise Corrupt(f"{name}:{number}: the history ended in the line before")
        line = text.rstrip(b"\r\n")
        if line.startswith(b'{"run_id"'):
            end = decode(line, End, f"{name}:{number}")
            continue
        place = decode(line, Place, f"{name}:{number}")
        stored = Stored(place.stream, place.version, place.type, line, opened=b"")  # no keys here
        head = heads.setdefault(place.stream, Head(place.stream))
        try:
            follow(head, stored, catalogue)
        except Corrupt as error:
            raise Corrupt(f"{name}:{number}: {error}") from None
        streams.setdefault(place.stream, []).append(stored)
    if end is None:
        raise Corrupt(f"{name} has no end: it was cut short; export the run again")
    if end.heads != {stream: (head.version, head.digest) for stream, head in heads.items()}:
        raise Corrupt(f"{name} does not hold what its last line says: export the run again")
    return Exported(end.run_id, streams)
