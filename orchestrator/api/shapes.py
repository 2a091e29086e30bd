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
    form, `net` what it was compiled to and runs execute, `graph` the same for drawing."""

    workflow: str
    workflow_version: str
    registered_at: Instant
    description: str
    definition: dict[str, Value]
    net: Net
    graph: Graph


class RunStarted(Shape, frozen=True, kw_only=True):
    """`created` is false when this run had been started before by the same request."""

    run: RunView
    created: bool


class RunNews(Shape, frozen=True, kw_only=True):
    """A run that was started, went on or ended: its row as it is now."""

    id: str
    run: RunRow


class EventNews(Shape, frozen=True, kw_only=True):
    """An event that was recorded."""

    id: str
    event: EventShown
