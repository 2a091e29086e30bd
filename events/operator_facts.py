"""Facts of what operators do to a run, in the stream of that run.

Each says who did it (`by`) and why (`reason`). `id` is that of the request: sent again under the
same id it is the same one; `forgotten` ids are not remembered any more. `backup` is the version of
the state before, of which a snapshot was kept: going back to it undoes what was done. `unsettled`:
transactional tasks of which it was not known, and was not to be waited for, whether they committed.
"""

from typing import Literal

from events.facts import Fact, Failure, Flow, Part
from events.run_facts import Renewed
from events.values import Value

GivenStatus = Literal["completed", "skipped", "failed"]
RestoreMode = Literal["resume", "rerun_failed", "rerun_all", "rerun_steps"]


class KeptSignal(Part, frozen=True, kw_only=True):
    """A signal that is there again: no step has taken it yet."""

    id: str
    name: str
    data: Value = None
    correlation: Value = None


class ResultGiven(Fact, frozen=True, kw_only=True):
    """An operator has given a step its result, or its failure, which goes along an error arc as any
    other does. If a node had an attempt of it, that one is fenced, and the result belongs to a new
    `generation` of the step (0: it stays in the one that it had).
    """

    TYPE = "result.given.v1"
    id: str
    step: str
    status: GivenStatus
    output: Value = None
    failure: Failure | None = None
    handled: bool = False
    by: str = ""
    reason: str = ""
    generation: int = 0
    flow: Flow = Flow()
    forgotten: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()


class TaskMoved(Fact, frozen=True, kw_only=True):
    """From now on a task is placed on the node `to` (empty: on any) and on none of `off`. An
    attempt that a node has is asked back, and the one that follows it is not counted; `attempt` is
    its number, 0 if there was none.
    """

    TYPE = "task.moved.v1"
    id: str
    step: str
    attempt: int = 0
    to: str = ""
    off: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""
    backup: int = 0
    forgotten: tuple[str, ...] = ()


class RunHalted(Fact, frozen=True, kw_only=True):
    """What an operator wants done waits until it is settled what became of the transactions of
    `steps`. Nothing else is placed until then, or until `due_at` if nobody asks again; None: that
    is over.
    """

    TYPE = "run.halted.v1"
    due_at: int | None = None
    steps: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""


class RunRestored(Fact, frozen=True, kw_only=True):
    """The run is again as it was at `version`, and goes on from there in a new `generation`; the
    state so far is the fold up to that version. `at` is the version of this event.

    Attempts and child runs of before are none of it: `renewed` steps begin anew. `signals`: those
    received since, which are there to be taken (again). `undone`: updates accepted since, which
    have no effect any more. `mode` says how the version was chosen, `steps` what was to run again.
    """

    TYPE = "run.restored.v1"
    id: str
    version: int
    at: int
    generation: int
    mode: RestoreMode = "resume"
    steps: tuple[str, ...] = ()
    due_at: int | None = None
    renewed: tuple[Renewed, ...] = ()
    signals: tuple[KeptSignal, ...] = ()
    undone: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""
    backup: int = 0
    forgotten: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
