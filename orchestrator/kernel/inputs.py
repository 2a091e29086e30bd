"""What a run's decisions can be asked: the inputs of `decide`."""

import msgspec

from events.api import StartRun
from events.facts import Failure, LossReason, Mapped, Obstacle, PartOf, Placement
from events.ids import Attempt
from events.messages import Report
from events.operator_facts import GivenStatus, KeptSignal, RestoreMode
from events.policies import RunOptions
from events.values import Value
from orchestrator.kernel.netindex import NetIndex
from orchestrator.kernel.state import RunState


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """Base of inputs."""


class Start(Input, frozen=True, kw_only=True):
    """A client's request with the definition resolved to a version and its default options. Our
    own for a `part` of a map has what is `mapped` there."""

    request: StartRun
    workflow_version: str
    options: RunOptions
    part: PartOf | None = None
    mapped: Mapped | None = None


class NewDefinition(Input, frozen=True, kw_only=True):
    """What a fork goes on with: another version than its source, whose net was `before`."""

    workflow_version: str
    options: RunOptions
    before: NetIndex


class Fork(Input, frozen=True, kw_only=True):
    """Begin `run_id` from this state, which is another run's at `source_version`. `steps` that had
    failed there begin anew."""

    run_id: str
    source_version: int
    variables: dict[str, Value] = {}
    reason: str = ""
    steps: tuple[str, ...] = ()
    definition: NewDefinition | None = None


class Cancel(Input, frozen=True, kw_only=True):
    reason: str = ""


class Signal(Input, frozen=True, kw_only=True):
    """A client's signal for a step that waits, or will wait, for it."""

    id: str
    name: str
    data: Value = None
    correlation: Value = None


class Update(Input, frozen=True, kw_only=True):
    """A client's update, by the name that the workflow declares."""

    id: str
    name: str
    data: Value = None


class Pause(Input, frozen=True, kw_only=True):
    reason: str = ""


class Resume(Input, frozen=True, kw_only=True):
    reason: str = ""


class Repin(Input, frozen=True, kw_only=True):
    """An operator wants another build for the run's tasks; empty: any."""

    build: str = ""
    reason: str = ""


class Halt(Input, frozen=True, kw_only=True):
    """What an operator wants waits until it is settled what became of the transactions of these
    `steps`."""

    steps: tuple[str, ...]
    by: str = ""
    reason: str = ""


class GiveResult(Input, frozen=True, kw_only=True):
    """An operator gives a step its result: an output, or a failure. `unsettled`, here and below:
    also where nobody knows what became of a transaction."""

    id: str
    step: str
    status: GivenStatus
    output: Value = None
    failure: Failure | None = None
    by: str = ""
    reason: str = ""
    unsettled: bool = False


class Move(Input, frozen=True, kw_only=True):
    """An operator wants a task on another node: `to` one, or `off` some; neither: off its own."""

    id: str
    step: str
    to: str = ""
    off: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""


class Terminate(Input, frozen=True, kw_only=True):
    """An operator, or the end of its parent, wants the run ended at once."""

    by: str = ""
    reason: str = ""
    unsettled: bool = False


class Restore(Input, frozen=True, kw_only=True):
    """An operator wants the run to go on from `version`, where it was `earlier`: this becomes its
    state. `signals` are those that it has received since."""

    id: str
    version: int
    earlier: RunState
    signals: tuple[KeptSignal, ...] = ()
    mode: RestoreMode = "resume"
    steps: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""
    unsettled: bool = False


class Reported(Input, frozen=True, kw_only=True):
    report: Report


class AttemptLost(Input, frozen=True, kw_only=True):
    """The node watch or reconciliation says that this attempt will not report any more."""

    attempt: Attempt
    reason: LossReason
    message: str = ""


class Place(Input, frozen=True, kw_only=True):
    """Placement's answer for a ready task: this node."""

    step: str
    node: str
    incarnation: str
    placement: Placement
    build_id: str = ""
    transactional: bool = False


class Unplaced(Input, frozen=True, kw_only=True):
    """Placement's answer for a ready task: not now, because of this."""

    step: str
    obstacle: Obstacle
    detail: str = ""


class ChildEnded(Input, frozen=True, kw_only=True):
    """The child run of a step has ended with this status, or could not be started."""

    step: str
    run_id: str
    status: str
    output: Value = None
    failure: Failure | None = None
    retryable: bool = True


class Redeem(Input, frozen=True, kw_only=True):
    """Somebody has the token of an attempt, and says what came of it: `output`, or `failure`."""

    attempt: Attempt
    digest: str
    output: Value = None
    failure: Failure | None = None
    retryable: bool = True


class Due(Input, frozen=True, kw_only=True):
    """Whatever timers are due by now."""


RunInput = (
    Start
    | Fork
    | Cancel
    | Signal
    | Update
    | Pause
    | Resume
    | Repin
    | Halt
    | GiveResult
    | Move
    | Terminate
    | Restore
    | Reported
    | AttemptLost
    | Place
    | Unplaced
    | ChildEnded
    | Redeem
    | Due
)
