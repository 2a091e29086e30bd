"""Groups: parameters that several operations have together. On the wire their fields stand among
the other parameters."""

from orchestrator.api.operations.names import (
    ActionId,
    Build,
    NewRunId,
    OtherVersion,
    SignalOrNone,
    Steps,
    Subject,
    VersionName,
    WorkflowFilter,
)
from orchestrator.api.operations.operation import Group
from orchestrator.api.operations.words import (
    AttributeConditions,
    Attributes,
    AuthoredForm,
    Correlations,
    Data,
    NodeFilters,
    Notes,
    Reason,
    Runs,
    Since,
    Source,
    Status,
    StepFilters,
    Streams,
    TagConditions,
    Tags,
    Types,
    Unsettled,
    Until,
    Variables,
    Where,
    Workflows,
)


class DefinitionText(Group, frozen=True, kw_only=True):
    """A definition, in one of two ways."""

    source: Source = ""
    definition: AuthoredForm = {}


class RunsWanted(Group, frozen=True, kw_only=True):
    """Conditions for runs; empty ones hold for all."""

    status: Status = ""
    workflow: WorkflowFilter = ""
    tag: TagConditions = ()
    attribute: AttributeConditions = ()
    since: Since = 0
    until: Until = 0


class EventsWanted(Group, frozen=True, kw_only=True):
    """Conditions for events: all that are given have to hold, with any of the names of one."""

    types: Types = ()
    runs: Runs = ()
    workflows: Workflows = ()
    steps: StepFilters = ()
    nodes: NodeFilters = ()
    correlations: Correlations = ()
    streams: Streams = ()
    where: Where = ""
    since: Since = 0
    until: Until = 0


class StartOptions(Group, frozen=True, kw_only=True):
    """What a run is started with beside its input."""

    version: VersionName = ""
    tags: Tags = {}
    attributes: Attributes = {}
    build: Build = ""
    subject: Subject = ""


class Deed(Group, frozen=True, kw_only=True):
    """Why an operator acts, and the id of the action."""

    reason: Reason = ""
    id: ActionId = ""


class SettledDeed(Deed, frozen=True, kw_only=True):
    """The same for what waits for transactions to be settled."""

    unsettled: Unsettled = False


class ForkOptions(Group, frozen=True, kw_only=True):
    """What a fork begins with. `steps` that are to be done again; `workflow_version`: the version
    of its workflow that it goes on with, when it is another one."""

    variables: Variables = {}
    steps: Steps = ()
    workflow_version: OtherVersion = ""
    new_run_id: NewRunId = ""
    reason: Reason = ""


class Note(Group, frozen=True, kw_only=True):
    """Why a snapshot is taken."""

    reason: Reason = ""
    notes: Notes = {}


class BatchGiven(Group, frozen=True, kw_only=True):
    """What each run of a batch is given."""

    signal: SignalOrNone = ""
    data: Data = None
    reason: Reason = ""
