"""Lists that are too large for a value: stored in chunks before a run starts, written chunk by
chunk when they are wanted."""

import sys
from collections.abc import AsyncIterator

import msgspec

from events.api import Fetched, FetchValues, Queried, QueryRun
from events.codec import decode
from events.errors import Rejected, Unavailable
from events.references import reference_of
from events.values import Value
from orchestrator.adapters.nats.client import Client
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.nearest import about

OTHERWISE = "name a list with --of, such as `--of steps.scale.output`"


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
