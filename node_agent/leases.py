"""The right to start attempts of a shard, by the agent's own monotonic clock.

Guarantee: `until` never lies after the instant at which the granting coordinator may take the
attempts for lost. The coordinator counts from the arrival of a heartbeat, the agent from before it
was sent, and takes a margin off. An answer says which heartbeat it answers; how long it travelled
does not matter.

Nor does an attempt start that an earlier owner has given to another node: what was sent under an
earlier epoch than the present owner's starts only when that owner has answered a heartbeat that
lists it. (It answers which of them are fenced.)
"""

from collections import deque

from events.limits import HEARTBEATS_REMEMBERED_MAX
from events.messages import DEFERRED_PROTOCOL, Deferred, Granted
from node_agent.attempts import Held
from node_agent.journal import Final
from node_agent.settings import microseconds

HEARTBEATS_PER_LEASE = 3
"""At least so many within the time of a lease, whatever interval is configured: one may be lost."""

HEARTBEAT_INTERVAL_S_MIN = 0.1
"""Seconds between heartbeats at least, unless a shorter interval is configured: what an owner
grants grows short when its own lease is about to end, and no flood of heartbeats prolongs that."""

NEVER = -(2**62)


class Leases:
    __slots__ = (
        "_epochs",
        "_margin_us",
        "_order",
        "_protocols",
        "_sent",
        "_ttl_us",
        "_until",
        "next_beat",
    )

    def __init__(self, margin_s: float) -> None:
        self._margin_us = microseconds(margin_s)
        self._sent: dict[int, int] = {}
        self._order: deque[int] = deque()
        self._until: dict[int, int] = {}
        self._epochs: dict[int, tuple[int, int]] = {}
        """Under which epoch a shard is granted, and the last heartbeat that was answered so."""
        self._protocols: dict[int, int] = {}
        """Which kinds of messages the owner of a shard knows."""
        self._ttl_us: int | None = None
        self.next_beat = 1
        """The sequence of the next heartbeat."""

    def sent(self, sequence: int, now_us: int) -> None:
        """Notes that the heartbeat with this `sequence` leaves, not before `now_us`."""
        self._sent[sequence] = now_us
        self.next_beat = sequence + 1
        self._order.append(sequence)
        if len(self._order) > HEARTBEATS_REMEMBERED_MAX:
            del self._sent[self._order.popleft()]

    def grant(self, answer: Granted) -> None:
        """Extends the shards named; an answer to a heartbeat that is not remembered does
        nothing.
        """
        sent_us = self._sent.get(answer.sequence)
        if sent_us is None:
            return
        if not answer.shards:
            return  # an owner that is not ready yet says nothing about how long its leases last
        ttl_us = self._ttl_us = microseconds(answer.lease_ttl_s)
        until_us = sent_us + ttl_us - min(self._margin_us, ttl_us // 2)
        for shard in answer.shards:
            self._until[shard] = max(until_us, self._until.get(shard, NEVER))
            self._protocols[shard] = answer.protocol
        for shard, epoch in zip(answer.shards, answer.epochs, strict=False):
            answered = (epoch, answer.sequence)
            self._epochs[shard] = max(answered, self._epochs.get(shard, answered))

    def until(self, shard: int) -> int:
        """The monotonic instant before which attempts of `shard` may be started."""
        return self._until.get(shard, NEVER)

    def is_told(self, shard: int, protocol: int) -> bool:
        """Whether the owner of the shard knows the messages of this protocol; one that has not been
        heard does, until it says otherwise."""
        return self._protocols.get(shard, protocol) >= protocol

    def is_known(self, shard: int, report: Final | None) -> bool:
        """Whether the owner of the shard takes a final report for what it is. To one of an earlier
        release that nobody has finished would be a failure, so the owner has to be heard first."""
        if not isinstance(report, Deferred):
            return True
        return self._protocols.get(shard, -1) >= DEFERRED_PROTOCOL

    def covers(self, entry: Held) -> bool:
        """Whether the owner who has granted the attempt's shard has sent it, or has seen it."""
        epoch, beat = self._epochs.get(entry.shard, (0, 0))
        return entry.epoch >= epoch or entry.beat <= beat

    def in_time(self, interval_us: int) -> int:
        """The interval between heartbeats, made shorter where leases would end between two."""
        if self._ttl_us is None:
            return interval_us
        least_us = min(interval_us, microseconds(HEARTBEAT_INTERVAL_S_MIN))
        return min(interval_us, max(self._ttl_us // HEARTBEATS_PER_LEASE, least_us))

    def clear(self) -> None:
        self._ttl_us = None
        self._sent.clear()
        self._order.clear()
        self._until.clear()
        self._epochs.clear()
        self.next_beat = 1
