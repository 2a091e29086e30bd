"""Ownership: which shards this coordinator holds, and until when it may act on that.

Safety rests on the epoch alone, which every append carries and the store checks. The monotonic
deadline (the instant before the renewal was asked + ttl - margin) only keeps a holder from
answering and working in vain after its lease has ended.
"""

from collections.abc import Iterable

from orchestrator.coordinator.ports import Lease
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.env import microseconds


class Ownership:
    def __init__(self, shards: int, settings: Settings) -> None:
        self.shards = shards
        self._ttl = microseconds(settings.lease_ttl_s - settings.lease_margin_s)
        self._every = microseconds(settings.lease_ttl_s / 3)
        self._leases: dict[int, Lease] = {}
        self._until: dict[int, int] = {}
        self._ask_at = 0
        self.held: tuple[Lease, ...] = ()
        """In order of their shards."""

    def holds(self, shard: int, now: int) -> bool:
        return self._until.get(shard, 0) > now

    def epoch(self, shard: int) -> int:
        """The epoch under which we hold `shard`; raises KeyError when we do not."""
        return self._leases[shard].epoch

    def leases(self, shards: Iterable[int]) -> tuple[Lease, ...]:
        return tuple(self._leases[shard] for shard in sorted(set(shards)))

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(shard for shard in range(self.shards) if shard not in self._leases)

    def time_to_ask(self, now: int) -> bool:
        """Whether leases are to be asked for now; if so, not again for a third of the ttl."""
        if now < self._ask_at:
            return False
        self._ask_at = now + self._every
        return True

    def fresh(self, leases: Iterable[Lease]) -> list[Lease]:
        """Those that are newer than what is held; an answer that came late may bring older ones."""
        held = self._leases
        return [o for o in leases if o.shard not in held or held[o.shard].epoch < o.epoch]

    def lasts(self, asked_at: int, now: int) -> bool:
        """Whether a lease that was asked for then has not ended by our clock already."""
        return asked_at + self._ttl > now

    def grant(self, leases: Iterable[Lease], asked_at: int) -> None:
        """Notes leases as held from `asked_at`."""
        for lease in leases:
            self._leases[lease.shard] = lease
            self._until[lease.shard] = asked_at + self._ttl
        self.held = self.leases(self._leases)

    def extend(self, leases: Iterable[Lease], asked_at: int) -> None:
        """Notes that leases were renewed. One that was dropped meanwhile stays dropped: what it
        covered has been forgotten."""
        self.grant([o for o in leases if self._leases.get(o.shard) == o], asked_at)

    def drop(self, shards: Iterable[int]) -> list[int]:
        """Forgets shards; returns those that were held."""
        lost = [shard for shard in shards if self._leases.pop(shard, None) is not None]
        for shard in lost:
            self._until.pop(shard, None)
        self.held = self.leases(self._leases)
        return lost

    def expired(self, now: int) -> list[int]:
        return [shard for shard, until in self._until.items() if until <= now]
