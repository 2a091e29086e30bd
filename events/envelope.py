"""The stored envelope: what every event carries beside its fact.

Complete from the first day, because an old history cannot be filled in later; what equals its
default is not stored. `previous` is the digest of the predecessor's stored bytes, which chains each
stream. There is no log position inside: that belongs to the store.
"""

import msgspec

from events.catalogue import Catalogue
from events.codec import decode, digest, encode
from events.errors import Corrupt
from events.facts import Fact

NAMESPACE = "default"


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`stream`/`version`: the event's place (1-based). `recorded_at`: microseconds, UTC.

    `actor`: who caused it (`system`, `node:<id>`, `user:<name>`). `causation`: id of the input or
    event that led to it. `correlation`: id of the business transaction, empty when it is the stream
    itself.
    `epoch`: the appending coordinator's. `codec`: flags, 0 is plain JSON. `key_id`: encryption key
    of the data, empty is none.
    """

    id: str
    stream: str
    version: int
    type: str
    recorded_at: int
    actor: str = "system"
    causation: str = ""
    correlation: str = ""
    traceparent: str = ""
    epoch: int = 0
    generation: int = 0
    segment: int = 0
    namespace: str = NAMESPACE
    codec: int = 0
    key_id: str = ""
    previous: str = ""


class _Writing(Header, frozen=True, kw_only=True, omit_defaults=True):
    data: Fact


class _Reading(Header, frozen=True, kw_only=True, omit_defaults=True):
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Event(msgspec.Struct, frozen=True):
    """A decoded event: header, fact, and the digest of its stored bytes."""

    header: Header
    fact: Fact
    digest: str


class Stored(msgspec.Struct, frozen=True):
    """An event as the store holds it: place, stored name, bytes."""

    stream: str
    version: int
    type: str
    state: bytes
    position: int | None = None
    """Place in the whole log, known only once read from it."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What all events of one decision have in common."""

    recorded_at: int
    actor: str = "system"
    causation: str = ""
    correlation: str = ""
    traceparent: str = ""
    epoch: int = 0
    namespace: str = NAMESPACE


class Head(msgspec.Struct):
    """Where a stream ends: version (0: no event yet), digest of the last event's bytes, segment."""

    stream: str
    version: int = 0
    digest: str = ""
    segment: int = 0


def seal(head: Head, fact: Fact, event_id: str, stamp: Stamp) -> Stored:
    """Returns `fact` as the next stored event of the stream and moves `head` to it."""
    state = encode(
        _Writing(
            id=event_id,
            stream=head.stream,
            version=head.version + 1,
            type=fact.TYPE,
            recorded_at=stamp.recorded_at,
            actor=stamp.actor,
            causation=stamp.causation,
            correlation=stamp.correlation,
            traceparent=stamp.traceparent,
            epoch=stamp.epoch,
            generation=getattr(fact, "generation", 0),
            segment=head.segment,
            namespace=stamp.namespace,
            previous=head.digest,
            data=fact,
        )
    )
    head.version += 1
    head.digest = digest(state)
    return Stored(head.stream, head.version, fact.TYPE, state)


def unseal(stored: Stored, catalogue: Catalogue) -> Event:
    """Returns the event in today's shape (old types are upcast).

    Raises `Corrupt` when the bytes cannot be decoded, name another place or type than the one they
    were found at, use an unknown codec, or the type is unknown.
    """
    what = f"event {stored.version} of {stored.stream}"
    raw = decode(stored.state, _Reading, what)
    if (raw.stream, raw.version, raw.type) != (stored.stream, stored.version, stored.type):
        raise Corrupt(f"{what} says that it is event {raw.version} of {raw.stream}, {raw.type}")
    if raw.codec or raw.key_id:
        raise Corrupt(f"{what} uses codec {raw.codec} with key {raw.key_id!r}: expected plain JSON")
    return Event(raw, catalogue.decode(raw.type, raw.data, what), digest(stored.state))
