"""The coordinator's settings and limits: each with its unit and what happens when it is met."""

from events.constraints import Duration, Share, Wait
from events.limits import EngineLimits


class Settings(EngineLimits, frozen=True, kw_only=True):
    """The times of a coordinator, in seconds; its limits are those of `EngineLimits`."""

    lease_ttl_s: Duration = 6.0
    """A shard lease ends this long after its last renewal; another coordinator may then take over.
    """

    lease_margin_s: Wait = 1.0
    """The holder stops this long before its lease ends, by its own monotonic clock."""

    attempt_lease_ttl_s: Duration = 5.0
    """A node may start attempts this long after the heartbeat that was granted, and is declared
    lost when it was silent for as long."""

    suspect_share: Share = 0.6
    """Share of `attempt_lease_ttl_s` of silence after which a node gets nothing new."""

    node_sample_interval_s: Duration = 60.0
    """A node's host sample is recorded at most this often; heartbeats between are not recorded."""

    observer_gap_s: Duration = 1.0
    """Between two looks at the nodes more time than this does not count as their silence: the
    observer itself was not scheduled."""

    resend_after_s: Duration = 2.0
    """A command that the node's heartbeats do not mention is sent again after this time."""

    pending_after_s: Wait = 1.0
    """A ready task that finds no slot for this long gets a `task.pending` event."""

    due_poll_s: Duration = 1.0
    """How often `run_index` is asked for due runs that are not in memory."""

    due_horizon_s: Duration = 3.0
    """Runs due within this time are kept in, or brought into, memory."""

    retry_append_s: Duration = 0.2
    """Wait before an append is tried again while the store is away; intake is held meanwhile."""

    tick_s: Duration = 0.1
    """Longest time between two looks at timers, leases and nodes."""

    @property
    def suspect_after_s(self) -> float:
        """A node of which nothing is heard for longer than this is not well."""
        return self.attempt_lease_ttl_s * self.suspect_share
