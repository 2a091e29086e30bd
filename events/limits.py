"""Limits: every bound of the system, each with its unit and what happens when it is met.

`Limits` and `EngineLimits` are configuration, `[limits]` and `[engine]`; what is written in
capitals is the same everywhere. What a process has of something (slots, connections, agents) is no
limit but a setting, and stands with that process.
"""

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


# -- names and values ------------------------------------------------------------------------------

NAME_CHARS_MAX = 200
"""Characters of a run id, step id, workflow or task name. A longer one is refused."""

INTEGER_MAX = 2**63 - 1
"""Largest integer of a value, and with a minus the smallest but one. A larger one is refused at the
door."""


VALUE_DEPTH_MAX = 64
"""Levels of lists and objects in a value. Deeper ones are refused: recursive readers would fail."""

PRIORITY_MAX = 1_000
"""Priorities run from minus this to this. Others are refused."""


# -- definitions -----------------------------------------------------------------------------------

STEP_WAITS_MAX = 1_000_000
"""Ways in which the steps of a definition may wait for each other. Refused at check."""

CYCLES_MAX = 100
"""Cycles of steps that a check looks for. Beyond, it names these and says nothing of the order."""

SCHEMA_DEPTH_MAX = 32
"""References and levels of a JSON schema that are followed. What lies deeper is not constrained."""

PROBLEMS_COUNTED_MAX = 100
"""Problems that are counted beyond those kept. Then the check gives up."""

CANDIDATES_MAX = 500
"""Names among which the nearest is looked for, to suggest it. Of more, the first ones."""


# -- runs ------------------------------------------------------------------------------------------

FACTS_MAX = 500
"""Facts after which a decision begins nothing more that can be put off: the next `Due` goes on. All
facts of a decision are appended together, and an append is bounded."""

FLOW_PAYLOADS_MAX = 8
"""How many times `Limits.payload_bytes_max` all values of one flow may have together: they are
stored in one event. The step that goes beyond fails."""

ITEMS_BEGUN_MAX = 100
"""Items of a map that one fact enables. The next ones come with the next fact."""

STEPS_NAMED_MAX = 1_000
"""Steps, or nodes, that one request may name. One with more is refused."""

NAMES_SHOWN_MAX = 20
"""Names of steps that a message lists; then it says how many more there are."""

ACTIONS_SHOWN_MAX = 20
"""What operators did to a run, the last so many, is shown with it; all of it is in its history."""

FORKS_MAX = 100
"""Forks of forks of a run. A longer chain cannot be rebuilt: it would be a loop."""


# -- the coordinator -------------------------------------------------------------------------------

INBOX_MAX = 10_000
"""Inputs that lie before a coordinator. Who puts another one waits until there is room."""

PENDING_NOTED_MAX = 100
"""Obstacles that are recorded in one look at what waits. The rest comes with the next one."""

STRANGE_NODES_MAX = 1000
"""Nodes whose reports of what the log does not know a coordinator counts one by one. Those of more
are counted together."""

INDEX_ROWS_MAX = 500
"""Rows of one look at the index of runs. The rest comes with the next look."""

SETTLED_IN_COMMAND_MAX = 256
"""Attempts that one `Settle` names; the rest goes in the next."""

CLIENT_WAIT_S_MAX = 60.0
"""Seconds that a client may wait for the end of a run with one request; then it asks again."""

MESSAGES_WAITING_MAX = 10_000
"""Messages of a subscription that wait to be read; later ones are dropped, and come again."""

EXPRESSIONS_KEPT_MAX = 10_000
"""Compiled expressions kept, a few kilobytes each. The least recently used leaves."""

STATE_BYTES_MAX = 1024 * 1024 * 1024
"""Bytes of the state in a snapshot. A larger one is taken for damage: no honest run has one."""


# -- projections -----------------------------------------------------------------------------------

TALLIES_MAX = 20_000
"""Tallies that a projector remembers, twice at most. Others are read before they grow."""

TRACKS_MAX = 100_000
"""Runs and their open tasks that a projector remembers, twice at most, and tasks of definitions. Of
others the past is read from the log again."""


# -- agents ----------------------------------------------------------------------------------------

ATTEMPTS_KNOWN_MAX = 10_000
"""Attempts held or unsettled. A heartbeat lists them all and has to fit a message; beyond it new
commands are refused."""

UNSETTLED_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of results that wait to be settled, and so of the journal's live part; beyond it new
commands are refused.
"""

HELD_PER_CREDIT_MAX = 4
"""Attempts held for each credit granted. Owners that do not know of each other may overshoot the
credits a little; beyond this new commands are refused."""

REMEMBERED_MAX = 262_144
"""Attempts remembered as over, in each of two generations (up to 18 MB each). At 3,000 attempts/s a
duplicate that is late by up to 87 s is still recognised, and longer at a slower pace. So a
command consumer must not reach back farther than that; what is older, reconciliation sends anew."""

HEARTBEATS_REMEMBERED_MAX = 256
"""Heartbeats whose answer is still understood; an older answer grants nothing."""

REPORTS_PER_MESSAGE_MAX = 256
"""Reports in one message; the rest goes in the next."""

REPORT_MESSAGE_BYTES_MAX = 512 * 1024
"""Estimated bytes of one report message; a single larger report goes alone."""

PUBLISHES_IN_FLIGHT_MAX = 4
"""Report messages under way at a time, one for each shard; meanwhile the others gather."""

SEGMENT_BYTES = 16 * 1024 * 1024
"""Size at which the journal begins a new segment with what is still live."""

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of one frame of the journal; a longer length means damage."""

LOG_LINES_MAX = 100
"""Log lines of one attempt that travel in its report; earlier ones are dropped and counted."""

NOTES_MAX = 32
"""Notes of one attempt; later ones are dropped."""

EMITTED_MAX = 32
"""Events that one attempt may emit; the next one fails the attempt."""

LINE_CHARACTERS_MAX = 2_000
"""Characters of a log line, note or failure message; the rest is cut off."""

DETAILS_BYTES_MAX = 64 * 1024
"""Bytes of heartbeat details or of an emitted event's data; more fails the attempt."""

TOKEN_CHARS_MAX = 2_000
"""Characters of a completion token. A longer one is refused: it is none of ours."""

ONCE_VALUES_MAX = 100
"""Values that `ctx.once` keeps for one task; one more fails the attempt with `too_much_once`."""

ONCE_BYTES_MAX = 64 * 1024
"""Bytes of these together: each attempt is sent all of them; more fails the attempt like that."""

TRACEBACK_FRAMES_MAX = 12
"""Innermost frames of a failed handler that are kept in the failure's details."""

STDERR_LINE_BYTES_MAX = 8_192
"""Bytes of one stderr line of a subprocess; a longer one is split."""

EMITTED_BYTES_MAX = 128 * 1024
"""Bytes of all events that one attempt emits; more fails the attempt."""

HTTP_RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of a response that `http.request` may be told to read; an input that says more is refused.
What a task may return is `agent.output_bytes_max`."""

HTTP_EXCERPT_BYTES = 1_024
"""Bytes of the body of a response that failed its task that are kept in the failure's details."""

HTTP_REDIRECTS_MAX = 5
"""Redirects that `http.request` follows; a further one fails the attempt with `http_redirect`."""

HTTP_TIMEOUT_S_MAX = 3_600.0
"""Seconds that `http.request` may be told to wait; an input that says more is refused."""

VALUES_WAIT_S = 600.0
"""Seconds that a handler waits for values of a large list while no coordinator answers. Then the
attempt fails with `values_unavailable`, and another one may follow."""

KEY_CHARS_MAX = 255
"""Characters of an idempotency key that services take. Of a longer one its hash is sent."""


# -- commands --------------------------------------------------------------------------------------

CONFIG_BYTES_MAX = 1024 * 1024
"""Bytes of a configuration file. A longer one is refused: the process does not begin."""

INPUT_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of a file that is given as input. A longer one is refused; what a run may get is
`payload_bytes_max`."""

RUNS_LISTED_MAX = 1000
"""Runs that one `run list` shows. A larger `--limit` is refused."""

LABELS_ASKED_MAX = 16
"""Tags and attributes in one search: each is one more look at every run that is found. Refused."""

EVENTS_LISTED_MAX = 1_000_000
"""Events that one `log show` shows. A larger `--limit` is refused."""

LOCAL_AGENTS_MAX = 64
"""Agents that `dev`, `try` and `bench` start. More are refused."""

SERVER_LOG_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of the log of an embedded server; a longer one is set aside when the next one starts."""
