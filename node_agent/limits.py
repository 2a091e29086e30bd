"""Every bound of the agent that is not configuration: unit, and what happens when it is met."""

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

REPORT_OVERHEAD_BYTES = 512
"""What a report is taken to need beside output and things said, when a message is filled."""

SEGMENT_BYTES = 16 * 1024 * 1024
"""Size at which the journal begins a new segment with what is still live."""

COMPACTED_PER_FRAME = 32
"""Live records in one frame at the beginning of a segment; so a frame stays far below its limit."""

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

TRACEBACK_FRAMES_MAX = 12
"""Innermost frames of a failed handler that are kept in the failure's details."""

STDERR_LINE_BYTES_MAX = 8_192
"""Bytes of one stderr line of a subprocess; a longer one is split."""

EAGER_HEARTBEAT_S = 0.25
"""Seconds between heartbeats until a coordinator has answered the first time."""

HEARTBEATS_PER_LEASE = 3
"""At least so many within the time of a lease, whatever interval is configured: one may be lost."""

HEARTBEAT_INTERVAL_S_MIN = 0.1
"""Seconds between heartbeats at least, unless a shorter interval is configured: what an owner
grants grows short when its own lease is about to end, and no flood of heartbeats prolongs that."""

STOP_GRACE_S = 5.0
"""Seconds that a stopping agent waits for its last reports to be handed over, beyond the drain
timeout and the cancellation grace; what could not be sent stays in the journal for the next
start.
"""

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

VALUES_ANSWER_S = 5.0
"""Seconds that one question for such values waits for its answer; then it is asked again."""

NULLS_AT_ONCE = 1_000
"""Nulls of a large list that are made at a time."""

SETTLE_WAIT_S = 3.0
"""Seconds that a leaving agent waits for the settlement of reports that it has handed over."""
