"""What the API answers with, beside the views of runs and nodes that all clients are shown.

Instants are integers: microseconds since 1970, UTC, as they are in events.
"""

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from events.net import Net
from events.values import Value
from events.views import RunView

T = TypeVar("T")

Instant = Annotated[int, Meta(description="Microseconds since 1970, UTC.")]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list. `next` is the cursor of the page after it; null on the last one.

    What is added or changed while pages are read moves nothing: every item that was there when the
    first page was read, and still is, comes exactly once.
    """

    items: tuple[T, ...]
    next: str | None = None


class RunRow(Shape, frozen=True, kw_only=True):
    """A run as lists show it. `outstanding`: attempts with nodes; `ready`: tasks that wait for
    one; `calls`: child runs that it waits for; `parent`: the run that started it, or empty."""

    run_id: str
    workflow: str
    workflow_version: str
    status: str
    version: int
    shard: int
    outstanding: int
    ready: int
    calls: int
    parent: str
    started_at: Instant
    updated_at: Instant
    next_due_at: int | None = None


class EventShown(Shape, frozen=True, kw_only=True):
    """An event as it is stored, with its place. `position` is that in the whole log, where it is
    known; `log` the name of the log where there are several. `corrupt` says why an event cannot be
    read; then it has no `data`."""

    stream: str
    version: int
    type: str
    id: str = ""
    recorded_at: Instant = 0
    actor: str = ""
    causation: str = ""
    correlation: str = ""
    traceparent: str = ""
    epoch: int = 0
    generation: int = 0
    segment: int = 0
    position: int | None = None
    log: str = ""
    digest: str = ""
    data: dict[str, Value] = {}
    corrupt: str = ""


class WorkflowRow(Shape, frozen=True, kw_only=True):
    """A registered version of a workflow. `steps` counts those of the definition, the inner ones
    included."""

    workflow: str
    workflow_version: str
    registered_at: Instant
    description: str
    steps: int


class GraphNode(Shape, frozen=True, kw_only=True):
    """A step to be drawn. `name` is empty for steps that only the compiler knows, such as where
    branches meet. `scope`: the id of the step that it lies in, or empty."""

    id: str
    name: str
    kind: str
    scope: str = ""
    task: str = ""


class GraphEdge(Shape, frozen=True, kw_only=True):
    """An arc. `when` is the condition of a conditional one; `codes` limit an error arc."""

    id: str
    source: str
    target: str
    kind: str
    when: str = ""
    codes: tuple[str, ...] = ()


class Graph(Shape, frozen=True, kw_only=True):
    """The steps and arcs of a workflow version, for drawing."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class Workflow(Shape, frozen=True, kw_only=True):
    """A registered version of a workflow. `definition` is what was registered, in the canonical
    form, `source` the same as the text of a workflow file, `net` what it was compiled to and runs
    execute, `graph` the same for drawing."""

    workflow: str
    workflow_version: str
    registered_at: Instant
    description: str
    definition: dict[str, Value]
    source: str
    net: Net
    graph: Graph


class RegisteredShown(Shape, frozen=True, kw_only=True):
    """`created` is false when this content had been registered before."""

    workflow: str
    workflow_version: str
    created: bool


class ProblemPlace(Shape, frozen=True, kw_only=True):
    """Line and column in a text, from 1; `column` is 0 where only the line is known."""

    line: int
    column: int


class DefinitionProblem(Shape, frozen=True, kw_only=True):
    """What is wrong with a definition. `where`: a path in it, `steps[2].with.url`."""

    code: str
    where: str
    message: str
    place: ProblemPlace | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was not carried out. `code` is stable and for programs; `detail` names the
    offender, what was expected and the mend, for people. `problems`: of a definition."""

    type: Annotated[str, Meta(examples=["urn:dalsegno:error:not_found"])]
    title: Annotated[str, Meta(examples=["Not found"])]
    status: Annotated[int, Meta(ge=400, le=599, examples=[404])]
    code: Annotated[str, Meta(examples=["not_found"])]
    detail: Annotated[str, Meta(examples=["there is no run nightly-17"])]
    problems: tuple[DefinitionProblem, ...] = ()


class Checked(Shape, frozen=True, kw_only=True):
    """`problems` is empty for a definition that is right; then its version is said."""

    workflow: str
    workflow_version: str
    problems: tuple[DefinitionProblem, ...] = ()


class RunStarted(Shape, frozen=True, kw_only=True):
    """`created` is false when this run had been started before by the same request, or when a run
    that is open goes on itself."""

    run: RunView
    created: bool


class QueryResult(Shape, frozen=True, kw_only=True):
    """`version` is that of the state that was asked."""

    run_id: str
    version: int
    value: Value = None


class UpdateResult(Shape, frozen=True, kw_only=True):
    """`variables`: those that the update sets, as they are now."""

    run_id: str
    version: int
    variables: dict[str, Value]


class KeptValues(Shape, frozen=True, kw_only=True):
    """The chunk is durable under its hash."""

    hash: str


class ValuesPage(Shape, frozen=True, kw_only=True):
    """Values of a chunk, one at least."""

    values: list[Value]


class SnapshotShown(Shape, frozen=True, kw_only=True):
    """A stored state. `verdict` says why it cannot be used, where that was looked at; empty: it is
    sound, or was not looked at. `state_hash`: of the state in it, where it was looked at."""

    id: str
    run_id: str
    version: int
    kind: str
    taken_at: Instant
    reason: str
    actor: str
    notes: dict[str, str]
    stored_bytes: int
    checksum: str
    key_id: str
    verdict: str = ""
    state_hash: str = ""


class Deleted(Shape, frozen=True, kw_only=True):
    """What is gone."""

    id: str


class LogShown(Shape, frozen=True, kw_only=True):
    """A log. `last`: the position of its last event."""

    name: str
    last: int


class ShardShown(Shape, frozen=True, kw_only=True):
    """A shard, and the coordinator that answers for it; empty: none does."""

    shard: int
    coordinator: str


class ClusterShown(Shape, frozen=True, kw_only=True):
    """The logs, and who owns the shards. `releases`: of the coordinators that answer."""

    release: str
    logs: tuple[LogShown, ...]
    shards: tuple[ShardShown, ...]
    coordinators: tuple[str, ...]
    releases: dict[str, str]


class Health(Shape, frozen=True, kw_only=True):
    """This process answers. `at`: its clock."""

    status: str
    release: str
    at: Instant


class Ready(Shape, frozen=True, kw_only=True):
    """Log and coordinators answer."""

    status: str
    log: str
    coordinators: str


class LeftOut(Shape, frozen=True, kw_only=True):
    """A run that a batch does nothing to, and why."""

    run_id: str
    why: str


class BatchPlan(Shape, frozen=True, kw_only=True):
    """What a batch would be about. `sample`: the first of the runs; `left_out` the first of those
    that are found and left out, `left_out_count` how many there are."""

    action: str
    count: int
    sample: tuple[RunRow, ...]
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = 0


class BatchShown(Shape, frozen=True, kw_only=True):
    """A batch, which is a run. `done` of its `count` runs are over; `refused` of these could not be
    done, the first of them with why."""

    batch_id: str
    action: str
    status: str
    count: int
    done: int
    started_at: Instant
    ended_at: int | None = None
    refused: int = 0
    refusals: tuple[LeftOut, ...] = ()


class RunNews(Shape, frozen=True, kw_only=True):
    """A run that was started, went on or ended: its row as it is now."""

    id: str
    run: RunRow


class EventNews(Shape, frozen=True, kw_only=True):
    """An event that was recorded."""

    id: str
    event: EventShown
