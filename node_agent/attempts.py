"""One attempt as the agent knows it, and the memory of those that are over."""

from enum import Enum

from events.ids import Attempt
from events.messages import Execute, Once, Progressed
from node_agent.journal import Final
from node_agent.steps import Why

Key = tuple[str, str, int]
"""Run, step path and generation: what may run only once at a time."""


def key_of(attempt: Attempt) -> Key:
    return attempt.run_id, attempt.step, attempt.generation


class State(Enum):
    """queued ──► running ──► ending (asked to stop) ──► ended; each may go straight to ended."""

    QUEUED = 0
    RUNNING = 1
    ENDING = 2
    ENDED = 3


class Held:
    """An attempt from its command until its owner has settled it. Mutable, owned by the core.

    Monotonic instants end in `_us`; None is "not set". `batch` is the journal batch that holds the
    final report, `durable` whether that is on disk, `is_recorded` whether its acceptance is
    written. `epoch` is that of the owner that sent it, `beat` the first heartbeat that lists it.
    `once`: values that await settlement, with their sizes. `wake_us` is the timer that counts;
    others set for this attempt are stale.
    """

    __slots__ = (
        "attempt",
        "batch",
        "beat",
        "beat_due_us",
        "close_due_us",
        "dispatched_at",
        "durable",
        "epoch",
        "execute",
        "grace_due_us",
        "is_recorded",
        "once",
        "once_due_us",
        "progress",
        "progress_bytes",
        "progress_due_us",
        "progress_sent_us",
        "report",
        "resend_delay_us",
        "resend_due_us",
        "shard",
        "size",
        "start_due_us",
        "started_at",
        "started_report_due_us",
        "state",
        "verdict",
        "wake_us",
    )

    def __init__(self, attempt: Attempt, shard: int) -> None:
        self.attempt = attempt
        self.shard = shard
        self.execute: Execute | None = None
        self.dispatched_at = 0
        self.epoch = 0
        self.beat = 0
        self.state = State.QUEUED
        self.started_at = 0
        self.verdict: Why | None = None
        self.report: Final | None = None
        self.size = 0
        self.batch = 0
        self.durable = False
        self.is_recorded = False
        self.start_due_us: int | None = None
        self.close_due_us: int | None = None
        self.beat_due_us: int | None = None
        self.grace_due_us: int | None = None
        self.started_report_due_us: int | None = None
        self.progress: Progressed | None = None
        self.progress_bytes = 0
        self.progress_due_us: int | None = None
        self.progress_sent_us: int | None = None
        self.resend_due_us: int | None = None
        self.resend_delay_us = 0
        self.wake_us: int | None = None
        self.once: dict[str, tuple[Once, int]] = {}
        self.once_due_us: int | None = None

    def next_due_us(self) -> int | None:
        """The earliest instant at which this attempt needs attention in its present state."""
        match self.state:
            case State.RUNNING:
                dues = (
                    self.close_due_us,
                    self.beat_due_us,
                    self.started_report_due_us,
                    self.progress_due_us,
                    self.once_due_us,
                )
                return min((due for due in dues if due is not None), default=None)
            case State.QUEUED:
                return self.start_due_us
            case State.ENDING:
                return self.grace_due_us
            case State.ENDED:
                return self.resend_due_us


class Memory:
    """Remembers which attempts are over, within a bound: two generations, the older one is let go.

    Only hashes are kept. Taking one attempt for another by collision is safe: it is refused, and
    its owner makes another attempt.
    """

    __slots__ = ("_limit", "_newer", "_older")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def add(self, attempt: Attempt) -> None:
        if len(self._newer) >= self._limit:
            self._older = self._newer
            self._newer = set()
        self._newer.add(hash(attempt))

    def __contains__(self, attempt: Attempt) -> bool:
        number = hash(attempt)
        return number in self._newer or number in self._older
