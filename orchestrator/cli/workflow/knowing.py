"""Which nodes know a task, as far as anybody who is there can tell."""

from collections.abc import Collection

import msgspec

from events.api import ListNodes, Nodes
from events.errors import Unavailable
from orchestrator.cli.common import client_of
from orchestrator.config import Config

ASK_S = 2.0
NAMED_MAX = 5


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Who has which task types: node names by task type, or (`nodes` None) why nobody knows."""

    nodes: dict[str, list[str]] | None
    why: str = ""


async def who_knows(config: Config) -> Known:
    try:
        async with client_of(config, ASK_S) as client:
            answer = await client.request(ListNodes())
    except Unavailable as error:
        return Known(nodes=None, why=str(error))
    found: dict[str, list[str]] = {}
    for node in answer.nodes if isinstance(answer, Nodes) else ():
        if node.status in {"healthy", "suspected"}:
            for task in node.tasks:
                found.setdefault(task, []).append(node.node)
    return Known(nodes=found)


def nobody_knows(known: Known, tasks: Collection[str]) -> str:
    """What is said of task types that no connected node has; "" when all of them are there, or
    nobody can tell."""
    missing = [task for task in tasks if known.nodes is not None and task not in known.nodes]
    if not missing:
        return ""
    shown = ", ".join(missing[:NAMED_MAX]) + (", …" if len(missing) > NAMED_MAX else "")
    return f"no connected node has {shown}: runs wait until an agent brings it with --import"
