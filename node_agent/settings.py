"""What the core has to know of its node: plain values, decided by the configuration."""

from collections.abc import Set as AbstractSet

import msgspec

from events.policies import Needs


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`tasks`: names of the registered task types, of which some are `transactional`; `timeouts_s`:
    the longest that those may run which say so themselves. Times are seconds.

    `lease_margin_s` is taken off every lease, against clocks that run at different speeds; never
    more than half of the lease.
    """

    node: str
    tasks: AbstractSet[str] = frozenset()
    timeouts_s: dict[str, float] = {}
    transactional: AbstractSet[str] = frozenset()
    labels: dict[str, str] = {}
    build_id: str = ""
    weight: float = 1.0
    capacity: Needs = Needs()
    slots: int = 8
    credits: int = 32
    heartbeat_interval_s: float = 1.0
    lease_margin_s: float = 0.5
    started_report_after_s: float = 2.0
    progress_interval_s: float = 1.0
    cancel_grace_s: float = 10.0
    resend_first_s: float = 5.0
    resend_max_s: float = 30.0
    publish_retry_first_s: float = 0.2
    publish_retry_max_s: float = 5.0
    drain_timeout_s: float = 30.0


def microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
