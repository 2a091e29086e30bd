"""Facts of tasks and their attempts, in the stream of their run."""

from typing import Literal

from events.facts import Fact, Failure, Flow, LossReason, Obstacle, Part, Placement, Usage
from events.values import Value


class Emitted(Part, frozen=True, kw_only=True):
    """An event that user code emitted, by a name of its own."""

    name: str
    data: Value = None


class Spawned(Part, frozen=True, kw_only=True):
    """Work that a task asks to be started."""

    workflow: str
    input: Value = None
    id: str = ""


class Said(Part, frozen=True, kw_only=True):
    """What a task said besides its result."""

    notes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    emitted: tuple[Emitted, ...] = ()
    spawned: tuple[Spawned, ...] = ()


class Killed(Part, frozen=True, kw_only=True):
    """An attempt that may have taken its agent with it: where it was, since when, and when it was
    known to be lost. `started_at` is 0 where nobody said that it had begun.
    """

    attempt: int
    node: str
    incarnation: str
    loss: LossReason
    dispatched_at: int = 0
    started_at: int = 0
    lost_at: int = 0


class TaskDispatched(Fact, frozen=True, kw_only=True):
    """An attempt was given to a node's incarnation, and why to that one."""

    TYPE = "task.dispatched.v1"
    step: str
    attempt: int
    node: str
    incarnation: str
    placement: Placement = Placement()
    start_due_at: int | None = None
    generation: int = 0
    build_id: str = ""
    """The build of the tasks that the node has."""
    transactional: bool = False
    """The node runs it in a transaction of the user's, together with its completion."""


class TaskPending(Fact, frozen=True, kw_only=True):
    """A ready task could not be placed, for the reason named; recorded when the reason changes."""

    TYPE = "task.pending.v1"
    step: str
    obstacle: Obstacle
    detail: str = ""


class TaskStarted(Fact, frozen=True, kw_only=True):
    """A node said that an attempt is executing. Recorded for those that run for a while only."""

    TYPE = "task.started.v1"
    step: str
    attempt: int
    started_at: int
    due_at: int | None = None


class TaskProgressed(Fact, frozen=True, kw_only=True):
    """A handler's heartbeat details, handed to the next attempt should there be one. `sequence`
    grows within the attempt; 0 where the agent does not count.
    """

    TYPE = "task.progressed.v1"
    step: str
    attempt: int
    details: Value = None
    fraction: float | None = None
    sequence: int = 0


class OnceRecorded(Fact, frozen=True, kw_only=True):
    """A part of the task's handler is done: no later attempt does it again, each is given the
    value.
    """

    TYPE = "once.recorded.v1"
    step: str
    attempt: int
    name: str
    value: Value = None


class TaskRecalled(Fact, frozen=True, kw_only=True):
    """The node was asked to give an outstanding attempt back; nothing follows until it did or is
    lost.
    """

    TYPE = "task.recalled.v1"
    step: str
    attempt: int
    code: str
    reason: str = ""


class TaskCompleted(Fact, frozen=True, kw_only=True):
    """The one result of a task. `outcome` is a named outcome beside success."""

    TYPE = "task.completed.v1"
    step: str
    attempt: int
    output: Value = None
    outcome: str = ""
    started_at: int = 0
    ended_at: int = 0
    usage: Usage = Usage()
    said: Said | None = None
    flow: Flow = Flow()


class AttemptFailed(Fact, frozen=True, kw_only=True):
    """An attempt ended without a result and another follows at `next_attempt_at`.

    `counted` is false for an attempt that was lost or refused before it could have failed by
    itself.
    """

    TYPE = "attempt.failed.v1"
    step: str
    attempt: int
    failure: Failure
    kind: Literal["failed", "timed_out", "lost"] = "failed"
    loss: LossReason | None = None
    counted: bool = True
    next_attempt_at: int
    delay_s: float = 0.0
    why: str = ""
    start_due_at: int | None = None
    started_at: int = 0
    usage: Usage | None = None
    said: Said | None = None
    killed: Killed | None = None
    """Where the attempt may be why its agent is gone."""


class TaskRetryDue(Fact, frozen=True, kw_only=True):
    """The wait before the next attempt is over: the task is ready again."""

    TYPE = "task.retry_due.v1"
    step: str
    start_due_at: int | None = None


class TaskFailed(Fact, frozen=True, kw_only=True):
    """A task failed for good; `why` no attempt follows. `flow` is where an error arc led. With a
    group of steps those end that are `cancelled`.
    """

    TYPE = "task.failed.v1"
    step: str
    attempt: int
    failure: Failure
    kind: Literal["failed", "timed_out", "lost"] = "failed"
    why: str = ""
    handled: bool = False
    started_at: int = 0
    ended_at: int = 0
    usage: Usage | None = None
    said: Said | None = None
    flow: Flow = Flow()
    cancelled: tuple[str, ...] = ()


class TaskDeferred(Fact, frozen=True, kw_only=True):
    """The handler of an attempt has ended, and somebody who has its token will say what came of it:
    the one whose secret has this `digest`. Until then no node has it; `due_at`: by when.
    """

    TYPE = "task.deferred.v1"
    step: str
    attempt: int
    digest: str
    due_at: int | None = None
    started_at: int = 0
    usage: Usage | None = None
    said: Said | None = None


class TaskSettling(Fact, frozen=True, kw_only=True):
    """A transactional task is to fail, or is given up with its run, as soon as a node has made sure
    that it has not completed and never will. Should it have, it completes. One that `renews` is not
    given up: an operator wants to do something with it, before which this has to be known.
    """

    TYPE = "task.settling.v1"
    step: str
    attempt: int
    failure: Failure
    kind: Literal["failed", "timed_out", "lost"] = "failed"
    why: str = ""
    renews: bool = False


class TaskSettled(Fact, frozen=True, kw_only=True):
    """What had begun of a transactional task is undone and stays so. It is ready to begin anew, in
    a new `generation`.
    """

    TYPE = "task.settled.v1"
    step: str
    attempt: int
    generation: int
    start_due_at: int | None = None


class TaskDeadLettered(Fact, frozen=True, kw_only=True):
    """A task is given to no agent any more, because too many died with it: the evidence. That it
    failed follows. `details`: what a handler said last of its progress. With code `unsettled`: what
    nobody can say what became of its transaction; how often that was asked, and the last answer.
    """

    TYPE = "task.dead_lettered.v1"
    step: str
    task: str
    code: str
    kills: tuple[Killed, ...] = ()
    details: Value = None


class TaskCancelled(Fact, frozen=True, kw_only=True):
    """An outstanding attempt of a closing run, a decided map, or a group that was given up, came
    back or was lost."""

    TYPE = "task.cancelled.v1"
    step: str
    attempt: int
    why: str = ""
    flow: Flow = Flow()
