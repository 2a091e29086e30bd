"""A writer that appends for ever, until it is killed: `python -m tests.integration.log_writer`.

Two batches of three go through the store. The third is sent through a transaction of its own that
is kept open for a moment, so that a kill finds the ordering lock held and positions drawn.
"""

import argparse
import os
import random
from itertools import count

import anyio
import psycopg

from orchestrator.adapters.postgres import arrays
from orchestrator.adapters.postgres.columns import (
    event_columns,
    head_columns,
    index_columns,
    lease_columns,
)
from orchestrator.adapters.postgres.queries import ORDERING_LOCK, Queries
from orchestrator.adapters.postgres.settings import Settings
from orchestrator.adapters.postgres.store import PostgresStore
from orchestrator.coordinator.ports import Appended, Batch
from tests.logs import batch, begin

TTL_S = 60.0
OPEN_S = 0.01
EVENTS_MAX = 30


async def write(dsn: str, shard: int) -> None:
    name = f"writer-{os.getpid()}"
    dice = random.Random(name)
    async with (
        await PostgresStore.open(Settings(dsn=dsn, application_name=name)) as store,
        await psycopg.AsyncConnection.connect(dsn, application_name=name) as slow,
    ):
        arrays.register(slow.adapters)
        leases = await store.acquire([shard], f"shard-{shard}", TTL_S)
        for number in count():
            events = begin(f"run:{name}-{number}", dice.randint(1, EVENTS_MAX))
            if number % 3 == 2:
                await _append_slowly(slow, batch(leases, events))
            else:
                outcome = await store.append(batch(leases, events))
                if not isinstance(outcome, Appended):
                    raise SystemExit(f"{name}: {outcome}")


async def _append_slowly(connection: psycopg.AsyncConnection, sent: Batch) -> None:
    columns = event_columns(sent.events) | head_columns(sent.events) | index_columns(sent.index)
    columns |= lease_columns(sent.leases) | {"ordering_lock": ORDERING_LOCK}
    async with connection.transaction():
        await connection.execute(Queries()["append"].encode(), columns)
        await anyio.sleep(OPEN_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("shard", type=int)
    arguments = parser.parse_args()
    anyio.run(write, arguments.dsn, arguments.shard)


if __name__ == "__main__":
    main()
