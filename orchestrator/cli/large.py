"""Lists that are too large for a value: stored in chunks before a run starts, written chunk by
chunk when they are wanted."""

import sys
from collections.abc import AsyncIterator, Iterator

import msgspec

from events.api import Fetched, FetchValues, KeepValues, Kept, Queried, QueryRun
from events.codec import decode, encode
from events.errors import Rejected, Unavailable
from events.limits import KIB, Limits
from events.references import Chunk, ListReference, as_value, reference_of
from events.values import Value
from orchestrator.adapters.nats.client import Client
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.nearest import about

CHUNK_BYTES = 256 * KIB
"""Of a chunk, unless a single value has more."""

OTHERWISE = "name a list with --of, such as `--of steps.scale.output`"
LIST_BYTES = 64 * KIB
"""Of a list that is worth a reference."""


async def with_references(client: Client, value: Value) -> Value:
    """An input that is over the limit of a value, with its large lists stored and named by
    reference; any other as it is. Raises `Rejected` for a chunk that is too large."""
    if len(encode(value)) <= Limits().payload_bytes_max:
        return value
    return await _stored(client, value)


async def _stored(client: Client, value: Value) -> Value:
    if isinstance(value, dict):
        return {key: await _stored(client, entry) for key, entry in value.items()}
    if not isinstance(value, list) or len(encode(value)) <= LIST_BYTES:
        return value
    chunks, size = [], 0
    for values in _chunks(value):
        answer = await client.request(KeepValues(values=values))
        if not isinstance(answer, Kept):
            raise Unavailable(f"a coordinator answers {type(answer).__name__} to keep_values")
        chunks.append(Chunk(count=len(values), hash=answer.hash))
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


def values(run_id: str, *, of: str = "", common: Common = COMMON) -> None:
    """Write the values of a list, one a line as JSON: a run's output, or what an expression finds.

    Lists that are too large for a value are read chunk by chunk, however long they are.

    Parameters
    ----------
    run_id
        The run's id; `dalsegno run list` shows them.
    of
        An expression over the run, such as `steps.scale.output`; the run's output without it.

    Examples
    --------
    dalsegno run values nightly-17
    dalsegno run values nightly-17 --of steps.scale.output
    """

    async def write() -> None:
        async with client_of(configured(common)) as client:
            async for chunk in _read(client, await _asked(client, run_id, of), of):
                sys.stdout.writelines(f"{msgspec.json.encode(one).decode()}\n" for one in chunk)

    with about(common, run_id):
        go(write)


async def _asked(client: Client, run_id: str, of: str) -> Value:
    """Raises `Rejected` for the output of a run that has none yet."""
    if not of:
        run = await client.await_run(run_id, timeout_s=0)
        if run.ended_at is None:
            raise Rejected(f"run {run_id} is {run.status} and has no output yet: {OTHERWISE}")
        return run.output
    answer = await client.request(QueryRun(run_id=run_id, expression=of))
    if not isinstance(answer, Queried):
        raise Unavailable(f"a coordinator answers {type(answer).__name__} to query_run")
    return answer.value


async def _read(client: Client, value: Value, of: str) -> AsyncIterator[list[Value]]:
    """Raises `Rejected` for what is no list."""
    if isinstance(value, list):
        yield value
        return
    reference = reference_of(value)
    if reference is None:
        raise Rejected(f"{of or 'the output of the run'} is no list: {OTHERWISE}")
    for chunk in reference.chunks:
        if not chunk.hash:
            yield [None] * chunk.count
            continue
        first = 0
        while first < chunk.count:
            answer = await client.request(FetchValues(hash=chunk.hash, first=first))
            if not isinstance(answer, Fetched):
                raise Unavailable(f"a coordinator answers {type(answer).__name__} to fetch_values")
            found: list[Value] = decode(answer.values, list, f"chunk {chunk.hash}")
            yield found
            first += len(found)
