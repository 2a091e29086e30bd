"""What a node's stream says, folded; and its snapshots, which keep a long stream quick to read.

A node's stream grows for ever, by a host sample a minute if by nothing else, and a coordinator has
to know before it believes a heartbeat which incarnation is the node's and which ones are past.
Only facts are folded here, never what memory has heard: a snapshot says nothing that the log does
not. One that is damaged, or of another form, is left aside and the whole stream is read.
"""

import msgspec

from events.cluster_facts import (
    NodeCordoned,
    NodeDraining,
    NodeLeft,
    NodeLost,
    NodeRecovered,
    NodeRegistered,
    NodeSampled,
    NodeSuspected,
    NodeUncordoned,
)
from events.codec import decode, encode
from events.envelope import Head
from events.facts import Fact
from orchestrator.coordinator.ports import Snapshot
from orchestrator.replay.bases import readable

NodeFact = (
    NodeRegistered
    | NodeSampled
    | NodeSuspected
    | NodeRecovered
    | NodeLost
    | NodeDraining
    | NodeLeft
    | NodeCordoned
    | NodeUncordoned
)

FINGERPRINT = "node-2"
"""The form of these snapshots; another name when it changes."""


class Cordon(msgspec.Struct, omit_defaults=True):
    """Who cordoned the node, and why; holds for every incarnation until it is lifted."""

    actor: str = ""
    reason: str = ""
    since: int = 0


class Drain(msgspec.Struct, omit_defaults=True):
    """The incarnation finishes what it has; `due_at` is the operator's deadline, None where the
    agent itself was told to stop."""

    reason: str = ""
    due_at: int | None = None


class NodeLog(msgspec.Struct):
    """`incarnation` registered last, `past` the ones before it; `gone`: lost or left since."""

    incarnation: str = ""
    past: list[str] = []
    gone: bool = False
    cordon: Cordon | None = None
    drain: Drain | None = None

    def admits(self, fact: NodeFact) -> bool:
        """Whether a fact that was decided on what memory knew still fits: an incarnation registers
        once, nothing is said of one that is past or gone, and it begins to drain once."""
        if isinstance(fact, (NodeCordoned, NodeUncordoned)):
            return True
        if isinstance(fact, NodeRegistered):
            return fact.incarnation != self.incarnation and fact.incarnation not in self.past
        if isinstance(fact, NodeDraining) and fact.due_at is None and self.drain is not None:
            return False
        return fact.incarnation == self.incarnation and not self.gone

    def note(self, fact: Fact, actor: str, at: int) -> None:
        """Follows the stream's next fact, which `actor` led to and which was recorded `at`."""
        match fact:
            case NodeRegistered():
                seen = dict.fromkeys([*self.past, self.incarnation])
                self.incarnation = fact.incarnation
                self.past = [one for one in seen if one and one != fact.incarnation]
                self.gone = False
                self.drain = None
            case NodeLost() | NodeLeft():
                self.gone = True
            case NodeDraining():
                self.drain = Drain(fact.reason, fact.due_at)
            case NodeCordoned():
                self.cordon = Cordon(actor, fact.reason, at)
            case NodeUncordoned():
                self.cordon = None
                if self.drain is not None and self.drain.due_at is not None:
                    self.drain = None
            case _:
                pass

    @property
    def drains_until(self) -> int | None:
        """The operator's deadline, while the present incarnation is drained; microseconds."""
        return self.drain.due_at if self.drain is not None and not self.gone else None


def snapshot_of(head: Head, log: NodeLog) -> Snapshot:
    return Snapshot(
        stream=head.stream,
        version=head.version,
        digest=head.digest,
        fingerprint=FINGERPRINT,
        state=encode(log),
    )


def restored(snapshot: Snapshot) -> NodeLog | None:
    """None when the snapshot is of another form; raises `Damaged` when it is none at all."""
    if snapshot.fingerprint != FINGERPRINT:
        return None
    return readable(snapshot, lambda data: decode(data, NodeLog, "the snapshot of a node"))
