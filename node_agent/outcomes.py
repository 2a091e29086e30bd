"""What is reported of an attempt, given how its execution ended and what it had been asked."""

from typing import assert_never

from events.codec import encode
from events.facts import Failure, LossReason, Usage
from events.ids import Attempt
from events.messages import Completed, Deferred, Failed, Returned
from events.task_facts import Said
from node_agent.attempts import Held
from node_agent.journal import Final
from node_agent.steps import Broke, Ceased, Done, NotBegun, Now, Postponed, Result, Why

REPORT_OVERHEAD_BYTES = 512
"""What a report is taken to need beside output and things said, when a message is filled."""

LOSS: dict[Why | None, LossReason] = {
    "recalled": "recalled",
    "superseded": "recalled",
    "drained": "recalled",
}

OVER = "the attempt is over here and was settled or dropped"
FULL = "the node holds as much as it may"

SAYING: dict[Why | None, str] = {
    "recalled": "cancelled as asked",
    "superseded": "a later attempt of the same task has arrived",
    "drained": "the node was drained before the attempt had ended",
}


def final_of(held: Held, result: Result, now: Now) -> Final:
    """Returns the report of a started attempt whose execution is over.

    A completion counts even when a cancellation was under way; after a timeout it does not.
    """
    if isinstance(result, NotBegun):
        return Returned(attempt=held.attempt, reason=LOSS.get(held.verdict, "refused"))
    if held.verdict in {"start_to_close_timeout", "heartbeat_timeout"}:
        return timed_out(held, now, result.usage, result.said)
    match result:
        case Done():
            return Completed(
                attempt=held.attempt,
                output=result.output,
                outcome=result.outcome,
                started_at=held.started_at,
                ended_at=now.wall_us,
                usage=result.usage,
                said=result.said,
            )
        case Postponed() if held.verdict is None:
            return Deferred(
                attempt=held.attempt,
                digest=result.digest,
                started_at=held.started_at,
                ended_at=now.wall_us,
                usage=result.usage,
                said=result.said,
            )
        case Postponed():
            return returned(held)
        case Broke() if held.verdict is None:
            return _failed(held, result, now)
        case Broke():
            return returned(held, f"{SAYING.get(held.verdict, '')}; {result.failure.message}")
        case Ceased():
            return returned(held)
        case _:
            assert_never(result)


def returned(held: Held, message: str = "") -> Returned:
    """Returns the report of an attempt that was asked to end and brought no result."""
    why = held.verdict or "recalled"
    return Returned(
        attempt=held.attempt,
        reason=LOSS.get(why, "recalled"),
        message=message or SAYING.get(why, ""),
        started=held.started_at > 0,
    )


def refused(attempt: Attempt, message: str) -> Returned:
    return Returned(attempt=attempt, reason="refused", message=message, started=False)


def timed_out(held: Held, now: Now, usage: Usage = Usage(), said: Said | None = None) -> Failed:
    """Returns the report of an attempt that ran, or was silent, for too long."""
    code = held.verdict or "start_to_close_timeout"
    if code == "heartbeat_timeout":
        limit_s = held.execute.heartbeat_s if held.execute else None
        message = f"the handler sent no heartbeat for {limit_s} s, its heartbeat timeout"
    else:
        message = "the handler ran for longer than its start-to-close timeout"
    return Failed(
        attempt=held.attempt,
        failure=Failure(code=code, message=message),
        kind="timed_out",
        started_at=held.started_at,
        ended_at=now.wall_us,
        usage=usage,
        said=said,
    )


def too_large(held: Held, now: Now) -> Failed:
    """Returns what is reported in place of a result that no message can carry."""
    return Failed(
        attempt=held.attempt,
        failure=Failure(
            code="payload_too_large",
            message=f"the report has about {held.size} bytes, more than a message takes: "
            "return a reference instead, or raise the server's max_payload",
        ),
        retryable=False,
        started_at=held.started_at,
        ended_at=now.wall_us,
    )


def size_of(report: Final) -> int:
    """Estimated bytes of the report in a message."""
    if isinstance(report, Returned):
        return REPORT_OVERHEAD_BYTES
    size = REPORT_OVERHEAD_BYTES + report.usage.output_bytes
    if report.said is not None:
        size += len(encode(report.said))
    if isinstance(report, Failed):
        size += len(encode(report.failure))
    return size


def _failed(held: Held, result: Broke, now: Now) -> Failed:
    return Failed(
        attempt=held.attempt,
        failure=result.failure,
        retryable=result.retryable,
        retry_after_s=result.retry_after_s,
        started_at=held.started_at,
        ended_at=now.wall_us,
        usage=result.usage,
        said=result.said,
    )
