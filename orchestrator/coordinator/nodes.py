"""Heartbeats and node facts: joining, draining, leaving, falling silent, being lost."""

from collections.abc import Collection

from events.cluster_facts import (
    NodeDraining,
    NodeLeft,
    NodeLost,
    NodeRecovered,
    NodeRegistered,
    NodeSampled,
    NodeSuspected,
)
from events.envelope import Head
from events.facts import HostSample, LossReason
from events.ids import Attempt, node_stream
from events.messages import PROTOCOL, PROTOCOL_MIN, Granted, Heartbeat, Order, Reset
from orchestrator.coordinator import signals as s
from orchestrator.coordinator import works as w
from orchestrator.coordinator.cluster import GONE, Node
from orchestrator.coordinator.memory import Memory
from orchestrator.coordinator.nodelog import NodeFact, NodeLog, snapshot_of
from orchestrator.kernel.env import MICROSECONDS, microseconds
from orchestrator.kernel.inputs import AttemptLost

NO_SAMPLE = HostSample()


def heartbeat(memory: Memory, beat: Heartbeat, reply_to: str) -> None:
    """Grants the attempt lease, unless this incarnation was declared lost; notes what changed."""
    if not memory.ownership.held:
        return
    node = memory.cluster.nodes.get(beat.node)
    if node is not None and (_is_gone(node, beat) or beat.incarnation in node.past):
        _reset(memory, beat, reply_to)
        return
    if node is not None and _is_late(node, beat):
        return
    overtaken = node is not None and _is_overtaken(node, beat)
    node = memory.cluster.heard(beat)
    node.clock_ahead_s = (beat.at - memory.now.wall) / MICROSECONDS if beat.at else None
    if node.head is None:
        memory.load_node(beat.node)
        return
    _believe(memory, node, beat)
    if not overtaken:
        _follow(memory, node, beat)
    _sample(memory, node, beat)
    memory.beats[beat.node] = beat
    _grant(memory, beat, reply_to)


def node_loaded(memory: Memory, loaded: s.NodeLoaded) -> None:
    """What the log says about a node that was heard of for the first time."""
    node = memory.cluster.expect(loaded.node)
    node.head = loaded.head
    log = NodeLog(loaded.incarnation, list(loaded.past), loaded.gone, loaded.cordon, loaded.drain)
    node.log = log
    node.snapshot_version = loaded.head.version - loaded.tail_events
    node.past.update(loaded.past)
    node.settle()
    if node.status == "joining":
        node.incarnation = loaded.incarnation
    if loaded.gone and node.incarnation == loaded.incarnation:
        node.is_gone_in_log = True
        if node.status not in GONE:
            memory.cluster.set_status(node, "lost")
    beat = node.beat
    if beat is not None and (beat.incarnation in node.past or _is_late(node, beat)):
        node.beat = None
    elif beat is not None and not _is_gone(node, beat):
        _believe(memory, node, beat)


def node_unread(memory: Memory, name: str) -> None:
    """The node's stream is in another log, which cannot be read: until it can, what the agent says
    of itself goes. It tells what its owner ordered last; and whoever was declared lost there has
    been told so, or will be."""
    node = memory.cluster.nodes.get(name)
    if node is None or node.head is not None:
        return
    node.head = Head(node_stream(name))
    node.settle()
    if node.beat is not None and not _is_gone(node, node.beat):
        _believe(memory, node, node.beat)


def _believe(memory: Memory, node: Node, beat: Heartbeat) -> None:
    """Lets the process that sent this take part, if it does not yet; the log may know it."""
    if node.incarnation != beat.incarnation:
        _join(memory, node, beat)
    elif node.status == "joining":
        memory.cluster.join(node, beat)


def _is_gone(node: Node, beat: Heartbeat) -> bool:
    """Whether this is word of a process that was declared lost, or has left."""
    return node.status in GONE and node.incarnation == beat.incarnation


def _is_late(node: Node, beat: Heartbeat) -> bool:
    """Whether this is late word of an earlier process of the node: believing it would fence its
    successor. Incarnations sort by time; should a node's clock have gone back, it is believed once
    the one that we know is lost."""
    return node.status not in GONE and beat.incarnation < node.incarnation


def _is_overtaken(node: Node, beat: Heartbeat) -> bool:
    """Whether a newer heartbeat of the same process was heard already."""
    last = node.beat
    if last is None or last.incarnation != beat.incarnation:
        return False
    return beat.sequence < last.sequence


def _reset(memory: Memory, beat: Heartbeat, reply_to: str) -> None:
    answer = Reset(
        coordinator=memory.identity.name,
        sequence=beat.sequence,
        incarnation=beat.incarnation,
        reason="this incarnation was declared lost",
    )
    memory.out.append(s.AnswerHeartbeat(reply_to=reply_to, answer=answer))


def _grant(memory: Memory, beat: Heartbeat, reply_to: str) -> None:
    """Nothing is allowed for longer than our own leases last: who takes a shard after them knows
    that nodes begin nothing more by our word."""
    now, ownership = memory.now.monotonic, memory.ownership
    strange = _strange(memory, beat)
    doubtful = {memory.shard(one.run_id) for one in strange if _is_loading(memory, one)}
    leases = tuple(
        lease
        for lease in ownership.held
        if ownership.holds(lease.shard, now) and lease.shard not in memory.warming | doubtful
    )
    shards = tuple(lease.shard for lease in leases)
    least_s = min((ownership.lasts_s(shard, now) for shard in shards), default=0.0)
    answer = Granted(
        coordinator=memory.identity.name,
        sequence=beat.sequence,
        incarnation=beat.incarnation,
        shards=shards,
        lease_ttl_s=min(memory.settings.attempt_lease_ttl_s, least_s),
        order=_order(memory, beat),
        protocol=PROTOCOL,
        protocol_min=PROTOCOL_MIN,
        epochs=tuple(lease.epoch for lease in leases),
        fenced=tuple(a for a in strange if memory.shard(a.run_id) in shards),
    )
    memory.cluster.grants(beat.node, now + microseconds(answer.lease_ttl_s))
    memory.out.append(s.AnswerHeartbeat(reply_to=reply_to, answer=answer))


def _strange(memory: Memory, beat: Heartbeat) -> list[Attempt]:
    """What the node holds and is not outstanding, as far as we know. O(held)."""
    ours = memory.runs.held.of(beat.node)
    held = ((attempt, ours.get((attempt.run_id, attempt.step))) for attempt in beat.held)
    strange = [attempt for attempt, found in held if found is None or found[0] != attempt]
    return [attempt for attempt in strange if attempt.run_id not in memory.parked]


def _is_loading(memory: Memory, attempt: Attempt) -> bool:
    return f"run:{attempt.run_id}" in memory.waiting


def _order(memory: Memory, beat: Heartbeat) -> Order | None:
    """What the node's stream says that operators want of it; only its owner knows that. Nothing of
    what is not durable yet: the agent tells it to others, who act on it at once. Nor anything while
    nothing is durable: an order at version 0 would pass for one of no version, which is believed
    against what is known of later ones."""
    node = memory.cluster.nodes.get(beat.node)
    if node is None or node.head is None or not memory.holds(beat.node):
        return None
    log, version = node.durable, node.durable_version
    if not version:
        return None
    if log.cordon is None:
        return Order(version=version)
    # Of its next incarnation it may not be durable yet that it has nothing to drain.
    due_at = log.drains_until if log.incarnation == beat.incarnation else None
    left_s = None if due_at is None else max(0.0, (due_at - memory.now.wall) / MICROSECONDS)
    return Order(cordoned=True, reason=log.cordon.reason, drain_in_s=left_s, version=version)


def _note(memory: Memory, node: str, fact: NodeFact) -> None:
    memory.intake.append(w.NodeWork(node=node, fact=fact, passed_in=memory.steps))


def _join(memory: Memory, node: Node, beat: Heartbeat) -> None:
    memory.cluster.join(node, beat)
    fact = NodeRegistered(
        node=beat.node,
        incarnation=beat.incarnation,
        tasks=beat.tasks,
        labels=beat.labels,
        build_id=beat.build_id,
        slots=beat.slots,
        credits=beat.credits,
        capacity=beat.capacity,
        weight=beat.weight,
    )
    _note(memory, beat.node, fact)


def _follow(memory: Memory, node: Node, beat: Heartbeat) -> None:
    """What this heartbeat says beside that the node is alive."""
    name, incarnation = beat.node, beat.incarnation
    memory.cluster.hears_of(node, beat)
    if beat.leaving:
        memory.cluster.set_status(node, "left")
        fact = NodeLeft(node=name, incarnation=incarnation, reason="drained")
        _note(memory, name, fact)
        _take_back(memory, beat)
    elif beat.draining and node.status != "draining":
        memory.cluster.set_status(node, "draining")
        draining = NodeDraining(node=name, incarnation=incarnation, reason=beat.refusal)
        _note(memory, name, draining)
    elif node.status == "draining" and not beat.draining:
        memory.cluster.set_status(node, "healthy")
    elif node.status == "suspected":
        memory.cluster.set_status(node, "healthy")
        recovered = NodeRecovered(node=name, incarnation=incarnation)
        _note(memory, name, recovered)


def _take_back(memory: Memory, beat: Heartbeat) -> None:
    """What a node that leaves was given: commands that it does not know of have not reached it, and
    are as good as refused."""
    mentioned = {*beat.held, *beat.unsettled}
    for (run_id, _), (attempt, incarnation) in memory.runs.held.of(beat.node).items():
        reason: LossReason = "node_restarted"
        message = f"{beat.node} left"
        if attempt not in mentioned and incarnation == beat.incarnation:
            reason, message = "refused", f"{beat.node} left before the attempt had reached it"
        lost = AttemptLost(attempt=attempt, reason=reason, message=message)
        memory.intake.append(w.RunWork(run_id=run_id, given=lost))


def _sample(memory: Memory, node: Node, beat: Heartbeat) -> None:
    """Records how the host is, now and then; its owner does, nobody else. It goes with whatever is
    decided in the same turn."""
    if beat.host == NO_SAMPLE or not memory.holds(beat.node):
        return
    now = memory.now.monotonic
    interval_us = microseconds(memory.settings.node_sample_interval_s)
    if node.sampled_at is not None and now - node.sampled_at < interval_us:
        return
    node.sampled_at = now
    fact = NodeSampled(node=beat.node, incarnation=beat.incarnation, sample=beat.host)
    _note(memory, beat.node, fact)


def watch(memory: Memory) -> None:
    """Suspects and loses nodes that are silent."""
    cluster = memory.cluster
    cluster.observe(memory.now.monotonic)
    for name in memory.runs.held.nodes():
        if cluster.expect(name).head is None:
            memory.load_node(name)  # an earlier owner may have lost it: then nothing is to wait for
    if memory.warming or not memory.ownership.held:
        return
    for node in cluster.newly_suspected():
        cluster.set_status(node, "suspected")
        silent_s = round(cluster.silent_s(node), 3)
        fact = NodeSuspected(node=node.name, incarnation=node.incarnation, silent_s=silent_s)
        _note(memory, node.name, fact)
    for node in cluster.newly_lost():
        if node.head is None:
            # Its incarnation has to be known: another word of that one must not be believed.
            memory.load_node(node.name)
        else:
            _lose(memory, node)
    # Not only when it was lost: runs are loaded later, and another may own the node's stream.
    held = [node for node in cluster.nodes.values() if memory.runs.held.count(node.name)]
    if gone := [node for node in held if _is_certainly_gone(memory, node)]:
        told = _lost_already(memory)
        for node in gone:
            _give_up(memory, node, f"{node.name} is {node.status}", told)


def _is_certainly_gone(memory: Memory, node: Node) -> bool:
    """Whether its attempts may go to others: not before every later owner knows it, too, and grants
    it nothing any more."""
    return node.status in GONE and (node.is_gone_in_log or not memory.holds(node.name))


def _lose(memory: Memory, node: Node) -> None:
    """Its attempts are given up once this is durable."""
    memory.cluster.set_status(node, "lost")
    silent_s = round(memory.cluster.silent_s(node), 3)
    fact = NodeLost(node=node.name, incarnation=node.incarnation, silent_s=silent_s)
    _note(memory, node.name, fact)


def _lost_already(memory: Memory) -> set[Attempt]:
    """Attempts whose loss waits to be decided; behind a commit that may be long."""
    given = (work.given for work in memory.works() if isinstance(work, w.RunWork))
    return {one.attempt for one in given if isinstance(one, AttemptLost)}


def _give_up(memory: Memory, node: Node, message: str, told: Collection[Attempt] = ()) -> None:
    """But not what the node may still begin by the word of an earlier owner, or by ours, should it
    have been lost by the owner of its stream alone; later, then. Nor what it has as a process that
    we have not heard of yet, before it was silent for long enough."""
    now = memory.now.monotonic
    is_silent = memory.cluster.silent_s(node) > memory.settings.attempt_lease_ttl_s
    may_begin = memory.cluster.may_begin(node.name, now)
    for (run_id, _), (attempt, incarnation) in memory.runs.held.of(node.name).items():
        if not is_silent and incarnation not in {node.incarnation, *node.past}:
            continue
        if may_begin and incarnation not in node.past:
            continue
        if attempt not in told and memory.ownership.is_alone(memory.shard(run_id), now):
            lost = AttemptLost(attempt=attempt, reason="node_lost", message=message)
            memory.intake.append(w.RunWork(run_id=run_id, given=lost))


def written(memory: Memory, name: str) -> None:
    """Events of a node have become durable, all that were decided: its attempts are given up if it
    is lost by them; a snapshot is taken when there are many since the last."""
    node = memory.cluster.nodes.get(name)
    if node is None or node.head is None:
        return
    node.settle()
    if node.log.gone and node.status in GONE and not node.is_gone_in_log:
        node.is_gone_in_log = True
        if node.status == "lost":
            silent_s = memory.cluster.silent_s(node)
            _give_up(memory, node, f"{name} was silent for {silent_s:.3g} s")
    if node.head.version - node.snapshot_version >= memory.settings.node_tail_events_max:
        node.snapshot_version = node.head.version
        memory.out.append(s.SaveSnapshot(snapshot=snapshot_of(node.head, node.log)))
