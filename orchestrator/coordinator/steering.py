"""Listing nodes, and steering them: cordon, drain, uncordon, as facts of the node's stream.

    open ──cordon──► cordoned ──drain──► draining ──► (nothing runs there)
      ▲                 │                   │
      └────uncordon─────┴───────────────────┘

A cordon belongs to the node's name: it outlives coordinators, agents and incarnations. A drain
belongs to the incarnation that has something to finish; the next one is cordoned and has nothing.
Guarantee: once a cordon is recorded, the coordinator that recorded it, and every later owner of the
node, places nothing there. The agent learns it with every answer to a heartbeat; it is the one that
gives back what has not begun, and at the deadline what still runs, just as on SIGTERM.
"""

from typing import TYPE_CHECKING

from events.api import CordonNode, DrainNode, NodeAnswer, Nodes, Refused, ShowNode, UncordonNode
from events.cluster_facts import NodeCordoned, NodeDraining, NodeUncordoned
from events.errors import DalsegnoError, NotFound, Unavailable
from events.ids import node_stream
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.cluster import Node
from orchestrator.coordinator.door import admit_node_request
from orchestrator.coordinator.nodelog import NodeFact
from orchestrator.kernel.env import microseconds

if TYPE_CHECKING:
    from orchestrator.coordinator.memory import Memory
    from orchestrator.coordinator.turn import Turn


def list_nodes(memory: "Memory", reply_to: str) -> None:
    """All that are known; a list without those that had no time to be heard would look as if they
    were not there."""
    told = f"coordinator {memory.identity.name} has just taken up shards and is to hear"
    if missed := memory.cluster.missed():
        memory.refuse(reply_to, Unavailable(f"{told} {', '.join(missed)} again: try again"))
        return
    shards = [lease.shard for lease in memory.ownership.held]
    if not memory.cluster.nodes and all(_is_new_here(memory, shard) for shard in shards):
        memory.refuse(reply_to, Unavailable(f"{told} the nodes: try again"))
        return
    count = memory.runs.held.count
    views = [memory.cluster.view(node, count(node.name)) for node in memory.cluster.nodes.values()]
    memory.answer(reply_to, Nodes(nodes=tuple(views)))


def steer(turn: "Turn", work: w.SteerWork) -> None:
    """Carries out what a client asks of a node; answers after the commit, refusals too."""
    memory, request = turn.memory, work.request
    if not memory.holds(request.node):
        message = f"coordinator {memory.identity.name} does not own {request.node}: try again"
        memory.refuse(work.reply_to, Unavailable(message))
        return
    if work.tries > memory.settings.conflicts_max:
        memory.refuse(work.reply_to, Unavailable(f"node {request.node} is contended: try again"))
        return
    try:
        admit_node_request(request, memory.engine.limits)
        node = _found(turn, work)
        if node is not None:
            _carry_out(turn, work, node)
    except DalsegnoError as error:
        memory.answer(work.reply_to, Refused(code=error.code, message=str(error)))


def _found(turn: "Turn", work: w.SteerWork) -> Node | None:
    """The node, as its stream says; None while that is being read. Raises `NotFound` for a name
    that no agent has ever had, and `Unavailable` where one may have it that we had no time to hear
    of: others, of whom the client knows the name, may have."""
    memory, name = turn.memory, work.request.node
    node = memory.cluster.nodes.get(name)
    if node is None or node.head is None:
        memory.load_node(name, work)
        return None
    if not node.head.version and node.beat is None:
        memory.cluster.forget(name)
        if _is_new_here(memory, memory.shard(name)):
            raise Unavailable(
                f"coordinator {memory.identity.name} owns {name} only now, and has not heard of it "
                "yet: try again"
            )
        raise NotFound(
            f"there is no node {name!r}: `dalsegno nodes list` shows those there are, "
            "`dalsegno agent --node NAME` starts one"
        )
    return node


def _is_new_here(memory: "Memory", shard: int) -> bool:
    """Whether an agent that is well may not have told us of itself since we own the shard."""
    held_for_s = memory.ownership.held_for_s(shard, memory.now.monotonic)
    return held_for_s < memory.settings.suspect_after_s


def _carry_out(turn: "Turn", work: w.SteerWork, node: Node) -> None:
    memory, request = turn.memory, work.request
    shard = memory.shard(node.name)
    stamp = turn.stamp(shard, request.actor, str(request.__struct_config__.tag))
    for fact in _facts(work, node, memory.now.wall):
        turn.record_node(node, fact, stamp)
    touched = turn.tx.touch(node_stream(node.name), shard)
    touched.works.append(work)
    view = memory.cluster.view(node, memory.runs.held.count(node.name))
    touched.answers.append(s.Answer(reply_to=work.reply_to, answer=NodeAnswer(node=view)))


def _facts(work: w.SteerWork, node: Node, now: int) -> list[NodeFact]:
    """What the request adds to the stream: nothing, if all of it holds already."""
    request, log = work.request, node.log
    match request:
        case ShowNode():
            return []
        case UncordonNode():
            fact = NodeUncordoned(node=node.name, reason=request.reason)
            return [fact] if log.cordon is not None else []
        case CordonNode() | DrainNode():
            facts: list[NodeFact] = []
            if log.cordon is None:
                facts.append(NodeCordoned(node=node.name, reason=request.reason))
            if isinstance(request, DrainNode) and log.incarnation and not log.gone:
                facts += _drained(node, request, now)
            return facts


def _drained(node: Node, request: DrainNode, now: int) -> list[NodeFact]:
    """The sooner deadline holds: a request that is sent again gains no time by that."""
    due_at = now + microseconds(request.deadline_s)
    until = node.log.drains_until
    if until is not None and until <= due_at:
        return []
    return [
        NodeDraining(
            node=node.name, incarnation=node.log.incarnation, reason=request.reason, due_at=due_at
        )
    ]
