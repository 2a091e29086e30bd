"""Ownership: which shards this coordinator holds, how many it ought to, and until when it may act
on that.

Coordinators share the shards evenly. Each says in the store that it is there, and is told who else
is; from the names in order follows everybody's share. Who has more hands the rest over in good
order, who has less takes what is free. Nobody has to agree with anybody: while two see different
coordinators, a shard may stay free, or change hands once more, and no more than that.

Safety rests on the epoch alone, which every append carries and the store checks. The monotonic
deadline (the instant before the renewal was asked + ttl - margin) only keeps a holder from
answering and working in vain after its lease has ended.
"""

from collections.abc import Iterable, Sequence

from orchestrator.coordinator.ports import Lease
from orchestrator.coordinator.settings import Settings
from orchestrator.kernel.env import MICROSECONDS, microseconds

TAKE_SHARE = 1 / 12
"""Of a lease's time: how often everybody looks who else is there, and who has too few shards looks
for free ones. So those of one that stops are taken up soon."""


class Ownership:
    def __init__(self, shards: Sequence[int], settings: Settings) -> None:
        """`shards`: those that there are to be held."""
        self._shards = shards
        self._ttl = microseconds(settings.lease_ttl_s - settings.lease_margin_s)
        self._every = microseconds(settings.lease_ttl_s / 3)
        self._take_every = microseconds(settings.lease_ttl_s * TAKE_SHARE)
        self._leases: dict[int, Lease] = {}
        self._until: dict[int, int] = {}
        self._alone_from: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._ask_at = self._take_at = self._attend_at = 0
        self._is_taking = False
        self._share = 0
        self.held: tuple[Lease, ...] = ()
        """In order of their shards."""

    def holds(self, shard: int, now: int) -> bool:
        return self._until.get(shard, 0) > now

    def is_alone(self, shard: int, now: int) -> bool:
        """Whether nodes begin nothing of `shard` any more that an earlier owner has allowed."""
        return self._alone_from.get(shard, now + 1) <= now

    def lasts_s(self, shard: int, now: int) -> float:
        """For how long we may act on `shard` if its lease is not renewed."""
        return max(0, self._until.get(shard, now) - now) / MICROSECONDS

    def held_for_s(self, shard: int, now: int) -> float:
        """For how long `shard` has been ours without a break."""
        return (now - self._since.get(shard, now)) / MICROSECONDS

    def epoch(self, shard: int) -> int:
        """The epoch under which we hold `shard`; raises KeyError when we do not."""
        return self._leases[shard].epoch

    def held_under(self, shard: int) -> int:
        """The same, and 0 when we do not: nobody is let start anything by that."""
        lease = self._leases.get(shard)
        return 0 if lease is None else lease.epoch

    def leases(self, shards: Iterable[int]) -> tuple[Lease, ...]:
        return tuple(self._leases[shard] for shard in sorted(set(shards)))

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(shard for shard in self._shards if shard not in self._leases)

    def time_to_attend(self, now: int) -> bool:
        """Whether to say now that we are there, and to hear who else is; if so, not again soon."""
        if now < self._attend_at:
            return False
        self._attend_at = now + self._take_every
        return True

    def time_to_ask(self, now: int) -> bool:
        """Whether leases are to be renewed now; if so, not again for a third of the ttl."""
        if now < self._ask_at:
            return False
        self._ask_at = now + self._every
        return True

    def time_to_take(self, now: int) -> int:
        """How many shards may be asked for now, none again soon after, nor before the answer: a
        store that does not answer is not asked ever more."""
        room = self._share - len(self._leases)
        if room <= 0 or now < self._take_at or self._is_taking or not self.missing:
            return 0
        self._take_at = now + self._take_every
        self._is_taking = True
        return room

    def answered(self) -> None:
        """The store has given leases, or has answered nothing to a question about them."""
        self._is_taking = False

    def told(self, names: Sequence[str], ours: str) -> None:
        """Who is there: the first in order have one shard more, if they are not as many for all.
        Without our name nothing is for us: others get what we have, and we keep it while there are
        none."""
        if ours not in names:
            self._share = 0 if names else len(self._leases)
            return
        least, more = divmod(len(self._shards), len(names))
        self._share = least + (names.index(ours) < more)

    @property
    def surplus(self) -> tuple[int, ...]:
        """What others ought to have."""
        return tuple(lease.shard for lease in self.held[self._share :])

    def fresh(self, leases: Iterable[Lease]) -> list[Lease]:
        """Those that are newer than what is held; an answer that came late may bring older ones."""
        held = self._leases
        return [o for o in leases if o.shard not in held or held[o.shard].epoch < o.epoch]

    def lasts(self, asked_at: int, now: int) -> bool:
        """Whether a lease that was asked for then has not ended by our clock already."""
        return asked_at + self._ttl > now

    def begin(self, leases: Iterable[Lease], asked_at: int, now: int) -> None:
        """Notes leases as acquired; their time counts from `asked_at`, that of earlier owners from
        `now`, when the answer came."""
        for lease in leases:
            self._alone_from[lease.shard] = now + microseconds(lease.granted_s)
            self._since[lease.shard] = now
        self._hold(leases, asked_at)

    def _hold(self, leases: Iterable[Lease], asked_at: int) -> None:
        for lease in leases:
            self._leases[lease.shard] = lease
            self._until[lease.shard] = asked_at + self._ttl
        self.held = self.leases(self._leases)

    def extend(self, leases: Iterable[Lease], asked_at: int) -> None:
        """Notes that leases were renewed. One that was dropped meanwhile stays dropped: what it
        covered has been forgotten."""
        self._hold([o for o in leases if self._leases.get(o.shard) == o], asked_at)

    def drop(self, shards: Iterable[int]) -> list[int]:
        """Forgets shards; returns those that were held."""
        lost = [shard for shard in shards if self._leases.pop(shard, None) is not None]
        for shard in lost:
            self._until.pop(shard, None)
            self._alone_from.pop(shard, None)
            self._since.pop(shard, None)
        self.held = self.leases(self._leases)
        return lost

    def expired(self, now: int) -> list[int]:
        return [shard for shard, until in self._until.items() if until <= now]
