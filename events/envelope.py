"""The stored envelope: what every event carries beside its fact.

Complete from the first day, because an old history cannot be filled in later; what equals its
default is not stored. `previous` is the digest of the predecessor's stored bytes, which chains each
stream. There is no log position inside: that belongs to the store.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal

import msgspec

from events.catalogue import Catalogue
from events.codec import decode, digest, encode
from events.errors import Corrupt, MissingKey
from events.facts import Fact
from events.personal import put_together, taken_apart
from events.sealing import EventKey

NAMESPACE = "default"
PERSONAL = 1
"""The codec of events whose values stand aside."""

CLOSED = "its data key was not asked for"
PERSONAL_MARK = b'"codec":1'
"""In the bytes of each of them, and of hardly any other."""


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`stream`/`version`: the event's place (1-based). `recorded_at`: microseconds, UTC.

    `actor`: who caused it (`system`, `node:<id>`, `user:<name>`). `causation`: id of the input or
    event that led to it. `correlation`: id of the business transaction, empty when it is the stream
    itself.
    `epoch`: the appending coordinator's. `codec`: 0 is plain JSON; with 1 the values of users stand
    aside in `sealed`, which opens with the data key `key_id` (see `personal`).
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


class _WritingSealed(Header, frozen=True, kw_only=True, omit_defaults=True):
    data: object
    sealed: bytes


class Envelope(Header, frozen=True, kw_only=True, omit_defaults=True):
    """An event as it is stored, its fact not read yet."""

    data: msgspec.Raw = msgspec.Raw(b"{}")
    sealed: bytes = b""


class Whole(Header, frozen=True, kw_only=True, omit_defaults=True):
    """A header with its fact, as they are stored together."""

    data: Fact


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
    opened: bytes | None = None
    """The values of a personal event, as whoever read it has opened them; empty: erased."""
    trouble: str = ""
    """Why they could not be opened."""


class Seals(msgspec.Struct, frozen=True):
    """What is needed to open a personal event: the data key, what its bytes are bound to, and the
    sealed bytes."""

    key_id: str
    bound: bytes
    sealed: bytes


def seals_of(stored: Stored) -> Seals | None:
    """None for an event that is plain. Raises `Corrupt` as `unseal` does."""
    if PERSONAL_MARK not in stored.state:
        return None
    raw = decode(stored.state, Envelope, f"event {stored.version} of {stored.stream}")
    return Seals(raw.key_id, _bound(raw), raw.sealed) if raw.codec == PERSONAL else None


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
    key: EventKey | None = None
    """What the values of users are sealed with in the events to come; None: they stay as they are.
    """


def seal(head: Head, fact: Fact, event_id: str, stamp: Stamp) -> Stored:
    """Returns `fact` as the next stored event of the stream and moves `head` to it."""
    state = _plain(head, fact, event_id, stamp)
    if head.key is not None:
        state = _personal(head.key, fact, state)
    head.version += 1
    head.digest = digest(state)
    return Stored(head.stream, head.version, fact.TYPE, state)


def _plain(head: Head, fact: Fact, event_id: str, stamp: Stamp) -> bytes:
    return encode(
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


def _personal(key: EventKey, fact: Fact, plain: bytes) -> bytes:
    """The same event with the values of users sealed; as it is when it has none."""
    data, values = taken_apart(fact)
    if not values:
        return plain
    raw = decode(plain, Envelope, "an event")
    header = {name: getattr(raw, name) for name in Header.__struct_fields__}
    header |= {"codec": PERSONAL, "key_id": key.id}
    sealed = key.cipher.seal(encode(values), _bound(raw))
    return encode(_WritingSealed(**header, data=data, sealed=sealed))


def _bound(header: Header) -> bytes:
    """Sealed values open nowhere else."""
    return f"{header.id}|{header.stream}|{header.version}|{header.type}".encode()


def unseal(stored: Stored, catalogue: Catalogue) -> Event:
    """Returns the event in today's shape (old types are upcast).

    Raises `Corrupt` when the bytes cannot be decoded, name another place or type than the one they
    were found at, use an unknown codec, or the type is unknown.
    """
    header, fact = decoded(stored, catalogue)
    return Event(header, fact, digest(stored.state))


def decoded(stored: Stored, catalogue: Catalogue) -> tuple[Header, Fact]:
    """The same without the digest, for who has checked the chain. Raises as `unseal`.

    What is plain and of a type of today, as nearly every event is, is read in one go: every fold
    does this for each event.
    """
    try:
        whole = catalogue.readers[stored.type](stored.state)
    except KeyError:
        catalogue.readers[stored.type] = _reader(catalogue.fact(stored.type))
        return decoded(stored, catalogue)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decoded(stored, catalogue)  # which opens it, or says what is wrong
    if whole.version == stored.version and whole.stream == stored.stream:
        return whole, whole.data
    return _decoded(stored, catalogue)


def _decoded(stored: Stored, catalogue: Catalogue) -> tuple[Header, Fact]:
    """In two steps: first what stands around the fact, then the fact."""
    raw = _reading(stored)
    what = f"event {stored.version} of {stored.stream}"
    data = msgspec.Raw(_together(raw, stored, what)) if raw.codec or raw.key_id else raw.data
    return raw, catalogue.decode(raw.type, data, what)


@cache
def _reader(fact: type[Fact] | None) -> Callable[[bytes], Whole]:
    """Reads plain events with a fact of today in one go; of any other it only says that it cannot.
    One for all catalogues: else an event that two of them have read would not equal itself."""
    if fact is None:
        return _unread
    kind = msgspec.defstruct(
        f"Whole{fact.__name__}",
        [
            ("type", Literal[fact.TYPE]),
            ("codec", Literal[0], 0),
            ("key_id", Literal[""], ""),
            ("data", fact),
        ],
        bases=(Whole,),
        frozen=True,
        kw_only=True,
    )
    whole: msgspec.json.Decoder[Whole] = msgspec.json.Decoder(kind)
    return whole.decode


def _unread(_state: bytes) -> Whole:
    raise msgspec.DecodeError


def header_of(stored: Stored) -> Header:
    """What stands around the fact, which is not looked at. Raises `Corrupt` for bytes that cannot
    be decoded, or that name another place or type than the one they were found at."""
    return _reading(stored)


def _reading(stored: Stored) -> Envelope:
    what = f"event {stored.version} of {stored.stream}"
    raw = decode(stored.state, Envelope, what)
    if (raw.stream, raw.version, raw.type) != (stored.stream, stored.version, stored.type):
        raise Corrupt(f"{what} says that it is event {raw.version} of {raw.stream}, {raw.type}")
    return raw


def _together(raw: Envelope, stored: Stored, what: str) -> bytes:
    """The data of a personal event with its values. Raises `MissingKey`, `Corrupt`."""
    if raw.codec != PERSONAL:
        raise Corrupt(f"{what} uses codec {raw.codec} with key {raw.key_id!r}: expected plain JSON")
    if stored.opened is None:
        raise MissingKey(f"{what} is personal: {stored.trouble or CLOSED}")
    values = decode(stored.opened, list, f"the values of {what}") if stored.opened else None
    try:
        return encode(put_together(decode(raw.data, dict, what), values))
    except LookupError as error:
        raise Corrupt(f"{what} lacks a value that it has a mark for") from error
