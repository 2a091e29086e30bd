"""Limits: every bound of the system, each with its unit and what happens when it is met.

`Limits` and `EngineLimits` are configuration, `[limits]` and `[engine]`; what is written in
capitals is the same everywhere. What a process has of something (slots, connections, agents) is no
limit but a setting, and stands with that process.
"""

from events.limits.configured import (
    DECISION_EVENTS,
    KIB,
    MIB,
    BatchLimits,
    EngineLimits,
    Limits,
)

__all__ = ["DECISION_EVENTS", "KIB", "MIB", "BatchLimits", "EngineLimits", "Limits"]

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

OTHERS_TOLD_MAX = 3
"""Candidates for a task, beside the node that got it, whose scores its fact tells: those that came
next. The others are counted only."""

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


# -- replay ----------------------------------------------------------------------------------------

RECORDING_BYTES_MAX = 256 * MIB
"""Bytes of a run's stored events, those of what it was forked from included, that are held to step
through it. A longer history is refused: export it, or look at it with `log show`."""

KEYFRAMES_BYTES_MAX = 128 * MIB
"""Bytes of the states that a cursor keeps on its way, so that going back is cheap. Beyond, it keeps
fewer of them, and going back takes longer."""

WINDOW_STEPS_MAX = 1_000_000
"""Steps of the states together that a cursor keeps of the versions around it, where they cost
nothing to go to. The more steps a run has the fewer states are kept."""

CHAIN_SHOWN_MAX = 100
"""Events of a causal chain, or effects of an event, that a reason tells; of longer chains both ends
are told, and how many are left out."""


# -- followers -------------------------------------------------------------------------------------

FILTER_NAMES_MAX = 100
"""Names in one filter of events, of all kinds together. One with more is refused."""

ORIGINS_KEPT_MAX = 10_000
"""Runs whose workflow and tags a follower remembers. Of others the first event is read again."""

FOLLOWED_EVENTS_MAX = 500
"""Events of one page of a follower; the rest comes with the next."""

FOLLOWED_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of events after which a page of a follower takes no more; one event may exceed it."""

SUBSCRIPTIONS_MAX = 1_000
"""Subscriptions of one log. A further one is refused."""

FEED_MESSAGE_BYTES_MAX = 512 * 1024
"""Bytes of an event in a message of the feed over NATS. A larger one goes without its data, and
says where that is."""

FEED_IN_FLIGHT_MAX = 128
"""Messages of the feed that are under way to a stream at a time."""

EVENT_GROUPS_MAX = 1_000
"""Types, workflows or nodes that `events stats` counts one by one. Those of more are counted
together."""

LOOKED_BACK_MAX = 1_000_000
"""Events from the end of a log among which the last ones that are wanted are looked for."""

FOLLOWED_LOOKS_MAX = 10_000
"""Events that a follower looks at for one page; where few are wanted the page has fewer."""

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

RUNS_AGAINST_MAX = 100_000
"""Runs that one `replay --against` plays. A larger `--limit` is refused."""

WORKERS_AGAINST_MAX = 64
"""Processes of one `replay --against`. A larger `--workers` is refused, and more cores are left
alone."""

LABELS_ASKED_MAX = 16
"""Tags and attributes in one search: each is one more look at every run that is found. Refused."""

EVENTS_LISTED_MAX = 1_000_000
"""Events that one `log show` shows. A larger `--limit` is refused."""

EXPORT_BYTES_MAX = 64 * MIB
"""Bytes of one line of an exported file, and of one frame of a bundle once it is decompressed. A
file with more is refused."""

TIMELINE_ROWS_MAX = 10_000
"""Rows of a timeline. A larger `--rows` is refused; of more rows those that tell least are left
out."""

COMPARED_CHANGES_MAX = 1_000
"""Places inside one value that differ between two runs and are told. Of more it is said that there
are more."""

CAUSES_MAX = 100
"""Differences that one difference of two runs is traced back through. What lies behind is left
out."""

REDACTED_VALUES_MAX = 10_000
"""Different values that one export takes out. With more it is refused: export fewer runs."""

COMMAND_CHARS_MAX = 10_000
"""Characters of one command of a session that steps through a run. A longer one is refused."""

SCRIPT_LINES_MAX = 10_000
"""Lines of a script of such a session. One with more is refused before its first line."""

STOPS_MAX = 100
"""Breakpoints and watches of such a session. A further one is refused."""

EVENTS_SHOWN_MAX = 1_000
"""Events that one command of such a session lists. It says how many more there are."""

CHANGES_SHOWN_MAX = 1_000
"""Changes of one event that such a session lists. It says how many more there are."""

LOCAL_AGENTS_MAX = 64
"""Agents that `dev`, `try` and `bench` start. More are refused."""

SERVER_LOG_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of the log of an embedded server; a longer one is set aside when the next one starts."""


# -- the API ---------------------------------------------------------------------------------------

API_PAGE_MAX = 1_000
"""Items of a page that the API lists. A larger `limit` is refused."""

API_BODY_BYTES_MAX = 8 * MIB
"""Bytes of the body of a request. A longer one is refused."""

API_TOKENS_MAX = 1_000
"""Tokens that an API process knows. A file with more is refused: it does not begin."""

API_FEEDS_MAX = 1_000
"""Feeds that one API process serves at the same time. A further one is refused as unavailable."""

API_KEYS_MAX = 10_000
"""Idempotency keys whose answers an API process remembers. Then the oldest is forgotten; requests
with ids that are made of their keys are the same for ever."""

API_RECORDINGS_MAX = 32
"""Runs whose history an API process keeps at hand to step through. The one asked for longest ago
leaves, and is read again."""

API_RECORDINGS_BYTES_MAX = 256 * MIB
"""Bytes of the events of these together. Likewise."""

BATCH_RUNS_MAX = 10_000
"""Runs that one batch is about. A query that finds more is refused: narrow it, or go by parts."""


# -- debug adapter ---------------------------------------------------------------------------------

DAP_MESSAGE_BYTES_MAX = 4 * MIB
"""Bytes of one message of a debug client. A longer one is passed over, and answered with an error.
"""

DAP_HEADER_BYTES_MAX = 4_096
"""Bytes of the header of such a message. A longer one is none: the connection is closed."""

DAP_CONNECTIONS_MAX = 8
"""Debug clients that one `dalsegno dap --port` serves at the same time. A further one is told so
and closed."""

DAP_MESSAGES_AHEAD_MAX = 16
"""Messages of a debug client that are read ahead, while one before them waits for a history. No
more is read until then: its connection fills."""

DAP_BREAKPOINTS_MAX = 1_000
"""Breakpoints of one kind (of one source, where they stand in lines). One request for more is
refused."""

DAP_REFERENCES_MAX = 100_000
"""Frames and values of one stop that a client can ask for the inside of. Beyond, values are shown
as text only; the next stop begins anew."""

DAP_VARIABLES_MAX = 1_000
"""Children of a value in one answer. A client asks for the others by `start` and `count`."""

DAP_TEXT_CHARS_MAX = 2_000
"""Characters of a value as it is shown in a row. The rest is cut off; the clipboard gets all."""

DAP_THREADS_MAX = 200
"""Branches that are listed as threads. Further ones, those of items of a wide map, are left out."""

DAP_TARGETS_MAX = 200
"""Places in a history that are offered to go to from one line. Further ones are left out: go to a
version."""

DAP_RUNS_OPEN_MAX = 10
"""Runs that one session has open, inside each other. To step into a further one is refused."""
