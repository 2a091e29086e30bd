"""Glimpses: of a stored event only what statistics count, which is the cheapest way to read many.

The bytes are decoded once, into the few fields named here; outputs, inputs and values are passed by
without being made. An event whose bytes are not what its name promises is not guessed at: it is
`Unread`, named with its place, and counted by nobody.
"""

import msgspec

from events.catalogue import FACTS, Catalogue
from events.codec import encode
from events.envelope import PERSONAL, PERSONAL_MARK, Stored, unseal
from events.errors import Corrupt
from events.facts import Fact
from events.personal import put_together
from events.policies import Attribute
from events.values import Value


class Glimpsed(msgspec.Struct, frozen=True, gc=False):
    """Base: read in large numbers, and never part of a cycle."""


class Enabled(Glimpsed, frozen=True, gc=False):
    step: str


class Flow(Glimpsed, frozen=True, gc=False):
    enabled: tuple[Enabled, ...] = ()


class Options(Glimpsed, frozen=True, gc=False):
    tags: dict[str, str] = {}
    attributes: dict[str, Attribute] = {}


class Data(Glimpsed, frozen=True, gc=False):
    """Fields of many facts; each fact fills those that it has."""

    step: str = ""
    node: str = ""
    started_at: int = 0
    ended_at: int = 0
    flow: Flow | None = None
    kind: str = ""
    next_attempt_at: int = 0
    workflow: str = ""
    workflow_version: str = ""
    options: Options | None = None
    renewed: tuple[Enabled, ...] = ()
    status: str = ""
    source_run_id: str = ""
    source_version: int = 0


class Glimpse(Glimpsed, frozen=True, gc=False):
    stream: str
    version: int
    type: str
    recorded_at: int
    data: Data = Data()
    codec: int = 0


class NodeEvent(Glimpsed, frozen=True, gc=False):
    """An event of a node, whole: there are few."""

    node: str
    recorded_at: int
    fact: Fact


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event as a projection reads it: its place in the log and its bytes, None for one that is
    so large that it is read by itself; of a run's past also its place there."""

    position: int
    state: bytes | None
    stream: str = ""
    version: int = 0


class Unread(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """An event that could not be read, at this position, and why."""

    position: int
    why: str


Seen = Glimpse | NodeEvent | Unread

KNOWN = frozenset(fact.TYPE for fact in FACTS)
NODE = "node:"
_DECODER = msgspec.json.Decoder(Glimpse)
_CATALOGUE = Catalogue()


def glimpse(position: int, state: bytes) -> Seen:
    """What an event says, or why that cannot be read."""
    try:
        seen = _DECODER.decode(_structure(state) if PERSONAL_MARK in state else state)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Unread(position=position, why=f"it cannot be decoded: {error}")
    if seen.codec or seen.type not in KNOWN:
        what = f"codec {seen.codec}" if seen.codec else f"the type {seen.type!r}"
        return Unread(position=position, why=f"this release does not know {what}")
    return _node_event(position, state, seen) if seen.stream.startswith(NODE) else seen


def _structure(state: bytes) -> bytes:
    """A personal event without what its users say, and so also without labels: what is derived from
    it is the same before and after they are erased. Any other event as it is."""
    event: dict[str, Value] = msgspec.json.decode(state)
    if event.get("codec") != PERSONAL:
        return state
    data = put_together(event.get("data"), None)
    if isinstance(data, dict) and isinstance(options := data.get("options"), dict):
        options.pop("tags", None)
        options.pop("attributes", None)
    kept = {name: value for name, value in event.items() if name not in ("codec", "sealed")}
    return encode({**kept, "data": data})


def _node_event(position: int, state: bytes, seen: Glimpse) -> NodeEvent | Unread:
    stored = Stored(seen.stream, seen.version, seen.type, state)
    try:
        fact = unseal(stored, _CATALOGUE).fact
    except Corrupt as error:
        return Unread(position=position, why=str(error))
    return NodeEvent(seen.stream.removeprefix(NODE), seen.recorded_at, fact)
