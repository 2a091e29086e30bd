"""What goes into the coordinator's step machine and what comes out of it.

Outputs are intentions: an edge carries them out and brings the result back as an input. Nothing
that the outside can see (answers, commands, acknowledgements, announcements) leaves before the
commit that it depends on.
"""

import msgspec

from events.api import AnyAnswer, AnyRequest, RunView
from events.cluster_facts import DefinitionRegistered
from events.envelope import Head
from events.ids import Attempt
from events.messages import Commands, Heartbeat, HeartbeatAnswer
from events.references import Payload
from events.sealing import EventKey
from orchestrator.coordinator.nodelog import Cordon, Drain
from orchestrator.coordinator.ports import (
    FIRST_DUE,
    AppendOutcome,
    Batch,
    Due,
    IndexRow,
    Lease,
    ReportDelivery,
    Snapshot,
)
from orchestrator.replay.rebuild import Rebuilt
from orchestrator.replay.retrying import Past, Wanted


class Now(msgspec.Struct, frozen=True):
    """Microseconds: `monotonic` for durations, `wall` (epoch, UTC) for what is recorded."""

    monotonic: int
    wall: int


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """Base of inputs and outputs."""


# -- inputs ---------------------------------------------------------------------------------------


class RequestArrived(Signal, frozen=True, kw_only=True):
    request: AnyRequest
    reply_to: str


class ReportsArrived(Signal, frozen=True, kw_only=True):
    deliveries: tuple[ReportDelivery, ...]


class HeartbeatArrived(Signal, frozen=True, kw_only=True):
    beat: Heartbeat
    reply_to: str


class RunLoaded(Signal, frozen=True, kw_only=True):
    """`rebuilt` None: there is no such run. `parked`: why the stream cannot be read. `fork`: the id
    of the new run that is to begin from this state. `at` and `era` are those of the question.
    `moved`: in words, that the run ended and is in an archive, or was imported: nothing is done
    with it here."""

    run_id: str
    at: int | None = None
    fork: str = ""
    era: int = 0
    rebuilt: Rebuilt | None = None
    parked: str = ""
    moved: str = ""


class PastFound(Signal, frozen=True, kw_only=True):
    """Where a run is to go on from, for the request `id`; or why it cannot: `refused` when nothing
    like this can be done, `parked` when the stream cannot be read."""

    run_id: str
    id: str
    past: Past | None = None
    refused: str = ""
    parked: str = ""


class DefinitionLoaded(Signal, frozen=True, kw_only=True):
    """The versions registered after version `after` of the stream; `step` and `home` are the
    question's."""

    workflow: str
    versions: tuple[DefinitionRegistered, ...]
    head: Head
    after: int = 0
    step: int = 0
    home: bool = False


class NodeLoaded(Signal, frozen=True, kw_only=True):
    """What the log last said about a node: its incarnation, whether that one is gone, which ones
    came before it, and whether it takes attempts. `tail_events`: how many events were read after
    the last snapshot. `step` is that of the question."""

    node: str
    head: Head
    incarnation: str = ""
    past: tuple[str, ...] = ()
    gone: bool = False
    cordon: Cordon | None = None
    drain: Drain | None = None
    tail_events: int = 0
    step: int = 0


class HeadLoaded(Signal, frozen=True, kw_only=True):
    head: Head


class LoadFailed(Signal, frozen=True, kw_only=True):
    """The store could not be asked; `output` is what to ask again."""

    output: "Load"


class PayloadLoaded(Signal, frozen=True, kw_only=True):
    """`data` None: there is none under this hash. `damaged`: why it cannot be used. `reply_to`: who
    asked for its values from the `first` on."""

    hash: str
    data: bytes | None = None
    damaged: str = ""
    reply_to: str = ""
    first: int = 0


class KeyLoaded(Signal, frozen=True, kw_only=True):
    """What a run that begins is written with; None because of the `trouble`."""

    run_id: str
    subject: str
    key: EventKey | None = None
    trouble: str = ""


class PayloadKept(Signal, frozen=True, kw_only=True):
    """It is durable, for the client that asked; or not, because of the `trouble`."""

    hash: str
    reply_to: str = ""
    trouble: str = ""


class AppendDone(Signal, frozen=True, kw_only=True):
    batch_id: str
    outcome: AppendOutcome


class AppendFailed(Signal, frozen=True, kw_only=True):
    """The store is away. `unknown`: the commit may have happened."""

    batch_id: str
    unknown: bool


class LandedKnown(Signal, frozen=True, kw_only=True):
    """Whether a batch of unknown outcome is in the log; None: could not be asked."""

    batch_id: str
    landed: bool | None


class AttendanceTold(Signal, frozen=True, kw_only=True):
    """The coordinators that are there, by name; ourselves among them."""

    names: tuple[str, ...]


class LeasesAcquired(Signal, frozen=True, kw_only=True):
    """`asked_at`: monotonic microseconds before the store was asked."""

    leases: tuple[Lease, ...]
    asked_at: int


class LeasesRenewed(Signal, frozen=True, kw_only=True):
    """`asked` that are not in `leases` are lost."""

    asked: tuple[Lease, ...]
    leases: tuple[Lease, ...]
    asked_at: int


class LeasesUnknown(Signal, frozen=True, kw_only=True):
    """The store could not be asked for leases."""


class ActiveFound(Signal, frozen=True, kw_only=True):
    """`era` is that of the question. `strays`: child runs that no step may have any more, told with
    the last rows."""

    shards: tuple[int, ...]
    rows: tuple[IndexRow, ...]
    strays: tuple[IndexRow, ...] = ()
    more: bool
    era: int = 0


class DueFound(Signal, frozen=True, kw_only=True):
    """`more`: there may be others behind the last of `rows`."""

    rows: tuple[IndexRow, ...]
    before: int = 0
    more: bool = False


class BusChanged(Signal, frozen=True, kw_only=True):
    """We can hear the nodes, or cannot: silence counts only while we can."""

    connected: bool


class StopRequested(Signal, frozen=True, kw_only=True):
    pass


CoordinatorInput = (
    RequestArrived
    | ReportsArrived
    | HeartbeatArrived
    | RunLoaded
    | PastFound
    | DefinitionLoaded
    | NodeLoaded
    | HeadLoaded
    | PayloadLoaded
    | PayloadKept
    | KeyLoaded
    | LoadFailed
    | AppendDone
    | AppendFailed
    | LandedKnown
    | AttendanceTold
    | LeasesAcquired
    | LeasesRenewed
    | LeasesUnknown
    | ActiveFound
    | DueFound
    | BusChanged
    | StopRequested
)


# -- outputs --------------------------------------------------------------------------------------


class Append(Signal, frozen=True, kw_only=True):
    """`not_before`: monotonic microseconds; later than now after a failure."""

    batch: Batch
    not_before: int = 0


class AskLanded(Signal, frozen=True, kw_only=True):
    batch: Batch
    not_before: int = 0


class Publish(Signal, frozen=True, kw_only=True):
    node: str
    incarnation: str
    commands: Commands


class Answer(Signal, frozen=True, kw_only=True):
    reply_to: str
    answer: AnyAnswer


class AnswerHeartbeat(Signal, frozen=True, kw_only=True):
    reply_to: str
    answer: HeartbeatAnswer


class AcknowledgeReports(Signal, frozen=True, kw_only=True):
    deliveries: tuple[ReportDelivery, ...]


class Announce(Signal, frozen=True, kw_only=True):
    position: int


class LoadRun(Signal, frozen=True, kw_only=True):
    """Rebuild a run; with `fork` the state at version `at`, for a new run of that id.

    A new era begins whenever shards are lost: what was read before it may have been overtaken.
    """

    run_id: str
    at: int | None = None
    fork: str = ""
    era: int = 0


class FindPast(Signal, frozen=True, kw_only=True):
    """Find where a run is to go on from, so that what is `wanted` is done again."""

    run_id: str
    id: str
    wanted: Wanted


class LoadDefinition(Signal, frozen=True, kw_only=True):
    """Read the versions registered after `after`, all of them without it. `step`: the step that
    asked; the answer holds for all that had arrived by then. `home`: from the log in which the
    workflow is registered, not from ours."""

    workflow: str
    after: Head | None = None
    step: int = 0
    home: bool = False


class LoadNode(Signal, frozen=True, kw_only=True):
    """Read what the log says about a node. `step`: the step that asked."""

    node: str
    step: int = 0


class LoadHead(Signal, frozen=True, kw_only=True):
    stream: str


class LoadKey(Signal, frozen=True, kw_only=True):
    """The data key of a subject, for a run that begins; `id`: of a new one, if it has none."""

    run_id: str
    subject: str
    id: str


class LoadPayload(Signal, frozen=True, kw_only=True):
    hash: str
    reply_to: str = ""
    first: int = 0


class KeepPayload(Signal, frozen=True, kw_only=True):
    """Store it for the client that asked."""

    payload: Payload
    reply_to: str


class FindActive(Signal, frozen=True, kw_only=True):
    shards: tuple[int, ...]
    after: str = ""
    era: int = 0


class FindDue(Signal, frozen=True, kw_only=True):
    shards: tuple[int, ...]
    before: int
    after: Due = FIRST_DUE


class SaveSnapshot(Signal, frozen=True, kw_only=True):
    snapshot: Snapshot


class Attend(Signal, frozen=True, kw_only=True):
    """Say that we are there, and ask who else is."""

    ttl_s: float


class AcquireLeases(Signal, frozen=True, kw_only=True):
    """The first `most` of these shards that are free."""

    shards: tuple[int, ...]
    most: int
    ttl_s: float


class RenewLeases(Signal, frozen=True, kw_only=True):
    leases: tuple[Lease, ...]
    ttl_s: float


class ReleaseLeases(Signal, frozen=True, kw_only=True):
    """`leaving`: we are not there any more, either."""

    leases: tuple[Lease, ...]
    leaving: bool = False


class Serve(Signal, frozen=True, kw_only=True):
    """From now on take requests and reports for these shards and no others."""

    leases: tuple[Lease, ...]


class RecordHashes(Signal, frozen=True, kw_only=True):
    """Test mode: state hashes of committed versions, as (run id, version, hash)."""

    hashes: tuple[tuple[str, int, str], ...]


class RunEnded(Signal, frozen=True, kw_only=True):
    """For telemetry, where that is on: a run that has durably ended, with its trace context."""

    run: RunView
    traceparent: str


class Strange(Signal, frozen=True, kw_only=True):
    """For the log of this process: a node reports what the history does not know; so many times."""

    node: str
    attempt: Attempt
    why: str
    number: int


class Stopped(Signal, frozen=True, kw_only=True):
    pass


Leasing = Attend | AcquireLeases | RenewLeases | ReleaseLeases
"""What the store is asked about who owns what."""

Load = (
    LoadRun
    | FindPast
    | LoadDefinition
    | LoadNode
    | LoadHead
    | LoadPayload
    | LoadKey
    | FindActive
    | FindDue
)
"""Questions to the store; the answer comes back as an input."""

CoordinatorOutput = (
    Append
    | AskLanded
    | Publish
    | Answer
    | AnswerHeartbeat
    | AcknowledgeReports
    | Announce
    | LoadRun
    | FindPast
    | LoadDefinition
    | LoadNode
    | LoadHead
    | LoadPayload
    | LoadKey
    | KeepPayload
    | FindActive
    | FindDue
    | SaveSnapshot
    | Attend
    | AcquireLeases
    | RenewLeases
    | ReleaseLeases
    | Serve
    | RecordHashes
    | RunEnded
    | Strange
    | Stopped
)
