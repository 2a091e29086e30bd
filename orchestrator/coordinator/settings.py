"""The coordinator's settings and limits: each with its unit and what happens when it is met."""

import msgspec

from events.constraints import Amount, Count, Duration, Factor, Share, Wait


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds."""

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

    node_tail_events_max: Count = 1000
    """Events of a node's stream after which a snapshot of what they say is taken, so that the node
    is known at once after a restart."""

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

    turn_works_max: Count = 1000
    """Reports and requests decided in one turn; the rest waits for the next commit."""

    gathered_at_once_max: Count = 300
    """Reports and requests decided in one go while a commit is in flight; then the coordinator
    looks whether the commit has landed."""

    turn_events_max: Count = 1500
    """Events after which a turn takes no more work; one decision may exceed it."""

    turn_bytes_max: Count = 8 * 1024 * 1024
    """Bytes of events, and of what they name by its hash, after which a turn takes no more work;
    one decision may exceed it."""

    commands_in_message_max: Count = 512
    """Commands for one node in one message; the node begins with the first ones while the others
    are under way."""

    dispatch_max: Count = 1000
    """Ready tasks looked at in one turn."""

    intake_max: Count = 20_000
    """Works waiting, for their turn or for what they need from the store; above it requests are
    refused as unavailable."""

    loads_max: Count = 64
    """Runs being rebuilt at the same time; the rest waits."""

    conflicts_max: Amount = 5
    """Times that a work is decided anew after a conflict; then the request is refused."""

    recent_runs_max: Count = 2000
    """Ended runs kept in memory for clients that still ask."""

    idle_runs_max: Amount = 1000
    """Runs kept in memory that only wait (for a signal, a timer, their child runs, or to be
    resumed); beyond, the one that has waited longest leaves and is read again when it goes on."""

    waiters_max: Count = 20_000
    """Clients that wait for the end of a run; above it they are refused as unavailable and ask
    again."""

    unknown_workflows_max: Count = 1000
    """Names that were asked for and that no workflow has; the oldest is looked for again when it is
    asked for again."""

    parked_reasons_max: Count = 1000
    """Runs that cannot be read of which the reason is kept; of the oldest, a refusal only says how
    to find it out."""

    chunk_requests_max: Count = 64
    """Requests to store or to fetch chunks of large lists that wait for the store; above it they
    are refused as unavailable and ask again."""

    snapshot_tail_bytes_min: Count = 256 * 1024
    """A snapshot is taken when the tail since the last one is over this and outgrew the state."""

    snapshot_tail_factor: Factor = 4.0
    """How many times the size of the state the tail has to outgrow."""

    snapshots_kept: Count = 3
    """Snapshots of one stream, the newest; older ones are deleted when another is written."""

    tick_s: Duration = 0.1
    """Longest time between two looks at timers, leases and nodes."""
