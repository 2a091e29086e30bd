"""Nodes: who is there, and when one counts as lost.

    joining ──► healthy ──► suspected ──► lost        any ◄─► draining ──► left
                   ▲            │           │
                   └────────────┘           └──(new incarnation)──► healthy

Whether a healthy node is given attempts is another question: an operator's cordon belongs to its
name, outlives every incarnation, and is what its stream says. Its owner reads it there; the other
coordinators hear it from the agent, whom the owner tells with every grant. The version of the
stream goes with it: whoever has read further does not take old word for new.

Silence is measured in *observed* time: time in which this coordinator was connected and scheduled.
That the connection is gone is noticed a little late, and the nodes have to find their way back too:
so none is lost before the connection has lasted for a whole attempt lease again. If more than half
of the nodes fall silent together, the observer rather than they may be at fault: none is lost
before another lease time has passed. A node's attempts are given to others only after
it is lost; by then its attempt lease has ended by its own clock, so it starts none of them any
more.
"""

from collections.abc import Callable, Iterator

import msgspec

from events.api import CordonView, NodeView
from events.envelope import Head
from events.messages import Heartbeat
from orchestrator.coordinator.nodelog import NodeLog
from orchestrator.coordinator.settings import Settings
from orchestrator.coordinator.strangers import Strangers
from orchestrator.kernel.env import MICROSECONDS, microseconds
from orchestrator.kernel.placement import NodeSlots

GONE = frozenset({"lost", "left"})


class Node(msgspec.Struct):
    """A node as this coordinator knows it. `seen_at` is in observed microseconds."""

    name: str
    status: str = "joining"
    incarnation: str = ""
    seen_at: int = 0
    sampled_at: int | None = None
    """Monotonic microseconds of the last recorded host sample."""
    beat: Heartbeat | None = None
    head: Head | None = None
    log: NodeLog = msgspec.field(default_factory=NodeLog)
    """What the stream says up to `head`, the end of it perhaps not durable yet."""
    durable: NodeLog = msgspec.field(default_factory=NodeLog)
    """What it says for certain, which is all that others may be told."""
    durable_version: int = 0
    snapshot_version: int = 0
    slots: NodeSlots | None = None
    is_gone_in_log: bool = False
    """Whether it is durable that this incarnation is lost or has left."""
    past: set[str] = msgspec.field(default_factory=set)
    """Incarnations that another one has followed: they never come back."""
    clock_ahead_s: float | None = None
    """Of the node's wall clock when its last heartbeat came, as far as it tells."""

    def settle(self) -> None:
        """Everything up to `head` is in the log."""
        self.durable = msgspec.structs.replace(self.log)
        self.durable_version = self.head.version if self.head is not None else 0


class Cluster:
    """`owns`: whether this coordinator owns the node of this name."""

    def __init__(self, settings: Settings, owns: Callable[[str], bool]) -> None:
        self.nodes: dict[str, Node] = {}
        self.strangers = Strangers()
        self.changes = 0
        """Grows whenever a node may have become suitable for what it was not."""
        self._settings = settings
        self._owns = owns
        self._owners = 1
        self._observed = 0
        self._looked_at: int | None = None
        self._connected = True
        self._back_since: int | None = None
        self._mass_since: int | None = None
        self._forgotten: dict[str, int] = {}
        """Those that were there when they were forgotten, and when that was, in observed time."""
        self._granted: dict[str, int] = {}
        """Until when each node may begin something by our own word, in monotonic microseconds."""

    # -- time -------------------------------------------------------------------------------------

    def observe(self, now: int) -> None:
        """Counts the time since the last look, unless we were disconnected or not scheduled."""
        if self._looked_at is not None and self._connected:
            gap = now - self._looked_at
            self._observed += min(gap, microseconds(self._settings.observer_gap_s))
        self._looked_at = now

    def connection(self, connected: bool, now: int) -> None:
        """The bus is there, or is not, from `now` on."""
        self.observe(now)
        if connected and not self._connected:
            self._back_since = self._observed
        self._connected = connected

    def silent_s(self, node: Node) -> float:
        return (self._observed - node.seen_at) / MICROSECONDS

    # -- nodes ------------------------------------------------------------------------------------

    def forget(self, name: str) -> None:
        """Another owner may have lost it since: it begins anew, as when we start."""
        node = self.nodes.pop(name, None)
        if node is not None and node.beat is not None and node.status not in GONE:
            self._forgotten[name] = self._observed
        self.changes += 1

    def missed(self) -> list[str]:
        """Nodes that were forgotten and may be well: they had no time yet to be heard again."""
        since = self._observed - microseconds(self._settings.suspect_after_s)
        self._forgotten = {name: at for name, at in self._forgotten.items() if at > since}
        return sorted(self._forgotten)

    def expect(self, name: str) -> Node:
        """A node that must be there because it holds attempts; silent from now on if it is not."""
        return self.nodes.setdefault(name, Node(name, seen_at=self._observed))

    def is_here(self, name: str, incarnation: str) -> bool:
        """Whether this process of the node takes part."""
        node = self.nodes.get(name)
        return node is not None and node.incarnation == incarnation and node.status not in GONE

    def grants(self, name: str, until: int) -> None:
        self._granted[name] = max(until, self._granted.get(name, 0))

    def may_begin(self, name: str, now: int) -> bool:
        """Whether what we have granted the node goes on, forgotten since or not."""
        return now < self._granted.get(name, 0)

    def heard(self, beat: Heartbeat) -> Node:
        self._forgotten.pop(beat.node, None)
        node = self.expect(beat.node)
        node.seen_at = self._observed
        node.beat = beat
        return node

    def join(self, node: Node, beat: Heartbeat) -> None:
        """The node's incarnation of this heartbeat is in the cluster from now on."""
        if node.incarnation and node.incarnation != beat.incarnation:
            node.past.add(node.incarnation)
        node.incarnation = beat.incarnation
        node.is_gone_in_log = False
        node.status = "draining" if beat.draining else "healthy"
        node.slots = NodeSlots(
            node=node.name,
            incarnation=beat.incarnation,
            tasks=frozenset(beat.tasks),
            credits=self._credits(beat),
            labels=beat.labels,
            capacity=beat.capacity,
            weight=beat.weight if beat.weight > 0 else 1.0,
            build_id=beat.build_id,
            transactional=frozenset(beat.transactional),
        )
        self.changes += 1

    def set_owners(self, count: int) -> None:
        """So many coordinators share what nodes are willing to hold."""
        if count == self._owners:
            return
        self._owners = count
        for node in self.nodes.values():
            if node.slots is not None and node.beat is not None:
                node.slots.credits = self._credits(node.beat)
        self.changes += 1

    def _credits(self, beat: Heartbeat) -> int:
        return max(min(1, beat.credits), beat.credits // self._owners)

    def hears_of(self, node: Node, beat: Heartbeat) -> None:
        """What may change while the node lives: what it is willing to hold, and tasks that it has
        learnt."""
        slots = node.slots
        if slots is None:
            return
        slots.credits = self._credits(beat)
        tasks = frozenset(beat.tasks)
        if slots.tasks != tasks:
            slots.tasks = tasks
            slots.transactional = frozenset(beat.transactional)
            self.changes += 1

    def set_status(self, node: Node, status: str) -> None:
        node.status = status
        self.changes += 1

    def _refusal(self, node: Node) -> str:
        """Why it is given nothing new, "" if it may be."""
        if node.head is None:
            return "what is recorded of it is being read"
        if node.status not in {"healthy", "draining"}:
            return node.status
        cordon = self._cordon(node)
        if cordon is not None:
            return _told(
                f"cordoned by {cordon.actor}" if cordon.actor else "cordoned", cordon.reason
            )
        return (
            _told("draining", node.beat.refusal if node.beat else "") if self._drains(node) else ""
        )

    def _drains(self, node: Node) -> bool:
        """Whether its incarnation finishes what it has and is given nothing more. What the stream
        says is its owner's knowledge; the others would not hear when it ends."""
        is_told_to = self._owns(node.name) and node.log.drains_until is not None
        return node.status == "draining" or is_told_to

    def _cordon(self, node: Node) -> CordonView | None:
        beat = node.beat
        if beat is not None and beat.cordoned is not None and self._tells_more(node, beat):
            return CordonView(reason=beat.refusal) if beat.cordoned else None
        # What was decided and then handed over undone has never been recorded.
        log = node.log if self._owns(node.name) else node.durable
        cordon = log.cordon
        if cordon is None:
            return None
        return CordonView(
            actor=cordon.actor,
            reason=cordon.reason,
            since=cordon.since,
            drain_due_at=log.drains_until,
        )

    def _tells_more(self, node: Node, beat: Heartbeat) -> bool:
        """Whether the agent may have heard a later order than what we have read, or have written
        ourselves before we handed the node over. An agent that does not say how old its order is
        has to be believed: it may be the only one to tell us that a cordon is over."""
        is_older = 0 < beat.ordered_at_version < node.durable_version
        return not self._owns(node.name) and not is_older

    def candidates(self) -> list[NodeSlots]:
        """What each node has room for. Whether it may be given anything rests on what was heard,
        read, written and handed over since the last look, so it is judged at each."""
        found = [(node, node.slots) for node in self.nodes.values() if node.slots is not None]
        for node, slots in found:
            refusal = self._refusal(node)
            if slots.refusal != refusal:
                slots.refusal = refusal
                self.changes += 1
        return [slots for _, slots in found]

    # -- failure detection ------------------------------------------------------------------------

    def newly_suspected(self) -> Iterator[Node]:
        limit_s = self._settings.suspect_after_s
        for node in list(self.nodes.values()):
            if node.status == "healthy" and self.silent_s(node) > limit_s:
                yield node

    def newly_lost(self) -> Iterator[Node]:
        """Nodes whose attempt lease has certainly ended."""
        ttl_s = self._settings.attempt_lease_ttl_s
        if not self._connected or self._lasts_less_than(self._back_since, ttl_s):
            return
        alive = [n for n in self.nodes.values() if n.status not in GONE]
        silent = [n for n in alive if self.silent_s(n) > ttl_s]
        if len(silent) > 1 and 2 * len(silent) > len(alive):
            self._mass_since = self._mass_since or self._observed
            if self._lasts_less_than(self._mass_since, ttl_s):
                return
        else:
            self._mass_since = None
        yield from silent

    def _lasts_less_than(self, since: int | None, duration_s: float) -> bool:
        return since is not None and self._observed - since < microseconds(duration_s)

    def view(self, node: Node, outstanding: int) -> NodeView:
        beat = node.beat or Heartbeat(
            node=node.name, incarnation="", sequence=0, slots=0, credits=0
        )
        known = {"healthy", "suspected", "lost", "draining", "left"}
        return NodeView(
            node=node.name,
            status=node.status if node.status in known else "suspected",  # type: ignore[arg-type]
            incarnation=node.incarnation,
            slots=beat.slots,
            credits=beat.credits,
            outstanding=outstanding,
            tasks=beat.tasks,
            labels=beat.labels,
            build_id=beat.build_id,
            silent_s=round(self.silent_s(node), 3),
            host=beat.host,
            weight=beat.weight,
            held=len(beat.held),
            cordon=self._cordon(node) or msgspec.UNSET,
            refusal=self._refusal(node) or msgspec.UNSET,
            clock_ahead_s=msgspec.UNSET if node.clock_ahead_s is None else node.clock_ahead_s,
        )


def _told(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
