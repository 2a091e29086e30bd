"""What a cluster says of itself: who owns its shards, and which nodes it knows."""

from collections import Counter
from collections.abc import Callable

import anyio

from events.api import ListNodes, Nodes, NodeView
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


async def nodes_once(client: Client, holds: Callable[[dict[str, NodeView]], bool]) -> None:
    """Waits until the view of the nodes is as expected of whoever answers."""
    with anyio.fail_after(DEADLINE_S):
        while True:
            answer = await client.request(ListNodes())
            assert isinstance(answer, Nodes)
            if holds({node.node: node for node in answer.nodes}):
                return
            await anyio.sleep(0.02)
