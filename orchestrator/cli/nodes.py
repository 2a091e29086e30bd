"""`dalsegno nodes list`."""

import msgspec

from events.api import ListNodes, Nodes, NodeView
from events.errors import Unavailable
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.output import console, plain, print_json, rows, status, table
from orchestrator.config import Config


def list_(*, common: Common = COMMON) -> None:
    """List the nodes that the coordinator knows, with what they hold and can do."""
    answered = go(lambda: _ask(configured(common)))
    found = sorted(answered, key=lambda node: node.node)
    if common.json:
        print_json([msgspec.structs.asdict(node) for node in found])
        return
    made = table("node", "status", "at work>", "slots>", "silent>", "labels", "tasks")
    lines = [
        (
            plain(node.node),
            status(node.status),
            str(node.outstanding),
            str(node.slots),
            f"{node.silent_s:.1f} s",
            plain(", ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))),
            plain(", ".join(node.tasks)),
        )
        for node in found
    ]
    console().print(rows(made, lines) if found else "no nodes; start one with `dalsegno agent`")


async def _ask(config: Config) -> tuple[NodeView, ...]:
    async with client_of(config) as client:
        answer = await client.request(ListNodes())
    if isinstance(answer, Nodes):
        return answer.nodes
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to list_nodes")
