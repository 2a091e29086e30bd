"""Limits that are configuration, `[limits]` and `[engine]`, and how much one append carries."""

import msgspec

from events.constraints import DURATION_S_MAX, Amount, Count, Depth, Duration, Factor, Wait

KIB = 1024
MIB = 1024 * KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are what a coordinator uses unless its configuration says otherwise.

    "Refused at check" means a `Rejected` with all problems when a definition is checked or
    registered; nothing is stored.
    """

    definition_bytes_max: Count = 4 * MIB
    """Bytes of a definition, as a file and as canonical JSON. Refused at check."""

    net_bytes_max: Count = 16 * MIB
    """Bytes of a compiled net as JSON. Refused at check: split the workflow."""

    steps_max: Count = 10_000
    """Steps of a definition, those inside branches and handlers included. Refused at check."""

    arcs_max: Count = 100_000
    """Arcs of a compiled net. Refused at check."""

    nesting_max: Depth = 32
    """Levels of steps inside steps. Refused at check."""

    name_chars_max: Count = 200
    """Characters of a workflow name, step id, task type, branch, variable or code. Refused."""

    description_chars_max: Count = 10_000
    """Characters of a description. Refused at check."""

    expression_chars_max: Count = 2_000
    """Characters of one expression. Refused at check: let a task compute it."""

    expression_nesting_max: Depth = 40
    """Levels of brackets in one expression. Refused at check."""

    expression_loops_max: Amount = 2
    """Levels of `map`, `filter`, `all` … inside each other in one expression: the work grows with
    this power of the list's length. Refused at check."""

    expression_work_max: Count = 1_000_000
    """Rounds that the loops of one evaluation may take, estimated from the sizes of the values that
    it reads; a quarter of a second. The evaluation fails: let a task compute this."""

    payload_bytes_max: Count = 1 * MIB
    """Bytes of one value as JSON: a run's input, a task's inputs or output, all variables of a run,
    heartbeat details. A client's request is refused; a task's output that is over it fails the
    attempt with code `payload_too_large`; inputs or variables that are over it fail the step."""

    tags_max: Count = 64
    """Tags of a run, or labels of a task. Refused at check, a run's own when it is started."""

    codes_max: Count = 100
    """Codes that a retry policy may name in one list. Refused like tags."""

    attempts_max: Count = 1_000
    """Most attempts that a retry policy may ask for. Refused at check."""

    retry_after_s_max: Duration = 3_600.0
    """Most seconds that a failed task is left alone for before its next attempt when it asks to."""

    losses_max: Amount = 20
    """Attempts of one task that may be lost with their node before it fails with code `lost`."""

    kills_max: Count = 5
    """Attempts of one task that are lost with an agent that died while they may have been running
    there, until the task fails with code `poison_task` and is a dead letter."""

    kills_apart: Count = 2
    """From so many on, the next attempt waits for `killed_delay_s`, and is given only to a node
    that has no attempt of another such task."""

    killed_delay_s: Wait = 1.0
    """Seconds of that wait; doubles with each further one up to `killed_delay_s_max`."""

    killed_delay_s_max: Duration = 60.0
    """Longest of these waits, seconds."""

    settling_delay_s: Wait = 1.0
    """Seconds until another node is asked what became of a transaction; doubles with each time in a
    row up to `settling_delay_s_max`. Nothing is ever guessed."""

    settling_delay_s_max: Duration = 300.0
    """Longest of these waits, seconds."""

    settling_tries_max: Count = 100
    """Times in a row that this is asked in vain, some 7 hours, until the task is a dead letter with
    code `unsettled`. From then on it is asked every `settling_rest_s`, and whenever an operator
    wants something of it."""

    settling_rest_s: Duration = 86_400.0
    """Seconds between these later questions."""

    halt_s: Duration = 10.0
    """Seconds for which nothing of a run is placed but what settles its transactions, because an
    operator's action waits for that. Asked again it lasts longer; else the run goes on without."""

    refused_delay_s: Wait = 0.2
    """Seconds before a task that a node refused is placed again; doubles with each refusal in a
    row up to `refused_delay_s_max`."""

    refused_delay_s_max: Duration = 5.0
    """Longest of these waits, seconds."""

    run_events_max: Count = 100_000
    """Events of a run. One that gets there fails with code `too_many_events` as soon as what is
    under way has come back: start runs for parts of its work."""

    iterations_max: Count = 10_000
    """Most iterations that a loop may ask for. Refused at check."""

    instances_max: Count = 20_000
    """Steps of a run, those of each iteration of its loops counted. A loop that would make more
    fails with code `too_many_instances`."""

    calls_depth_max: Count = 10
    """Levels of runs that are started by steps of runs. A step that would make one more fails with
    code `call_refused`."""

    map_items_max: Count = 1_000_000
    """Items that a map may go through. A longer list fails the step with code `too_many_items`."""

    map_part_items_max: Count = 1_000
    """Items that a map counts in its own run. A longer list is cut into parts of so many, which are
    runs of their own."""

    map_parts_max: Count = 4
    """Parts of a map that are under way at the same time; the others begin as these end."""

    map_results_inline_bytes_max: Count = 1 * MIB
    """Bytes of the results of a map in parts that are its output as they are. Beyond, they are
    stored by hash and the output is a reference: as soon as a part has more than its even share."""

    values_answer_bytes_max: Count = 256 * KIB
    """Bytes of the values of a stored list in one answer to who reads it, unless a single value has
    more. The rest is asked for with the next request."""

    map_inputs_bytes_max: Count = 16 * MIB
    """Bytes of what the items of a map that are under way are given, together. The next ones begin
    as these end; one is always under way."""

    signals_max: Count = 1_000
    """Signals that a run keeps for steps that have not taken them yet. A further one is refused."""

    signal_ids_max: Count = 10_000
    """Ids of taken signals that a run knows when they are sent again; then the oldest leaves."""

    update_ids_max: Count = 1_000
    """Ids of updates that a run knows when they are sent again; then the oldest is forgotten."""

    action_ids_max: Count = 1_000
    """Ids of what operators did that a run knows when sent again; then the oldest is forgotten."""

    updates_max: Count = 100
    """Updates that a workflow may declare. Refused at check."""

    start_to_close_margin_s: Wait = 5.0
    """Seconds beyond start-to-close after which the coordinator asks for the attempt back; until
    then the agent enforces it."""

    duration_s_max: Duration = DURATION_S_MAX
    """Seconds of any timeout or delay, about ten years. Refused at check."""

    concurrency_max: Count = 10_000
    """Most outstanding tasks that a run may ask for. Refused at check."""

    problems_max: Count = 100
    """Problems that one check reports; the rest is counted only."""

    @property
    def stream_events_max(self) -> int:
        """Events that the stream of a run never has more of: beyond `run_events_max` there are the
        rest of a decision, and for each attempt that is out its beginning and its end."""
        return self.run_events_max + DECISION_EVENTS + 2 * self.concurrency_max


DECISION_EVENTS = 2_000
"""Events; more than one decision makes. Part of the most events that a run may have."""


class EngineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a coordinator holds, and does at a time."""

    node_tail_events_max: Count = 1000
    """Events of a node's stream after which a snapshot of what they say is taken, so that the node
    is known at once after a restart."""

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
    """Commands for one node in one message; it begins with these while others are under way."""

    dispatch_max: Count = 1000
    """Ready tasks looked at in one turn."""

    intake_max: Count = 20_000
    """Works waiting, for their turn or for what they need from the store; above it requests are
    refused as unavailable."""

    loads_max: Count = 256
    """Runs being rebuilt at the same time; the rest waits."""

    conflicts_max: Amount = 5
    """Times that a work is decided anew after a conflict; then the request is refused."""

    recent_runs_max: Count = 2000
    """Ended runs kept in memory for clients that still ask."""

    idle_runs_max: Amount = 1000
    """Runs kept in memory that only wait (for a signal, a timer, their child runs, or to be
    resumed); beyond, the one that has waited longest leaves and is read again when it goes on."""

    waiters_max: Count = 20_000
    """Clients that wait for the end of a run; above it they are refused, and ask again."""

    unknown_workflows_max: Count = 1000
    """Names asked for that no workflow has; beyond, the oldest is looked for anew when asked."""

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
    """Snapshots of one stream that coordinators have taken; the older go when one is written."""

    recovery_snapshots_kept: Count = 10
    """The same of those that operators' actions take before they change a run. Manual snapshots are
    never deleted by themselves."""


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one append may carry. The caller splits; the store refuses what is larger, which
    would be a bug.

    These are backstops, far above what a turn should gather: what one decision adds to one stream
    cannot be split, so a turn that stops at its own limits may end somewhat above them.
    """

    events_max: Count = 20_000
    """Events of one append."""

    bytes_max: Count = 64 * MIB
    """Bytes of those events."""

    streams_max: Count = 20_000
    """Streams that they belong to."""
