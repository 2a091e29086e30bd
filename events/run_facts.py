"""Facts of a run: its beginning, its closing, its end. One stream a run."""

from events.facts import Called, Fact, Failure, Flow, Part, PartOf, PartResult
from events.policies import Origin, RunOptions
from events.values import Value


class RunStarted(Fact, frozen=True, kw_only=True):
    """A run began with a pinned definition. `due_at` is when the run's own timeout ends. One that
    does `part` of a map of its parent does nothing else.
    """

    TYPE = "run.started.v1"
    run_id: str
    workflow: str
    workflow_version: str
    input: Value = None
    options: RunOptions = RunOptions()
    origin: Origin = Origin()
    due_at: int | None = None
    flow: Flow = Flow()
    part: PartOf | None = None
    subject: str = ""
    """Whose values the run has, where they are sealed; its own name, `run:<id>`, of nobody else."""


class Renewed(Part, frozen=True, kw_only=True):
    """A task that was open in the source of a fork: ready anew, with the inputs it had there; or a
    step that waited there: it waits on, until `due_at` if there is one (`absolute`: as its author
    said); or one that had a child run: it has another one, `call`; or a group with a limit of time,
    which is over at `due_at`. `inputs`: what a task is given now, where that is something else.
    """

    step: str
    start_due_at: int | None = None
    close_due_at: int | None = None
    due_at: int | None = None
    absolute: bool = False
    call: Called | None = None
    inputs: dict[str, Value] | None = None


class RunForked(Fact, frozen=True, kw_only=True):
    """A run begins where another one was at a version: the state so far is that stream's fold.

    Attempts that were outstanding there are none of ours: `renewed` tasks begin anew. `retried`:
    those of them that had failed there. `workflow_version` need not be the one that it had there.
    """

    TYPE = "run.forked.v1"
    run_id: str
    source_run_id: str
    source_version: int
    workflow: str
    workflow_version: str
    options: RunOptions = RunOptions()
    origin: Origin = Origin()
    due_at: int | None = None
    variables: dict[str, Value] = {}
    renewed: tuple[Renewed, ...] = ()
    reason: str = ""
    retried: tuple[str, ...] = ()


class SignalReceived(Fact, frozen=True, kw_only=True):
    """A client's signal; it is kept until a step takes it. The same `id` again is the same signal.

    `forgotten`: ids of taken signals that are not remembered any more.
    """

    TYPE = "signal.received.v1"
    id: str
    name: str
    data: Value = None
    correlation: Value = None
    forgotten: tuple[str, ...] = ()


class WaitEnded(Fact, frozen=True, kw_only=True):
    """A step has waited long enough, or took the signal with this id; `output` is its data."""

    TYPE = "wait.ended.v1"
    step: str
    signal: str = ""
    output: Value = None
    flow: Flow = Flow()


class LoopAdvanced(Fact, frozen=True, kw_only=True):
    """A loop's iteration `index` began, or (None) the loop was left, because of the values that its
    condition `when` read. `output`: of the iteration that was over then, where it is kept: that is
    each of a loop over a list, and the last of any other.
    """

    TYPE = "loop.advanced.v1"
    step: str
    index: int | None = None
    output: Value = None
    output_bytes: int = 0
    when: str = ""
    values: dict[str, Value] = {}
    flow: Flow = Flow()


class MapAdvanced(Fact, frozen=True, kw_only=True):
    """More items of a map began: those that `flow` enables. Later ones begin as others end, in the
    facts of those.
    """

    TYPE = "map.advanced.v1"
    step: str
    flow: Flow = Flow()


class MapDecided(Fact, frozen=True, kw_only=True):
    """What becomes of a map is known before all its items are over: it succeeds, or fails with
    `failure`. Items that a node has are asked back, those with `cancelled` numbers never begin;
    what still comes is not among the results.
    """

    TYPE = "map.decided.v1"
    step: str
    failure: Failure | None = None
    recalled: tuple[int, ...] = ()
    cancelled: tuple[int, ...] = ()
    flow: Flow = Flow()


class MapPartCompleted(Fact, frozen=True, kw_only=True):
    """The run of a part of a map, `scale[3]`, is over, with what became of its items."""

    TYPE = "map.part_completed.v1"
    step: str
    run_id: str
    result: PartResult
    flow: Flow = Flow()


class MapCompleted(Fact, frozen=True, kw_only=True):
    """A map succeeded. Its output is the list of the results that its items' facts brought, unless
    there is another: a reference to them, or in the run of a part what is handed to its parent.
    """

    TYPE = "map.completed.v1"
    step: str
    completed: int = 0
    failed: int = 0
    flow: Flow = Flow()
    output: Value = None


class GroupGivenUp(Fact, frozen=True, kw_only=True):
    """The time of a group of steps is over while nodes, or child runs, still have some of it: these
    are asked back, the `cancelled` ones never begin. Once the last of the `recalled` is back the
    group fails with `failure`. What still comes leads nowhere.
    """

    TYPE = "group.given_up.v1"
    step: str
    failure: Failure
    recalled: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    flow: Flow = Flow()


class ChildCalled(Fact, frozen=True, kw_only=True):
    """Another child run follows one that failed; the wait before it is over."""

    TYPE = "child.called.v1"
    call: Called


class ChildCompleted(Fact, frozen=True, kw_only=True):
    """A child run completed: its output is the step's."""

    TYPE = "child.completed.v1"
    step: str
    run_id: str
    output: Value = None
    flow: Flow = Flow()


class ChildFailed(Fact, frozen=True, kw_only=True):
    """A child run failed, and another one follows at `next_attempt_at`."""

    TYPE = "child.failed.v1"
    step: str
    run_id: str
    failure: Failure
    next_attempt_at: int
    delay_s: float = 0.0
    why: str = ""


class UpdateAccepted(Fact, frozen=True, kw_only=True):
    """A client's update was accepted, because of the values that its condition `when` read, and has
    set `variables`. The same `id` again is the same update; `forgotten` ids are not remembered any
    more.
    """

    TYPE = "update.accepted.v1"
    id: str
    name: str
    data: Value = None
    when: str = ""
    values: dict[str, Value] = {}
    variables: dict[str, Value] = {}
    forgotten: tuple[str, ...] = ()


class RunPinned(Fact, frozen=True, kw_only=True):
    """From now on the run's tasks go only to nodes with this build; empty: to any again."""

    TYPE = "run.pinned.v1"
    build: str
    reason: str = ""


class RunPaused(Fact, frozen=True, kw_only=True):
    """Nothing is dispatched and no timer fires until the run is resumed; who and why is recorded.

    The run's clock stands still: instants that are decided meanwhile are counted from this one.
    """

    TYPE = "run.paused.v1"
    reason: str = ""


class RunResumed(Fact, frozen=True, kw_only=True):
    """The run's clock goes on: its timers, but for those at instants that the author named, come
    `shift_us` microseconds later.
    """

    TYPE = "run.resumed.v1"
    shift_us: int
    reason: str = ""


class RunClosing(Fact, frozen=True, kw_only=True):
    """The end is decided and waits for outstanding attempts to come back; nothing new starts."""

    TYPE = "run.closing.v1"
    status: str
    reason: str = ""
    failure: Failure | None = None
    step: str = ""
    cancelled: tuple[str, ...] = ()
    flow: Flow | None = None


class RunCompleted(Fact, frozen=True, kw_only=True):
    TYPE = "run.completed.v1"
    output: Value = None


class RunFailed(Fact, frozen=True, kw_only=True):
    """`unsettled`: transactional tasks of a run that an operator has ended without waiting for what
    became of them.
    """

    TYPE = "run.failed.v1"
    failure: Failure
    step: str = ""
    cancelled: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()


class RunCancelled(Fact, frozen=True, kw_only=True):
    TYPE = "run.cancelled.v1"
    reason: str = ""
    cancelled: tuple[str, ...] = ()


class RunTimedOut(Fact, frozen=True, kw_only=True):
    TYPE = "run.timed_out.v1"
    failure: Failure
    cancelled: tuple[str, ...] = ()
