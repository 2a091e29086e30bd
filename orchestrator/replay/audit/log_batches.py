"""Batches: what each append has added to a log, chained from one to the next.

Every append leaves a row with the digests of its events, and a digest over these and the digest of
the row before. So the log alone shows an event that was changed, also the last one of its stream;
one that has vanished, with its stream or out of the middle of it; and a log that was cut short,
unless its rows were cut together with it: that shows against an `Anchor` kept elsewhere.
"""

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from struct import Struct

import msgspec

from events.envelope import Stored
from events.ids import run_stream

DIGEST_BYTES = 16
"""Of each event's SHA-256, in a batch."""

_PLACES = Struct("!qqqq")


class LogBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One append. `first` and `last`: positions. `digests`: those of its events, one after the
    other; none (and `events` 0) where a release without batches has appended. `gone`: a bit an
    event, 1 where it was moved to an archive; empty while all are here. `recorded_at` in
    microseconds by the database's clock."""

    number: int
    first: int
    last: int
    events: int
    digests: bytes
    digest: bytes
    recorded_at: int
    gone: bytes = b""

    def is_gone(self, position: int) -> bool:
        """Whether the event there was moved to an archive."""
        place = position - self.first
        return bool(self.gone) and bool(self.gone[place // 8] >> place % 8 & 1)

    def digest_at(self, position: int) -> bytes:
        """What it keeps of the event there."""
        start = (position - self.first) * DIGEST_BYTES
        return self.digests[start : start + DIGEST_BYTES]


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a log's batches at some time, to be kept outside of the database."""

    log: str
    number: int
    digest: str
    position: int
    recorded_at: int


def event_digest(state: bytes) -> bytes:
    """What a batch keeps of an event's stored bytes."""
    return sha256(state).digest()[:DIGEST_BYTES]


def event_digests(states: Iterable[bytes]) -> bytes:
    """The same of several, one after the other."""
    return b"".join([sha256(state).digest()[:DIGEST_BYTES] for state in states])


def short(digest: str) -> bytes:
    """What a batch keeps of an event with this digest, which is written in letters."""
    return urlsafe_b64decode(f"{digest}=")[:DIGEST_BYTES]


def chained(before: bytes, batch: LogBatch) -> bytes:
    """The digest that a batch must have behind one with the digest `before`."""
    places = _PLACES.pack(batch.number, batch.first, batch.last, batch.recorded_at)
    return sha256(before + places + batch.digests).digest()


def differences(batch: LogBatch, events: Sequence[Stored]) -> Iterator[tuple[str, int, str]]:
    """What differs between a batch and the events that are there: the run, if it is about one, the
    position, and why."""
    there = {event.position or 0: event for event in events}
    for position in range(batch.first, batch.last + 1):
        event = there.get(position)
        if event is None and not batch.is_gone(position):
            text = f"the event at position {position} has vanished: batch {batch.number} had it"
            yield "", position, text
        if event is not None and event_digest(event.state) != batch.digest_at(position):
            run_id = event.stream.removeprefix(run_stream(""))
            text = f"event {event.version} of {event.stream} is not what was appended"
            yield run_id if run_id != event.stream else "", position, text
