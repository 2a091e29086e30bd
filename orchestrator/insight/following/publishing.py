"""Publishing a log onto a stream of messages that may vanish at any time.

Guarantee. The stream holds the wanted events in the order of the log, each once, from some place on
without a gap. Its own last message says how far it is, so nothing depends on what a publisher
remembered when it died.

    sync ──► the stream's last event ──is in the log──► go on behind it
      ▲            │         └─ is not (the log was restored) ──► from the kept position
      │            ├─ there is none any more (old, or purged) ──► from the kept position
      │            └─ there never was one (new, or wiped) ──► as far back as it would hold
      └── the stream is not where we left it ◄── publish, page by page ◄──┘

What is personal is withheld: a stream cannot be made to forget. What no message can carry goes
without its data, with `dataref` naming where it is.
"""

import logging
import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from events.catalogue import Catalogue
from events.codec import digest
from events.envelope import Stored, seals_of
from events.errors import Corrupt
from events.limits import FEED_MESSAGE_BYTES_MAX
from orchestrator.insight.following.feed import FollowedLog, Taken
from orchestrator.insight.following.filters import Wanted
from orchestrator.insight.following.positions import Batches, position_before
from orchestrator.insight.following.sieve import Followed, decoded
from orchestrator.insight.formats.cloudevents import CONTENT_TYPE, cloudevent, place_id

UNNAMED = "unnamed"
"""The type in the subject of an event whose own cannot be part of one."""
_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

log = logging.getLogger("dalsegno.feed")


class Message(msgspec.Struct, frozen=True):
    """`id`: the same for the same event; `kind`: its type, part of the subject."""

    id: str
    kind: str
    body: bytes
    content_type: str = CONTENT_TYPE


class Last(msgspec.Struct, frozen=True):
    """Where a stream ends: its sequence, and the event there; position 0 where there is none."""

    sequence: int
    position: int = 0
    event_id: str = ""


class Outlet(Protocol):
    """A stream of messages for one log. Every method may raise `Unavailable`."""

    async def last(self) -> Last:
        """Makes the stream where it is missing. Raises `Misconfigured` when it cannot be."""

    async def bytes_max(self) -> int:
        """Of one message."""

    async def publish(self, messages: Sequence[Message], after: int) -> int:
        """Stores all in order behind sequence `after` and returns the sequence of the last. Raises
        `Conflict` when something else is there; some may be stored then."""


class PublishedLog(FollowedLog, Batches, Protocol):
    """The log that is published."""

    async def last_position(self) -> int: ...


class Kept(msgspec.Struct, frozen=True):
    """What the subscription says: where the publisher was, and where it began ever."""

    position: int
    began_at: int


async def resume_after(source: PublishedLog, last: Last, kept: Kept, oldest: int) -> int:
    """The position to go on behind. `oldest`: the instant (microseconds) before which the stream
    would have dropped everything by now. Raises `Unavailable`."""
    end = await source.last_position()
    if last.position:
        if last.position <= end and await _is_there(source, last):
            return last.position
        log.warning("the stream ends with event %s, which the log has not", last.event_id)
        return kept.position
    if last.sequence:
        return kept.position
    held = await position_before(source, oldest, end)
    return max(kept.began_at, min(kept.position, held))


async def _is_there(source: PublishedLog, last: Last) -> bool:
    """Whether the log has that event at that position, or has it in an archive."""
    taken = await source.read_wanted(last.position - 1, Wanted())
    if not taken.events or taken.events[0].position != last.position:
        return True
    stored = taken.events[0]
    seen = decoded(log="", stored=_withheld(stored), catalogue=Catalogue())
    return last.event_id in {id_of(seen), place_id(stored)}


def id_of(seen: Followed) -> str:
    """As its envelope says it."""
    return seen.event.header.id if seen.event is not None else place_id(seen.stored)


def message_of(seen: Followed, bytes_max: int) -> Message:
    """The message of an event. O(bytes)."""
    envelope = cloudevent(seen)
    body = msgspec.json.encode(envelope)
    if len(body) > min(bytes_max, FEED_MESSAGE_BYTES_MAX):
        for name in ("data", "data_base64", "datacontenttype"):
            envelope.pop(name, None)
        stored = seen.stored
        envelope["dataref"] = f"{envelope['source']}:{stored.stream}/{stored.version}"
        body = msgspec.json.encode(envelope)
    return Message(
        id=f"{seen.log}/{digest(str(envelope['id']).encode())}",
        kind=kind if _SUBJECT.fullmatch(kind := seen.stored.type) else UNNAMED,
        body=body,
    )


class Withholding:
    """A log without what is personal in it: such values read as erased."""

    def __init__(self, source: FollowedLog) -> None:
        self._source = source

    async def read_wanted(self, after: int, wanted: Wanted) -> Taken:
        taken = await self._source.read_wanted(after, wanted)
        return msgspec.structs.replace(taken, events=list(map(_withheld, taken.events)))

    async def begins_of(self, streams: Sequence[str]) -> list[Stored]:
        return list(map(_withheld, await self._source.begins_of(streams)))


def _withheld(stored: Stored) -> Stored:
    try:
        is_personal = seals_of(stored) is not None
    except Corrupt:
        return stored
    if not is_personal:
        return stored
    return msgspec.structs.replace(stored, opened=b"", trouble="")
