"""The state of a run: what the fold of its events says. Mutable inside the fold, pure from outside.

    pending ──► running ◄──► waiting: nothing but timers and signals is awaited
                  │ ◄──────► paused: nothing is dispatched and no timer fires
                  ▼
                closing: the end is decided, outstanding attempts are being given back
                  │
                  ▼
                completed | failed | cancelled | timed_out

(compensating: a later room; parked is set by a reader, never by an event)

A task's step:

    ready ──► dispatched ──► running ──► completed | failed | cancelled
      ▲           │             │
      └─ retrying ◄─────────────┘        recalled: asked back, still outstanding until the node
      answered

An operator may give any open step its result: completed, skipped or failed.

A step that waits: waiting ──► completed | failed | cancelled. One with a child run: calling
◄──► retrying ──► completed | failed | cancelled.

Field order is part of the serialised form, so equal folds give equal bytes.
"""

from typing import Literal

import msgspec

from events.facts import Failure, LossReason, PartOf
from events.ids import Attempt
from events.policies import Origin, RunOptions
from events.task_facts import Killed
from events.values import Value
from orchestrator.kernel.mapstate import MapState

OPEN = frozenset({"pending", "running", "waiting", "paused", "compensating", "parked"})
TERMINAL = frozenset(
    {"completed", "failed", "cancelled", "timed_out", "compensated", "compensation_failed"}
)


class LoopState(msgspec.Struct, omit_defaults=True):
    """Where a loop is: its present iteration (None: it was only reached), the items of one over a
    list and the outputs of the iterations that are over, with their bytes together."""

    index: int | None = None
    items: list[Value] | None = None
    outputs: list[Value] = []
    output_bytes: int = 0


class Settling(msgspec.Struct, omit_defaults=True):
    """How the task fails once it is settled that it has not completed, or that it is to begin anew
    then; how often that was asked in vain."""

    failure: Failure
    kind: Literal["failed", "timed_out", "lost"] = "failed"
    why: str = ""
    tries: int = 0
    renews: bool = False


class StepState(msgspec.Struct, omit_defaults=True, gc=False):
    """One instance of a step. Instants in microseconds; None is "not yet" or "no limit".

    `attempt` is the number of the last attempt, `counted` how many of them the retry policy counts,
    `losses` how many were lost, `refusals` how many were refused in a row. `progress` is the
    sequence of the newest `details` of the last attempt. `delay_s` is the last wait of the retry
    policy. `token` fences effects and grows with every attempt of the run.

    What few steps have takes no room until they have it: of a wide map there are ten thousand.
    """

    status: str
    generation: int = 0
    attempt: int = 0
    counted: int = 0
    losses: int = 0
    refusals: int = 0
    token: int = 0
    inputs: dict[str, Value] = {}
    output: Value = None
    outcome: str = ""
    failure: Failure | None = None
    handled: bool = False
    node: str = ""
    incarnation: str = ""
    recalled: str = ""
    details: Value = None
    progress: int = 0
    obstacle: str = ""
    obstacle_detail: str = ""
    excluded: dict[str, LossReason] | None = None
    """The nodes that have lost or refused an attempt."""
    delay_s: float = 0.0
    ready_at: int | None = None
    dispatched_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    next_attempt_at: int | None = None
    close_due_at: int | None = None
    correlation: Value = None
    """That the signal must have for which the step waits; null: any."""
    loop: LoopState | None = None
    """Of a loop that is under way."""
    map: MapState | None = None
    """Of a map that is under way."""
    once: dict[str, Value] | None = None
    """What parts of its handler that are done once have returned, by name."""
    digest: str = ""
    """Of the secret of the token of its last attempt, if that was deferred."""
    transactional: bool = False
    """An attempt of it has been a transaction in the user's database."""
    settling: Settling | None = None
    kills: tuple[Killed, ...] = ()
    """Attempts that may have taken their agents with them."""
    target: str = ""
    """The node that an operator wants it on; "": any."""
    off: tuple[str, ...] = ()
    """The nodes that an operator wants it off."""


class Closing(msgspec.Struct):
    """How the run will end once nothing is outstanding any more."""

    status: str
    reason: str = ""
    failure: Failure | None = None
    step: str = ""


class Paused(msgspec.Struct):
    """Since when and why the run is paused."""

    at: int
    reason: str = ""


class Action(msgspec.Struct, omit_defaults=True):
    """What an operator did: `what`, to which `step` if to one, when, who, and why. `version`: of
    its event. `backup`: the version before, of which a snapshot was kept. `to`: what it went to, a
    version or a node."""

    what: str
    at: int
    version: int
    by: str = ""
    reason: str = ""
    step: str = ""
    to: str = ""
    backup: int = 0


class Kept(msgspec.Struct, omit_defaults=True):
    """A signal that no step has taken yet."""

    name: str
    data: Value = None
    correlation: Value = None

    def fits(self, name: str, correlation: Value) -> bool:
        """Whether a step that waits for this takes it; `true` is not 1 here."""
        if self.name != name:
            return False
        return correlation is None or _content(correlation) == _content(self.correlation)


_content = msgspec.json.Encoder(order="sorted").encode


class RunState(msgspec.Struct, omit_defaults=True):
    """`tokens`: arc → tokens waiting there. `ready`: tasks awaiting placement, oldest first.
    `outstanding`: step → attempt number with a node. `timers`: key → due instant, where a key is
    `run` or `<what>:<step>` with what of start, close, execute, retry, wait, until, within (a group
    of steps). `order`: steps
    as they ended. `stuck`: steps that were reached and could not act; `at_end`: the root scope was
    left; both until it is decided what follows. `awaiting`: step → name of the signal that it waits
    for. `signals`: by id, in order of arrival. `signals_seen`: ids of these and of those taken.
    `updates_seen`: ids of updates. `turning`: loops that were reached, or of which an iteration is
    over; maps that begin more items, or are done. Everywhere steps and arcs are named as instances
    (see `instances`). `calls`: step → the child run that it has. Items of a map are steps only
    while they are under way. `part`: of the map of another run that this run does. `given_up`:
    groups whose time is over, and that wait for what nodes and child runs still have of them.
    `subject`: whose values it has, where these are sealed.
    """

    run_id: str = ""
    version: int = 0
    status: str = "pending"
    workflow: str = ""
    workflow_version: str = ""
    input: Value = None
    options: RunOptions = RunOptions()
    origin: Origin = Origin()
    started_at: int = 0
    updated_at: int = 0
    ended_at: int | None = None
    output: Value = None
    failure: Failure | None = None
    failed_step: str = ""
    reason: str = ""
    closing: Closing | None = None
    tokens: dict[str, int] = {}
    variables: dict[str, Value] = {}
    steps: dict[str, StepState] = {}
    order: list[str] = []
    ready: dict[str, None] = {}
    outstanding: dict[str, int] = {}
    timers: dict[str, int] = {}
    stuck: dict[str, Failure] = {}
    at_end: bool = False
    awaiting: dict[str, str] = {}
    signals: dict[str, Kept] = {}
    signals_seen: dict[str, None] = {}
    paused: Paused | None = None
    turning: dict[str, None] = {}
    updates_seen: dict[str, None] = {}
    calls: dict[str, str] = {}
    build: str | None = None
    """The build that its tasks keep to, "" for any; None: not decided, see `pinning`."""
    part: PartOf | None = None
    subject: str = ""
    given_up: dict[str, Failure] = {}
    generation: int = 0
    """Of the steps that begin now: grows when steps begin anew that nodes or child runs may still
    have under way."""
    actions: list[Action] = []
    """What operators did last, newest last."""
    actions_seen: dict[str, None] = {}
    """Ids of these, and of earlier ones."""
    deferred: dict[str, int] = {}
    """Step → number of the attempt that somebody who has its token completes."""
    settling: dict[str, None] = {}
    """Transactional tasks that are given up as soon as it is settled that they have not completed.
    """
    halted: int | None = None
    """Until when nothing is placed but what settles, because an operator waits for it."""

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def _waits_for_timer(self) -> bool:
        """Its own timeout does not count, nor that of a group: these only end what does not."""
        return any(key != "run" and not key.startswith("within:") for key in self.timers)

    @property
    def unsettled(self) -> bool:
        """Whether something follows without any input: so it is between the facts of a decision."""
        if self.terminal or not self.version:
            return False
        if self.closing is not None:
            return not self.is_held
        if self.undecided:
            return True
        if self.failure is None:
            return False
        return self.options.error_policy == "fail_fast" or not self.waits

    @property
    def is_held(self) -> bool:
        """Whether a node has an attempt, a step a child run, or a transaction is to be settled:
        nothing ends before these have."""
        return bool(self.outstanding or self.calls or self.settling)

    @property
    def is_busy(self) -> bool:
        """Whether its owner has to have it at hand: a node has an attempt, a task is to be placed,
        or it ends and its child runs with it. Every other run only waits."""
        if self.outstanding or (self.ready and (self.paused is None or self.halted is not None)):
            return True
        return self.gives_up

    @property
    def gives_up(self) -> bool:
        """Whether it wants child runs to end, because it ends itself or a map is decided."""
        if not self.calls:
            return False
        return self.closing is not None or any(map(self.is_recalled, self.calls))

    def is_recalled(self, step_id: str) -> bool:
        """Whether a step's attempt, or its run, was asked back."""
        return bool(self.steps[step_id].recalled)

    @property
    def undecided(self) -> bool:
        """Whether something has happened of which it is still to be decided what follows."""
        return self.at_end or self.is_to_go_on

    @property
    def is_to_go_on(self) -> bool:
        """The same without the end of the run."""
        return bool(self.stuck or self.turning) or self.deliverable is not None

    @property
    def deliverable(self) -> tuple[str, str] | None:
        """The step that takes a signal next, and the signal's id. O(waits * signals)."""
        if not (self.awaiting and self.signals):
            return None
        for step_id, name in self.awaiting.items():
            correlation = self.steps[step_id].correlation
            for signal_id, signal in self.signals.items():
                if signal.fits(name, correlation):
                    return step_id, signal_id
        return None

    @property
    def open_status(self) -> str:
        """What an open run is called: `waiting` when only timers and signals can make it go on."""
        if self.paused is not None:
            return "paused"
        if self.outstanding or self.ready:  # so it is nearly always, and asked at each event
            return "running"
        if self.is_held or self.closing is not None or self.undecided:
            return "running"
        return "waiting"

    @property
    def waits(self) -> bool:
        """Whether something will come that makes the run go on."""
        is_awaited = self.is_held or self.ready or self.awaiting or self.deferred
        return bool(is_awaited) or self._waits_for_timer

    @property
    def next_due_at(self) -> int | None:
        """When `Due` is to be given, in microseconds: the earliest timer, or at once when a
        decision was cut off at its bound. O(timers)."""
        if self.undecided:
            return self.updated_at
        if self.paused is not None:
            return None
        return min(self.timers.values()) if self.timers else None

    def clock(self, at: int) -> int:
        """What the run's own clock shows at an instant: it stands still during a pause."""
        return at if self.paused is None else self.paused.at

    def map_of(self, instance: str) -> str:
        """The map of which this is an item that is under way; empty for every other step."""
        return instance[: instance.rfind("[")] if self.map_around(instance) is not None else ""

    def map_around(self, instance: str) -> MapState | None:
        """What is known of that map."""
        if instance[-1:] != "]":
            return None
        holder = self.steps.get(instance[: instance.rfind("[")])
        return holder.map if holder is not None else None

    def attempt_of(self, step_id: str) -> Attempt:
        """The step's last attempt; raises KeyError for a step that was never entered."""
        step = self.steps[step_id]
        return Attempt(self.run_id, step_id, step.generation, step.attempt)

    def holds(self, attempt: Attempt) -> bool:
        """Whether `attempt` is outstanding; every other one is fenced. O(1)."""
        step = self.steps.get(attempt.step)
        return (
            step is not None
            and self.outstanding.get(attempt.step) == attempt.number
            and step.generation == attempt.generation
        )


def serialise(state: RunState) -> bytes:
    """The state's canonical bytes: equal for equal folds, in every process."""
    return msgspec.json.encode(state)
