"""Who owns the shards of a cluster, as those tell who are asked."""

from collections import Counter
from collections.abc import Callable

import anyio

from orchestrator.adapters.nats.client import Client

DEADLINE_S = 30.0


async def owners(client: Client) -> Counter[str]:
    """How many shards answer for whom."""
    shards = (await client.greet(None, DEADLINE_S)).shards
    found = [await client.greet(shard, DEADLINE_S) for shard in range(shards)]
    return Counter(one.coordinator for one in found)


async def until(client: Client, holds: Callable[[Counter[str]], bool]) -> None:
    with anyio.fail_after(DEADLINE_S):
        while True:
            if holds(await owners(client)):
                return
            await anyio.sleep(0.05)


def evenly(*names: str) -> Callable[[Counter[str]], bool]:
    def holds(found: Counter[str]) -> bool:
        return set(found) == set(names) and max(found.values()) - min(found.values()) <= 1

    return holds
