"""A node's stream and its snapshots: what is known of a node does not depend on either's length."""

import anyio
import msgspec
import pytest

from events.catalogue import Catalogue
from events.cluster_facts import (
    NodeLeft,
    NodeLost,
    NodeRecovered,
    NodeRegistered,
    NodeSampled,
)
from events.envelope import Head, Stamp, Stored, seal
from events.facts import Fact, HostSample
from orchestrator.adapters.memory.store import MemoryLog, MemoryStore
from orchestrator.coordinator import signals as s
from orchestrator.coordinator.loading import Loader
from orchestrator.coordinator.nodelog import NodeFact, NodeLog, snapshot_of
from orchestrator.coordinator.ports import Batch, Lease
from orchestrator.coordinator.settings import Settings
from tests.unit.coordinator.driving import Drive
from tests.unit.coordinator.test_nodes import facts, sampled

LEASE = Lease(shard=0, epoch=1, holder="c1")


def registered(incarnation: str) -> NodeRegistered:
    return NodeRegistered(node="n1", incarnation=incarnation)


def lost(incarnation: str) -> NodeLost:
    return NodeLost(node="n1", incarnation=incarnation, silent_s=5.0)


SAMPLED = NodeSampled(node="n1", incarnation="i1", sample=HostSample(load=1.0))
HISTORY: tuple[Fact, ...] = (
    registered("i1"),
    SAMPLED,
    registered("i2"),
    lost("i2"),
    registered("i3"),
    SAMPLED,
    NodeLeft(node="n1", incarnation="i3"),
)


LOG = NodeLog("i2", ["i1"])
GONE = NodeLog("i2", ["i1"], gone=True)


@pytest.mark.parametrize(
    "fact", [registered("i3"), lost("i2"), NodeLeft(node="n1", incarnation="i2")]
)
def test_what_is_decided_about_the_incarnation_that_the_log_knows_fits(fact: NodeFact) -> None:
    assert LOG.admits(fact)


@pytest.mark.parametrize("fact", [registered("i1"), registered("i2"), lost("i1"), SAMPLED])
def test_what_is_decided_about_another_one_does_not_fit(fact: NodeFact) -> None:
    assert not LOG.admits(fact)


@pytest.mark.parametrize("fact", [NodeRecovered(node="n1", incarnation="i2"), lost("i2")])
def test_nothing_is_said_of_one_that_is_gone(fact: NodeFact) -> None:
    assert LOG.admits(fact)
    assert not GONE.admits(fact)


class Kept:
    """A node's stream in a store, with the state at every version."""

    def __init__(self) -> None:
        self.log = MemoryLog(lambda: 0)
        self.log.acquire([0], "c1", 10.0)
        self.store = MemoryStore(self.log)
        self.head, self.node = Head("node:n1"), NodeLog()

    def write(self, *written: Fact) -> "Kept":
        stored: list[Stored] = []
        for fact in written:
            stamp = Stamp(recorded_at=1, epoch=1)
            stored.append(seal(self.head, fact, f"e{self.head.version}", stamp))
            self.node.note(fact, stamp.actor, stamp.recorded_at)
        batch = Batch(id=f"b{self.head.version}", leases=(LEASE,), events=tuple(stored))
        self.log.append(batch)
        return self

    def loaded(self) -> s.NodeLoaded:
        loader = Loader(self.store, Catalogue(), "c1")
        answer = anyio.run(loader.load, s.LoadNode(node="n1"))
        assert isinstance(answer, s.NodeLoaded)
        return answer


def test_registrations_follow_each_other() -> None:
    found = Kept().write(*HISTORY).loaded()
    assert (found.incarnation, found.past, found.gone) == ("i3", ("i1", "i2"), True)
    assert (found.head.version, found.tail_events) == (len(HISTORY), len(HISTORY))


@pytest.mark.parametrize("at", range(1, len(HISTORY) + 1))
def test_a_snapshot_anywhere_changes_nothing_but_what_is_read(at: int) -> None:
    kept = Kept().write(*HISTORY[:at])
    kept.log.save_snapshot(snapshot_of(kept.head, kept.node))
    found = kept.write(*HISTORY[at:]).loaded() if at < len(HISTORY) else kept.loaded()
    whole = Kept().write(*HISTORY).loaded()
    assert found.tail_events == len(HISTORY) - at
    assert msgspec.structs.replace(found, tail_events=len(HISTORY)) == whole


def test_a_snapshot_of_another_form_is_left_aside() -> None:
    kept = Kept().write(*HISTORY)
    snapshot = snapshot_of(kept.head, NodeLog("wrong"))
    kept.log.save_snapshot(msgspec.structs.replace(snapshot, fingerprint="node-0"))
    assert kept.loaded().incarnation == "i3"


def test_a_snapshot_that_is_none_is_left_aside() -> None:
    kept = Kept().write(*HISTORY)
    snapshot = snapshot_of(kept.head, kept.node)
    kept.log.save_snapshot(msgspec.structs.replace(snapshot, state=b"{"))
    assert kept.loaded().incarnation == "i3"


@pytest.mark.edge("EngineLimits.node_tail_events_max")
def test_a_snapshot_is_taken_after_the_commit_when_the_tail_is_long() -> None:
    settings = Settings(node_tail_events_max=3, node_sample_interval_s=0.1)
    drive = Drive(settings).ready()
    taken: list[int] = []
    for _ in range(8):
        sampled(drive.wait(0.5), 1.0)
        assert drive.take(s.SaveSnapshot) == []
        facts(drive)
        taken += [one.snapshot.version for one in drive.take(s.SaveSnapshot)]
    assert taken == [3, 6, 9]
