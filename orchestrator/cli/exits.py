"""Exit codes, and how an error is told to a person and to a program.

0    done
1    the thing asked for failed: a run that ended otherwise than completed, a check with problems
2    misconfigured, or wrong usage
3    rejected: not possible now, or not valid
4    unavailable: Postgres, NATS or a coordinator does not answer
5    corrupt: stored bytes are damaged, or a verification failed
70   a bug of ours
130  interrupted
"""

import os
import sys
import traceback
from collections.abc import Iterator

import msgspec

from events.errors import (
    Conflict,
    Corrupt,
    DalsegnoError,
    Fenced,
    Misconfigured,
    Rejected,
    Unavailable,
)
from events.redaction import redact_text

DONE, FAILED, MISCONFIGURED, REJECTED, UNAVAILABLE, CORRUPT = 0, 1, 2, 3, 4, 5
BUG = 70
INTERRUPTED = 130

DEBUG_VARIABLE = "DALSEGNO_DEBUG"


class Failed(DalsegnoError):
    """What was asked for was carried out and did not succeed."""

    code = "failed"


_CODES: tuple[tuple[type[DalsegnoError], int], ...] = (
    (Failed, FAILED),
    (Misconfigured, MISCONFIGURED),
    (Rejected, REJECTED),
    (Conflict, REJECTED),
    (Unavailable, UNAVAILABLE),
    (Fenced, UNAVAILABLE),
    (Corrupt, CORRUPT),
)


def exit_code(error: BaseException) -> int:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else BUG


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside groups, in order."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def the_cause(error: BaseException) -> BaseException:
    """Of several errors, the one to tell: one of ours if there is one, else the first."""
    found = list(leaves(error))
    for kind in (DalsegnoError, KeyboardInterrupt):
        for one in found:
            if isinstance(one, kind):
                return one
    return found[0]


def tell(error: BaseException, *, as_json: bool) -> int:
    """Writes one message to stderr, the same as JSON to stdout if asked; returns the exit code."""
    error = the_cause(error)
    status = exit_code(error)
    if status == INTERRUPTED:
        print("dalsegno: interrupted", file=sys.stderr)
        return status
    code = error.code if isinstance(error, DalsegnoError) else "bug"
    message = redact_text(_message(error))
    print(f"dalsegno: {message}", file=sys.stderr)
    if as_json:
        told = {"error": {"code": code, "message": message}, "exit_code": status}
        print(msgspec.json.encode(told).decode())
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    return status


def _message(error: BaseException) -> str:
    if isinstance(error, DalsegnoError):
        return str(error)
    return (
        f"internal error: {type(error).__name__}: {error}. This is a bug of ours; "
        f"{DEBUG_VARIABLE}=1 shows where"
    )
