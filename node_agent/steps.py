"""What goes into the agent's core and what comes out: its whole contract with the world.

The core is `outputs = core.step(inputs, now)`: it does no IO, reads no clock and rolls no dice.
Whoever drives it (the anyio edge, the simulator) performs the outputs *in order* and feeds back
what came of them. Performing may stop anywhere: that is a crash.

    input                what happened                          fed by
    Begin                the process started                    once, first; the journal's live part
    CommandsArrived      a message on the command subject       the subscription of `incarnation`
    HeartbeatAnswered    a coordinator answered a heartbeat     the bus
    ExecutionProgressed  a handler reported progress or life    the handler's context
    OnceKept             a part of a handler is done     whoever waits for OnceSettled
    ExecutionEnded       a started execution is over            exactly once per StartExecution
    JournalSynced        all batches up to this are durable     once per Journal with `sync`
    ReportsPublished     the stream has the message             once per PublishReports, or
    PublishFailed        ... it may not have it                 this one, or
    PublishRejected      ... it never takes so large a one      this one
    HostSampled          a new host sample                      now and then
    DrainRequested       end in good order (SIGTERM)            the process
    BeatRequested        the node has other things to say       whoever changed it
    Tick                 nothing but time passing               at `core.next_due()` at the latest

    output               what to do
    Journal              write these records now; if `sync`, make all so far durable and
                         feed JournalSynced with its batch
    Acknowledge          acknowledge this message
    NewIncarnation       leave the old command subject, subscribe to the new one
    StartExecution       run the handler unless the monotonic clock has reached `lease_until_us`
    CancelExecution      ask the handler to end; ExecutionEnded follows whenever it does
    OnceSettled          let the handler go on with the value
    PublishReports       publish, then feed ReportsPublished or PublishFailed with its number
    SendHeartbeat        send, do not wait
    Stopped              the agent is done; nothing follows
"""

from typing import Literal

import msgspec

from events.facts import Failure, HostSample, Usage
from events.ids import Attempt
from events.messages import (
    Commands,
    Execute,
    Heartbeat,
    HeartbeatAnswer,
    Reports,
)
from events.task_facts import Said
from events.values import Value
from node_agent.journal import Live, Record


class Step(msgspec.Struct, frozen=True):
    """Base of inputs and outputs."""


class Now(Step, frozen=True):
    """Both clocks in microseconds: `monotonic_us` for every duration, `wall_us` for stamps only."""

    monotonic_us: int
    wall_us: int


# -- results of an execution ----------------------------------------------------------------------


class Done(Step, frozen=True):
    """The handler returned; `output` has passed the door."""

    output: Value = None
    outcome: str = ""
    usage: Usage = Usage()
    said: Said | None = None


class Broke(Step, frozen=True):
    """The handler, or the passage of its inputs or output, failed."""

    failure: Failure
    retryable: bool = True
    usage: Usage = Usage()
    said: Said | None = None
    retry_after_s: float = 0.0


class Postponed(Step, frozen=True):
    """The handler ended, and has given somebody a token to complete the attempt with."""

    digest: str
    usage: Usage = Usage()
    said: Said | None = None


class Ceased(Step, frozen=True):
    """The handler ended because it was cancelled."""

    usage: Usage = Usage()
    said: Said | None = None


class NotBegun(Step, frozen=True):
    """The handler was not called: the lease had passed by the time that it could have been."""


Result = Done | Broke | Postponed | Ceased | NotBegun


# -- inputs ---------------------------------------------------------------------------------------


class Begin(Step, frozen=True):
    live: tuple[Live, ...] = ()


class CommandsArrived(Step, frozen=True):
    incarnation: str
    commands: Commands
    token: object


class HeartbeatAnswered(Step, frozen=True):
    answer: HeartbeatAnswer


class ExecutionProgressed(Step, frozen=True):
    """A sign of life. `details` replace earlier ones only if `has_details`."""

    attempt: Attempt
    details: Value = None
    has_details: bool = False
    details_bytes: int = 0
    fraction: float | None = None


class OnceKept(Step, frozen=True):
    """What a part of a handler has returned that is done once per task; `size`: bytes of all these
    values of the task."""

    attempt: Attempt
    name: str
    value: Value
    size: int


class ExecutionEnded(Step, frozen=True):
    attempt: Attempt
    result: Result


class JournalSynced(Step, frozen=True):
    batch: int


class ReportsPublished(Step, frozen=True):
    number: int


class PublishFailed(Step, frozen=True):
    number: int


class PublishRejected(Step, frozen=True):
    number: int


class HostSampled(Step, frozen=True):
    sample: HostSample


class DrainRequested(Step, frozen=True):
    """Asked twice, it gives up on what still runs."""

    reason: str = ""


class BeatRequested(Step, frozen=True):
    """What the node says of itself has changed: the next heartbeat is due now."""


class Tick(Step, frozen=True):
    pass


Input = (
    Begin
    | CommandsArrived
    | HeartbeatAnswered
    | ExecutionProgressed
    | OnceKept
    | ExecutionEnded
    | JournalSynced
    | ReportsPublished
    | PublishFailed
    | PublishRejected
    | HostSampled
    | DrainRequested
    | BeatRequested
    | Tick
)


# -- outputs --------------------------------------------------------------------------------------

Why = Literal[
    "recalled",
    "superseded",
    "dropped",
    "start_to_close_timeout",
    "heartbeat_timeout",
    "drained",
    "reset",
]
"""Why an execution is cancelled."""

FENCING: frozenset[Why] = frozenset({"superseded", "dropped", "reset"})
"""Of these those that say that the attempt is not its run's current one any more."""


class Journal(Step, frozen=True):
    batch: int
    records: tuple[Record, ...]
    sync: bool


class Acknowledge(Step, frozen=True):
    token: object


class NewIncarnation(Step, frozen=True):
    incarnation: str


class StartExecution(Step, frozen=True):
    execute: Execute
    started_at: int
    lease_until_us: int


class CancelExecution(Step, frozen=True):
    attempt: Attempt
    why: Why


class OnceSettled(Step, frozen=True):
    attempt: Attempt
    name: str


class PublishReports(Step, frozen=True):
    number: int
    shard: int
    reports: Reports


class SendHeartbeat(Step, frozen=True):
    beat: Heartbeat


class Stopped(Step, frozen=True):
    """`clean`: nothing was cut short and every report was handed over."""

    clean: bool


Output = (
    Journal
    | Acknowledge
    | NewIncarnation
    | StartExecution
    | CancelExecution
    | OnceSettled
    | PublishReports
    | SendHeartbeat
    | Stopped
)
