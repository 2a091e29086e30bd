"""Events in the envelope of CloudEvents 1.0 (CNCF), structured mode, JSON.

`source` and `id` together name an event for ever: whoever gets it twice can tell. `sequence` (an
extension of that specification) is the position in its log, in digits that sort as text; the types
of CloudEvents have no integer of that size. The other extensions are ours: `streamversion`,
`actor`, `causation`, `correlation`, and `trouble` where the bytes cannot be read, which then stand
in `data_base64`.
"""

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec

from events.envelope import Stored
from events.ids import run_stream, traceparent
from events.values import Value
from orchestrator.insight.following.sieve import Followed
from orchestrator.replay.exchange.selecting import Item, Told

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "dalsegno."
SEQUENCE_DIGITS = 20
RUN = run_stream("")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def source_of(log: str, namespace: str = "default") -> str:
    """Where events of a log come from: a URN."""
    return f"urn:dalsegno:{namespace}:{log}"


def cloudevent(seen: Followed) -> dict[str, Value]:
    """The envelope of an event, ready for JSON."""
    stored = seen.stored
    found: dict[str, Value] = {
        "specversion": "1.0",
        "id": place_id(stored),
        "source": source_of(seen.log),
        "type": f"{TYPE_PREFIX}{stored.type}",
        "subject": stored.stream,
        "partitionkey": stored.stream,
        "sequence": f"{seen.position:0{SEQUENCE_DIGITS}d}",
        "streamversion": stored.version,
    }
    if seen.event is None:
        return found | {"trouble": seen.trouble, "data_base64": b64encode(stored.state).decode()}
    header = seen.event.header
    more = {
        "actor": header.actor,
        "causation": header.causation,
        "correlation": header.correlation,
        "traceparent": header.traceparent,
    }
    data: Value = msgspec.to_builtins(seen.event.fact)
    return {
        **found,
        "id": header.id,
        "source": source_of(seen.log, header.namespace),
        "time": time_of(header.recorded_at),
        **{name: text for name, text in more.items() if text},
        "datacontenttype": "application/json",
        "data": data,
    }


def place_id(stored: Stored) -> str:
    """The id of an event whose own cannot be read."""
    return f"{stored.stream}/{stored.version}"


async def exported(items: AsyncIterator[Item], log: str) -> AsyncIterator[bytes]:
    """The events of runs that are exported, a line each. `sequence` is left out of what has no
    position any more; one without a trace context of its own is given that of its run."""
    async for item in items:
        if not isinstance(item, Told) or not item.stored.stream.startswith(RUN):
            continue
        seen = Followed(log, item.stored, item.event)
        found = cloudevent(seen)
        if item.stored.position is None:
            del found["sequence"]
        found.setdefault("traceparent", traceparent(seen.run_id))
        yield msgspec.json.encode(found) + b"\n"


def encoded(seen: Followed) -> bytes:
    """The envelope as one line of JSON."""
    return msgspec.json.encode(cloudevent(seen))


def time_of(at: int) -> str:
    """An instant in microseconds as RFC 3339 has it."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
