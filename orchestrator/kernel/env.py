"""What decisions may look at beside state and input: the instant, a seed, engines, limits."""

import hashlib

import msgspec

from events.limits import Limits
from orchestrator.kernel.expressions import Expressions

MICROSECONDS = 1_000_000


def microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


class Env(msgspec.Struct, frozen=True, kw_only=True):
    """`now`: microseconds since the epoch, UTC. `jitter_seed`: what retry jitter is derived from,
    so that it is chance to the outside and none to a decision made again."""

    now: int
    expressions: Expressions
    limits: Limits
    jitter_seed: str = ""

    def after(self, seconds: float) -> int:
        """The instant so long after now, at most the longest duration there is, so that it fits in
        64 bits whatever a stored definition says."""
        return self.now + microseconds(min(seconds, self.limits.duration_s_max))

    def due(self, seconds: float | None) -> int | None:
        """The instant at which a timeout ends that begins now; None is no limit."""
        return None if seconds is None else self.after(seconds)

    def chance(self, of: str) -> float:
        """A number in [0, 1) that depends on the seed and on what it is for."""
        data = hashlib.sha256(f"{self.jitter_seed}/{of}".encode()).digest()
        return int.from_bytes(data[:7], "big") / float(1 << 56)
