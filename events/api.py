"""Requests of clients and their answers: `<prefix>.api.<verb>`, answered once they are durable.

A request carries an actor and, where it changes something, is safe to repeat: the run id is the
client's.
"""

from typing import Literal

import msgspec

from events.definition import Definition
from events.policies import Attribute, Origin, RunOptions
from events.values import Value
from events.views import (
    ActionView,
    CordonView,
    ErrorView,
    NodeView,
    RunView,
    SourceView,
    StepView,
    TaskView,
)

__all__ = [
    "ActionView",
    "CordonView",
    "ErrorView",
    "NodeView",
    "RunView",
    "SourceView",
    "StepView",
    "TaskView",
]
"""Views are known by both names: whoever has the answers needs no other module."""


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of requests."""

    actor: str = "user"


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """Who is there, and how many shards: what a client must know to address a run's owner."""


class RegisterWorkflow(Request, frozen=True, kw_only=True, tag="register_workflow"):
    """`aside`: only for runs that name its version. Those that name none go on to begin with the
    newest one that was not registered so."""

    definition: Definition
    aside: bool = False


class StartRun(Request, frozen=True, kw_only=True, tag="start_run"):
    """Start `workflow` (its newest registered version, or `workflow_version`) as `run_id`.

    Answered once that is durable; with `wait_s` when the run has ended, or with its state after so
    many seconds. `tags` and `attributes` are added to those of the options, and go before them.
    """

    run_id: str
    workflow: str
    workflow_version: str = ""
    input: Value = None
    options: RunOptions | None = None
    origin: Origin = Origin()
    traceparent: str = ""
    wait_s: float = 0.0
    build: str = ""
    """Goes before that of the options: a build id, or `pinned`."""
    tags: dict[str, str] = {}
    attributes: dict[str, Attribute] = {}
    subject: str = ""
    """Whose personal values the run has; named, the run is personal."""


class CancelRun(Request, frozen=True, kw_only=True, tag="cancel_run"):
    run_id: str
    reason: str = ""


class SignalRun(Request, frozen=True, kw_only=True, tag="signal_run"):
    """Hand `data` to the step of the run that waits, or will wait, for the signal `name`.

    The same `id` again is the same signal. `correlation` is what such a step may ask for.
    """

    run_id: str
    name: str
    id: str
    data: Value = None
    correlation: Value = None


class UpdateRun(Request, frozen=True, kw_only=True, tag="update_run"):
    """Change the run by an update that its workflow declares; refused when that does not accept it.

    The same `id` again is the same update.
    """

    run_id: str
    name: str
    id: str
    data: Value = None


class QueryRun(Request, frozen=True, kw_only=True, tag="query_run"):
    """The value of a CEL expression over the run's state; changes nothing."""

    run_id: str
    expression: str


class CompleteTask(Request, frozen=True, kw_only=True, tag="complete_task"):
    """Complete the attempt of a token, whose handler has ended with `ctx.defer()`. The same again
    is the same completion. `run_id` is the token's.
    """

    run_id: str
    token: str
    output: Value = None


class FailTask(Request, frozen=True, kw_only=True, tag="fail_task"):
    """Fail it; `retryable` false: for good."""

    run_id: str
    token: str
    message: str = ""
    code: str = "failed"
    details: Value = None
    retryable: bool = True


class PauseRun(Request, frozen=True, kw_only=True, tag="pause_run"):
    """Dispatch nothing new and let no timer fire until the run is resumed."""

    run_id: str
    reason: str = ""


class ResumeRun(Request, frozen=True, kw_only=True, tag="resume_run"):
    run_id: str
    reason: str = ""


class RepinRun(Request, frozen=True, kw_only=True, tag="repin_run"):
    """Give the run's tasks to nodes of this build from now on; empty: to any."""

    run_id: str
    build: str = ""
    reason: str = ""


class SkipStep(Request, frozen=True, kw_only=True, tag="skip_step"):
    """Let the run go on as if the step were done, with this output. The same `id` again is the same
    action, here and in the requests below."""

    run_id: str
    step: str
    id: str
    output: Value = None
    reason: str = ""
    unsettled: bool = False


class CompleteStep(Request, frozen=True, kw_only=True, tag="complete_step"):
    """Give the step its output: what was to be done has been done otherwise."""

    run_id: str
    step: str
    id: str
    output: Value = None
    reason: str = ""
    unsettled: bool = False


class FailStep(Request, frozen=True, kw_only=True, tag="fail_step"):
    """Let the step fail for good, with this code and message."""

    run_id: str
    step: str
    id: str
    code: str = "failed_by_operator"
    message: str = ""
    reason: str = ""
    unsettled: bool = False


class MoveStep(Request, frozen=True, kw_only=True, tag="move_step"):
    """Place the task anew: on the node `to`, or on none of `off`; neither: off the one it is on."""

    run_id: str
    step: str
    id: str
    to: str = ""
    off: tuple[str, ...] = ()
    reason: str = ""


class TerminateRun(Request, frozen=True, kw_only=True, tag="terminate_run"):
    """End the run as failed, at once, without waiting for anybody. One that was terminated already
    is as it should be."""

    run_id: str
    reason: str = ""
    unsettled: bool = False


class RestoreRun(Request, frozen=True, kw_only=True, tag="restore_run"):
    """Let an open run go on from where it was at `version`, with what had failed by then, or with
    all, done again if that is the `mode`."""

    run_id: str
    id: str
    version: int
    mode: Literal["resume", "rerun_failed", "rerun_all"] = "resume"
    reason: str = ""
    unsettled: bool = False


class RerunRun(Request, frozen=True, kw_only=True, tag="rerun_run"):
    """Let an open run do these steps again, or else what has failed in it, or all; and what comes
    after them."""

    run_id: str
    id: str
    steps: tuple[str, ...] = ()
    all: bool = False
    reason: str = ""
    unsettled: bool = False


class ForkRun(Request, frozen=True, kw_only=True, tag="fork_run"):
    """Start `run_id` from the state that `source_run_id` had at `source_version`, with these
    `variables` set. `steps` that had failed there begin anew. `workflow_version`: it goes on with
    this version of its workflow, which has to take that state.
    """

    run_id: str
    source_run_id: str
    source_version: int
    variables: dict[str, Value] = {}
    reason: str = ""
    steps: tuple[str, ...] = ()
    workflow_version: str = ""


class ShowRun(Request, frozen=True, kw_only=True, tag="show_run"):
    run_id: str


class AwaitRun(Request, frozen=True, kw_only=True, tag="await_run"):
    """Answered when the run is terminal, or with its state after `wait_s` at most."""

    run_id: str
    wait_s: float = 10.0


class KeepValues(Request, frozen=True, kw_only=True, tag="keep_values"):
    """Store a chunk of a list that is too large for one value, for a reference that names it."""

    values: list[Value]


class FetchValues(Request, frozen=True, kw_only=True, tag="fetch_values"):
    """Values of the chunk of a reference that is stored under `hash`, from its `first` one on
    (counted from 0): as many as one answer holds. Any coordinator answers."""

    hash: str
    first: int = 0


class ListNodes(Request, frozen=True, kw_only=True, tag="list_nodes"):
    pass


class ShowNode(Request, frozen=True, kw_only=True, tag="show_node"):
    """All that the node's owner knows of it, which may be there or not."""

    node: str


class CordonNode(Request, frozen=True, kw_only=True, tag="cordon_node"):
    """Give the node no further attempt, under whatever incarnation, until it is uncordoned."""

    node: str
    reason: str = ""


class DrainNode(Request, frozen=True, kw_only=True, tag="drain_node"):
    """Cordon the node, and give back what still runs there after `deadline_s`. Asked again, the
    sooner deadline holds.
    """

    node: str
    deadline_s: float
    reason: str = ""


class UncordonNode(Request, frozen=True, kw_only=True, tag="uncordon_node"):
    """Give the node attempts again; what it drains, it keeps."""

    node: str
    reason: str = ""


class ErasePersonal(Request, frozen=True, kw_only=True, tag="erase_personal"):
    """Record that a data key is dropped, which so many `runs` had, all of them ended. `run_id`, one
    of them, says whose shard it is. The same again changes nothing.
    """

    run_id: str
    key_id: str
    subject: str
    runs: int
    reason: str = ""


AnyRequest = (
    Hello
    | RegisterWorkflow
    | StartRun
    | CancelRun
    | SignalRun
    | UpdateRun
    | QueryRun
    | CompleteTask
    | FailTask
    | PauseRun
    | ResumeRun
    | RepinRun
    | SkipStep
    | CompleteStep
    | FailStep
    | MoveStep
    | TerminateRun
    | RestoreRun
    | RerunRun
    | ForkRun
    | ShowRun
    | AwaitRun
    | KeepValues
    | FetchValues
    | ErasePersonal
    | ListNodes
    | ShowNode
    | CordonNode
    | DrainNode
    | UncordonNode
)


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of answers."""


class StrangeReports(msgspec.Struct, frozen=True, kw_only=True):
    """How often a node has reported what the log does not know, since when, and when last;
    microseconds. A coordinator counts since it was started."""

    node: str
    number: int
    since: int
    last_at: int


class Here(Answer, frozen=True, kw_only=True, tag="here"):
    coordinator: str
    shards: int
    owned: tuple[int, ...] = ()
    release: str = ""
    at: int = 0
    """The coordinator's wall clock in microseconds; 0 from one that does not say."""
    strange: tuple[StrangeReports, ...] = ()


class Registered(Answer, frozen=True, kw_only=True, tag="registered"):
    workflow: str
    workflow_version: str
    created: bool


class RunAnswer(Answer, frozen=True, kw_only=True, tag="run"):
    run: RunView
    created: bool = False


class Updated(Answer, frozen=True, kw_only=True, tag="updated"):
    """`variables`: those that the update sets, as they are now."""

    run_id: str
    version: int
    variables: dict[str, Value] = {}


class Queried(Answer, frozen=True, kw_only=True, tag="queried"):
    """`version` is that of the state that was asked."""

    run_id: str
    version: int
    value: Value = None


class Kept(Answer, frozen=True, kw_only=True, tag="kept"):
    """The chunk is durable under its hash."""

    hash: str


class Fetched(Answer, frozen=True, kw_only=True, tag="fetched"):
    """Values of a chunk, one at least: a list as JSON."""

    values: msgspec.Raw


class Nodes(Answer, frozen=True, kw_only=True, tag="nodes"):
    nodes: tuple[NodeView, ...]


class NodeAnswer(Answer, frozen=True, kw_only=True, tag="node"):
    node: NodeView


class Refused(Answer, frozen=True, kw_only=True, tag="refused"):
    """The request was not carried out: `code` of the error tree, and a message for a person."""

    code: str
    message: str


class ErasureRecorded(Answer, frozen=True, kw_only=True, tag="erasure_recorded"):
    """`recorded` is false where it was recorded before."""

    key_id: str
    recorded: bool = True


AnyAnswer = (
    Here
    | Registered
    | RunAnswer
    | Updated
    | Queried
    | Kept
    | Fetched
    | ErasureRecorded
    | Nodes
    | NodeAnswer
    | Refused
)
