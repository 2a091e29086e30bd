"""`dalsegno nodes`: list, show, cordon, drain, uncordon."""

import anyio
import msgspec

from events.api import (
    AnyRequest,
    CordonNode,
    DrainNode,
    ListNodes,
    NodeAnswer,
    Nodes,
    NodeView,
    ShowNode,
    UncordonNode,
)
from events.errors import Misconfigured, Rejected, Unavailable
from orchestrator.adapters.nats.client import Client
from orchestrator.authoring import seconds
from orchestrator.cli.cluster.node_display import node_lines
from orchestrator.cli.common import COMMON, Common, client_of, configured, go
from orchestrator.cli.ids import me
from orchestrator.cli.names import alike
from orchestrator.cli.output import block, console, instant, plain, print_json, rows, status, table
from orchestrator.config import Config

AFTER_DEADLINE_S = 60.0
"""Handlers have a grace to end in, and reports have to arrive, before `drain --wait` gives up."""
LOOK_AGAIN_S = 0.25
AboutNode = ShowNode | CordonNode | DrainNode | UncordonNode


def list_(*, common: Common = COMMON) -> None:
    """List the nodes that the coordinator knows, with what they hold and can do.

    Examples
    --------
    dalsegno nodes list
    dalsegno nodes list --json
    """
    answered = go(lambda: _ask(configured(common)))
    found = sorted(answered, key=lambda node: node.node)
    if common.json:
        print_json(msgspec.to_builtins(found))
        return
    made = table("node", "status", "at work>?", "slots>?", "silent>?", "build?", "labels?", "tasks")
    lines = [
        (
            plain(node.node),
            _status(node),
            str(node.outstanding),
            str(node.slots),
            f"{node.silent_s:.1f} s",
            plain(node.build_id),
            plain(", ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))),
            plain(", ".join(node.tasks)),
        )
        for node in found
    ]
    console().print(rows(made, lines) if found else "no nodes; start one with `dalsegno agent`")


def show(node: str, *, common: Common = COMMON) -> None:
    """Show all that is known of a node, there or not. Exit code 3 if it is known to nobody.

    Parameters
    ----------
    node
        The node's name; `dalsegno nodes list` shows them.

    Examples
    --------
    dalsegno nodes show agent-1
    """
    found = _steer(common, ShowNode(node=node))
    if common.json:
        print_json(msgspec.to_builtins(found))
        return
    lines = [(name, plain(words)) for name, words in node_lines(found)]
    console().print(block([("node", plain(found.node)), ("status", _status(found)), *lines]))


def cordon(node: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Give a node no further attempt; what it has goes on. It stays so when agent or coordinator
    are restarted, until it is uncordoned.

    Parameters
    ----------
    node
        The node's name; `dalsegno nodes list` shows them.
    reason
        Why; recorded with your name, and shown to whoever asks why a task waits.

    Examples
    --------
    dalsegno nodes cordon agent-1 --reason "a disk is failing"
    """
    _tell(_steer(common, CordonNode(actor=me(), node=node, reason=reason)), common)


def uncordon(node: str, *, reason: str = "", common: Common = COMMON) -> None:
    """Give a node attempts again; a drain that is under way ends.

    Parameters
    ----------
    node
        The node's name; `dalsegno nodes list` shows them.
    reason
        Why; recorded with your name.

    Examples
    --------
    dalsegno nodes uncordon agent-1
    """
    found = _steer(common, UncordonNode(actor=me(), node=node, reason=reason))
    if found.status == "draining" and not common.json:
        print(f"{found.node}: uncordoned, works again from its next heartbeat on")
    else:
        _tell(found, common)


def drain(
    node: str,
    *,
    reason: str = "",
    deadline: str = "5m",
    wait: bool = False,
    common: Common = COMMON,
) -> None:
    """Cordon a node and let it finish what runs; the rest goes to other nodes.

    Parameters
    ----------
    node
        The node's name; `dalsegno nodes list` shows them.
    reason
        Why; recorded with your name.
    deadline
        What still runs after this time, like 30s or 5m, is cancelled and begins anew elsewhere.
    wait
        Return when nothing runs there any more; exit code 4 if that takes much longer than the
        deadline.

    Examples
    --------
    dalsegno nodes drain agent-1 --reason upgrade --deadline 10m --wait
    """
    deadline_s = _seconds(deadline)
    request = DrainNode(actor=me(), node=node, deadline_s=deadline_s, reason=reason)
    found = _steer(common, request)
    if wait:
        found = go(lambda: _drained(configured(common), node, deadline_s + AFTER_DEADLINE_S))
    _tell(found, common)


def _seconds(deadline: str) -> float:
    try:
        return seconds(deadline)
    except ValueError as error:
        raise Misconfigured(f"--deadline: {error}") from None


def _tell(found: NodeView, common: Common) -> None:
    if common.json:
        print_json(msgspec.to_builtins(found))
        return
    busy = max(found.outstanding, found.held or 0)
    words = f"{found.node}: {_words(found)}"
    if found.cordon and found.cordon.drain_due_at is not None and busy:
        words += f" until {instant(found.cordon.drain_due_at)}"
    print(words + (f", {busy} at work" if busy else ", nothing at work"))


def _words(node: NodeView) -> str:
    if not node.cordon:
        return node.status
    drained = node.cordon.drain_due_at is not None and node.status in {"healthy", "suspected"}
    return f"{'draining' if drained else node.status}, cordoned"


def _status(node: NodeView) -> str:
    what, _, more = _words(node).partition(", ")
    return status(what) + (f", {more}" if more else "")


async def _ask(config: Config) -> tuple[NodeView, ...]:
    async with client_of(config) as client:
        answer = await client.request(ListNodes())
    if isinstance(answer, Nodes):
        return answer.nodes
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to list_nodes")


def _steer(common: Common, request: AboutNode) -> NodeView:
    async def ask() -> NodeView:
        async with client_of(configured(common)) as client:
            try:
                return await _asked(client, request)
            except Rejected as error:
                raise Rejected(f"{error}{await _meant(client, request.node)}") from error

    return go(ask)


async def _meant(client: Client, node: str) -> str:
    answer = await client.request(ListNodes())
    known = [one.node for one in answer.nodes] if isinstance(answer, Nodes) else []
    return "" if node in known else alike(node, known)


async def _asked(client: Client, request: AnyRequest) -> NodeView:
    answer = await client.request(request)
    if isinstance(answer, NodeAnswer):
        return answer.node
    raise Unavailable(f"a coordinator answers {type(answer).__name__} to a request about a node")


async def _drained(config: Config, node: str, timeout_s: float) -> NodeView:
    """The node as soon as it has nothing any more. Raises `Unavailable`."""
    async with client_of(config) as client:
        with anyio.move_on_after(timeout_s):
            while True:
                found = await _asked(client, ShowNode(node=node))
                if _is_idle(found):
                    return found
                await anyio.sleep(LOOK_AGAIN_S)
    raise Unavailable(
        f"{node} still has work after {timeout_s:g} s: `dalsegno nodes show {node}` says how it is"
    )


def _is_idle(node: NodeView) -> bool:
    """Whether nothing runs there: by the runs' states, and by what the node itself says."""
    if node.status in {"lost", "left"}:
        return not node.outstanding
    return node.status == "draining" and not node.outstanding and not node.held
