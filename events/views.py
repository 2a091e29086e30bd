"""Views: what clients are shown of runs and nodes."""

from typing import Literal

import msgspec

from events.facts import HostSample
from events.values import Value


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: str
    status: str
    started_at: int | None = None
    ended_at: int | None = None
    pending: str | msgspec.UnsetType = msgspec.UNSET
    """What a step that is no task waits for, when it does."""


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    status: str
    attempts: int = 0
    node: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    pending: str = ""
    """Why it waits, when it does."""
    task: str | msgspec.UnsetType = msgspec.UNSET
    """Its task type."""


class ErrorView(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str = ""
    step: str = ""
    details: Value = None


class ActionView(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator did to a run: `what` is skip, complete, fail, move, restore or rerun, and
    `version` that of its event. `to`: the version that the run went back to, or where the task may
    go. `backup`: going back to this version undoes it."""

    what: str
    at: int
    version: int
    by: str = ""
    reason: str = ""
    step: str = ""
    to: str = ""
    backup: int | msgspec.UnsetType = msgspec.UNSET


class ForkView(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was forked from another one, which was at `version` there. `status`: as the index
    has it; "" for one that is not in the log any more."""

    run_id: str
    version: int
    started_at: int
    status: str = ""


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run was forked from: another run, at a version of it."""

    run_id: str
    version: int


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run as people and programs are shown it. `steps` in order of completion, open ones last."""

    run_id: str
    workflow: str
    workflow_version: str
    version: int
    status: str
    output: Value = None
    error: ErrorView | None = None
    steps: tuple[StepView, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    started_at: int | None = None
    ended_at: int | None = None
    pending: str | msgspec.UnsetType = msgspec.UNSET
    """What keeps the whole run from going on, when something does."""
    build: str | msgspec.UnsetType = msgspec.UNSET
    """The build that its tasks keep to, when they do."""
    actions: tuple[ActionView, ...] | msgspec.UnsetType = msgspec.UNSET
    """What operators did last, newest last, if anything."""
    forked_from: SourceView | msgspec.UnsetType = msgspec.UNSET
    """Where the run began, if it is a fork."""


class CordonView(msgspec.Struct, frozen=True, kw_only=True):
    """Who wanted a node cordoned, since when and why; `drain_due_at`: until when it may finish what
    runs, if it is drained. Microseconds."""

    actor: str = ""
    reason: str = ""
    since: int = 0
    drain_due_at: int | None = None


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """`outstanding`: attempts that the coordinator has given it; `held`: those that the node says
    it has, of all coordinators. `clock_ahead_s`: of the node's wall clock compared with the
    coordinator's when its last heartbeat arrived, if it says so.
    """

    node: str
    status: Literal["healthy", "suspected", "lost", "draining", "left"]
    incarnation: str = ""
    slots: int = 0
    credits: int = 0
    outstanding: int = 0
    tasks: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    build_id: str = ""
    silent_s: float = 0.0
    host: HostSample = HostSample()
    weight: float | msgspec.UnsetType = msgspec.UNSET
    held: int | msgspec.UnsetType = msgspec.UNSET
    cordon: CordonView | msgspec.UnsetType = msgspec.UNSET
    refusal: str | msgspec.UnsetType = msgspec.UNSET
    """Why it is given nothing new, if so."""
    clock_ahead_s: float | msgspec.UnsetType = msgspec.UNSET
