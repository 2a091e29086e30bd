"""Archives: files that closed runs are moved to, each of many runs, that stand for themselves.

A file is a sequence of compressed frames of JSON lines, so that whoever can decompress can read it:

    head      what it is: log, when, where the log ended then
    a frame for each run: a line that says what it is, then its events as they were stored, with
              their positions; before them those of the run that it was forked from, if it was; then
              the stored values that they name, as they lay there (sealed ones stay sealed)
    manifest  every run again, with the place and the digest of its frame
    trailer   place and digest of the manifest

Order of things: the file is written and made durable, read back and compared, made known to the
log; only then are runs removed, some in each transaction, which leaves a tombstone for each. So
wherever this is interrupted, a run is in the log, or in a durable file that the log names.
"""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from events.envelope import Stored, seals_of
from events.ids import run_stream
from events.references import Payload
from orchestrator.replay.audit.log_batches import Anchor
from orchestrator.replay.exchange.export import Place

FORMAT = "dalsegno.archive.v1"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `created_at`: microseconds. `anchor`: the end of the log then."""

    archive: str = FORMAT
    log: str
    shards: int
    created_at: int
    anchor: Anchor


class MovedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A closed run. `version` and `digest`: those of its last event. Instants in microseconds."""

    run_id: str
    workflow: str
    workflow_version: str
    status: str
    version: int
    digest: str
    started_at: int
    updated_at: int


class ArchivedRun(MovedRun, frozen=True, kw_only=True):
    """A run in an archive. `events`: in its frame, those of what it was forked from included.
    `offset`, `bytes`, `sha256`: of its frame."""

    parent: str = ""
    events: int = 0
    payloads: int = 0
    offset: int = 0
    bytes: int = 0
    sha256: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    head: Head
    runs: tuple[ArchivedRun, ...]
    events: int
    payloads: int


class Trailer(msgspec.Struct, frozen=True, kw_only=True):
    """`offset`, `bytes`, `sha256`: of the manifest's frame."""

    offset: int
    bytes: int
    sha256: str


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a run's frame behind its first: an event, or a stored value."""

    position: int = 0
    event: msgspec.Raw = msgspec.Raw()
    payload: str = ""
    data: bytes = b""


class Tombstone(MovedRun, frozen=True, kw_only=True):
    """What the log keeps of a run that was moved to an archive."""

    archive: str
    archived_at: int


class RunFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is read back: its events, those of what it was forked from, and stored values."""

    run: ArchivedRun
    events: list[Stored]
    sources: list[Stored]
    payloads: list[Payload]


class ArchiveFile(Protocol):
    """An archive that can be read, run by run."""

    manifest: Manifest

    def read(self, run: ArchivedRun) -> RunFrame:
        """Raises `Corrupt` naming the run when its frame is damaged."""


def moved(tombstone: Tombstone) -> str:
    """What is answered about a run that was moved to an archive."""
    run_id, name = tombstone.run_id, tombstone.archive
    return (
        f"run {run_id} is {tombstone.status} and was moved to the archive {name}: "
        f"`dalsegno archive show {name} {run_id}` shows it, "
        f"`dalsegno archive restore {name} {run_id}` brings it back"
    )


def event_line(stored: Stored) -> bytes:
    """The bytes of the event stay as they are."""
    return b'{"position":%d,"event":%b}\n' % (stored.position or 0, stored.state)


def payload_line(payload: Payload) -> bytes:
    return msgspec.json.encode(Line(payload=payload.hash, data=payload.data)) + b"\n"


def frame_of(run: ArchivedRun, lines: Iterable[bytes]) -> RunFrame:
    """A run's frame from its lines behind the first. Raises `msgspec.MsgspecError`."""
    decoder = msgspec.json.Decoder(Line)
    frame = RunFrame(run=run, events=[], sources=[], payloads=[])
    for text in lines:
        line = decoder.decode(text)
        if line.payload:
            frame.payloads.append(Payload(hash=line.payload, data=line.data))
            continue
        stored = _stored(bytes(line.event), line.position)
        own = stored.stream == run_stream(run.run_id)
        (frame.events if own else frame.sources).append(stored)
    return frame


def _stored(state: bytes, position: int) -> Stored:
    place = msgspec.json.decode(state, type=Place)
    return Stored(place.stream, place.version, place.type, state, position)


def streams_of(frame: RunFrame) -> dict[str, list[Stored]]:
    """The events of a frame by stream."""
    return by_stream(unread([*frame.sources, *frame.events]))


def unread(events: Iterable[Stored]) -> list[Stored]:
    """Events as whoever has no keys reads them: their personal values as if they were erased."""
    return [
        msgspec.structs.replace(one, opened=b"") if seals_of(one) and one.opened is None else one
        for one in events
    ]


def by_stream(events: Iterable[Stored]) -> dict[str, list[Stored]]:
    """Events by stream, in their order."""
    found: dict[str, list[Stored]] = {}
    for stored in events:
        found.setdefault(stored.stream, []).append(stored)
    return found


class _Fork(msgspec.Struct, frozen=True):
    source_run_id: str = ""


class _Event(msgspec.Struct, frozen=True):
    data: _Fork = _Fork()


def fork_source(state: bytes) -> str:
    """The run that a fork's first event stands on; "" when that cannot be read."""
    try:
        return msgspec.json.decode(state, type=_Event).data.source_run_id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
