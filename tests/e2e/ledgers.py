"""What the handlers of a scenario have written, for tests that wait for it."""

import json
from collections.abc import Callable
from typing import NamedTuple

import anyio

from tests.e2e.cluster import Cluster

DEADLINE_S = 25.0


class Noted(NamedTuple):
    """`step` of the task key; `attempt` by number."""

    step: str
    attempt: int
    event: str


def noted(cluster: Cluster) -> list[Noted]:
    """All lines so far, in the order written."""
    if not cluster.ledger.exists():
        return []
    lines = map(json.loads, cluster.ledger.read_text().splitlines())
    return [
        Noted(one["key"].partition("/")[2].partition("~")[0], one["attempt"], one["event"])
        for one in lines
    ]


async def until_noted(cluster: Cluster, holds: Callable[[list[Noted]], bool]) -> list[Noted]:
    """Raises TimeoutError with all that was written instead."""
    with anyio.move_on_after(DEADLINE_S):
        while True:
            found = noted(cluster)
            if holds(found):
                return found
            await anyio.sleep(0.05)
    raise TimeoutError(f"{noted(cluster)}\n{cluster.logs()}")


async def until_journalled(it: Cluster, node: str, words: bytes) -> None:
    """Waits until the node's journal has these bytes."""
    with anyio.fail_after(DEADLINE_S):
        while True:
            segments = (it.folder / node / f"node-{node}").glob("journal-*")
            if any(words in path.read_bytes() for path in segments):
                return
            await anyio.sleep(0.05)
