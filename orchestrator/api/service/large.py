"""Values that are too large for a request: their large lists are stored first, and named."""

from collections.abc import Iterator

from events.api import KeepValues, Kept
from events.codec import encode
from events.limits import KIB, Limits
from events.references import Chunk, ListReference, as_value
from events.values import Value
from orchestrator.api.service.answers import Asking, ask

CHUNK_BYTES = 256 * KIB
"""Of a chunk, unless a single value has more."""
LIST_BYTES = 64 * KIB
"""Of a list that is worth a reference."""


async def with_references(coordinators: Asking, value: Value) -> Value:
    """An input that is over the limit of a value, with its large lists stored and named by
    reference; any other as it is. Raises `Rejected` for a chunk that is too large."""
    if len(encode(value)) <= Limits().payload_bytes_max:
        return value
    return await _stored(coordinators, value)


async def _stored(coordinators: Asking, value: Value) -> Value:
    if isinstance(value, dict):
        return {key: await _stored(coordinators, entry) for key, entry in value.items()}
    if not isinstance(value, list) or len(encode(value)) <= LIST_BYTES:
        return value
    chunks, size = [], 0
    for values in _chunks(value):
        kept = await ask(coordinators, KeepValues(values=values), Kept)
        chunks.append(Chunk(count=len(values), hash=kept.hash))
        size += len(encode(values))
    return as_value(ListReference(count=len(value), bytes=size, chunks=tuple(chunks)))


def _chunks(values: list[Value]) -> Iterator[list[Value]]:
    most = Limits().map_part_items_max
    chunk: list[Value] = []
    used = 0
    for value in values:
        size = len(encode(value))
        if chunk and (len(chunk) == most or used + size > CHUNK_BYTES):
            yield chunk
            chunk, used = [], 0
        chunk.append(value)
        used += size
    if chunk:
        yield chunk
