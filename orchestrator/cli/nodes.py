"""`dalsegno nodes`: list, show."""

import msgspec

from events.api import ListNodes, Nodes, NodeView
from events.errors import Rejected, Unavailable
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


def show(node: str, *, common: Common = COMMON) -> None:
    """Show all that the coordinator knows of a node. Exit code 3 if it knows none of this name."""
    answered = go(lambda: _ask(configured(common)))
    found = next((one for one in answered if one.node == node), None)
    if found is None:
        raise Rejected(
            f"there is no node {node!r}: `dalsegno nodes list` shows those there are, "
            "`dalsegno agent --node NAME` starts one"
        )
    told = msgspec.to_builtins(found)
    if common.json:
        print_json(told)
        return
    host = {f"host.{name}": value for name, value in told.pop("host").items()}
    made = table("what", "value")
    console().print(
        rows(made, ((plain(name), plain(_text(v))) for name, v in (told | host).items()))
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def _ask(config: Config) -> tuple[NodeView, ...]:
    async with client_of(config) as client:
        answer = await client.request(ListNodes())
    if isinstance(answer, Nodes):
        return answer.nodes
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to list_nodes")
