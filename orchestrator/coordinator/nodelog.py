"""What a node's stream says, folded; and its snapshots, which keep a long stream quick to read.

A node's stream grows for ever, by a host sample a minute if by nothing else, and a coordinator has
to know before it believes a heartbeat which incarnation is the node's and which ones are past.
Only facts are folded here, never what memory has heard: a snapshot says nothing that the log does
not. One that is damaged, or of another form, is left aside and the whole stream is read.
"""

import msgspec

from events.cluster_facts import (
    NodeDraining,
    NodeLeft,
    NodeLost,
    NodeRecovered,
    NodeRegistered,
    NodeSampled,
    NodeSuspected,
)
from events.codec import decode, encode
from events.envelope import Head
from events.facts import Fact
from orchestrator.coordinator.ports import Snapshot

NodeFact = (
    NodeRegistered
    | NodeSampled
    | NodeSuspected
    | NodeRecovered
    | NodeLost
    | NodeDraining
    | NodeLeft
)

FINGERPRINT = "node-1"
"""The form of these snapshots; another name when it changes."""


class NodeLog(msgspec.Struct):
    """`incarnation` registered last, `past` the ones before it; `gone`: lost or left since."""

    incarnation: str = ""
    past: list[str] = []
    gone: bool = False

    def admits(self, fact: NodeFact) -> bool:
        """Whether a fact that was decided on what memory knew still fits: an incarnation registers
        once, and nothing is said of one that is past or gone."""
        if isinstance(fact, NodeRegistered):
            return fact.incarnation != self.incarnation and fact.incarnation not in self.past
        return fact.incarnation == self.incarnation and not self.gone

    def note(self, fact: Fact) -> None:
        """Follows the stream's next fact."""
        if isinstance(fact, NodeRegistered):
            seen = dict.fromkeys([*self.past, self.incarnation])
            self.incarnation = fact.incarnation
            self.past = [one for one in seen if one and one != fact.incarnation]
            self.gone = False
        elif isinstance(fact, (NodeLost, NodeLeft)):
            self.gone = True


def snapshot_of(head: Head, log: NodeLog) -> Snapshot:
    return Snapshot(
        stream=head.stream,
        version=head.version,
        digest=head.digest,
        fingerprint=FINGERPRINT,
        state=encode(log),
    )


def restored(snapshot: Snapshot | None) -> NodeLog | None:
    """None when the snapshot is of another form; raises `Corrupt` when it is none at all."""
    if snapshot is None or snapshot.fingerprint != FINGERPRINT:
        return None
    return decode(snapshot.state, NodeLog, "the snapshot of a node")
