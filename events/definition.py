"""Definition: a workflow as its author wrote it, whatever the front end, before it is compiled.

Texts of the form `${ CEL }` inside a template (`inputs`, `set`, `output`) are expressions; a text
that is one expression and nothing else keeps the value's type, otherwise values are put into the
text. Expressions may read `input`, `steps.<id>.output`, `steps.<id>.error`, `vars.<name>`,
`run.id`, and inside a loop `iteration.index` and `iteration.item`.
"""

from typing import Literal

import msgspec

from events.policies import Needs, Retry, RunOptions, Timeouts
from events.values import Value


class Part(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of definition parts: frozen, named fields, unknown fields refused."""


class Handler(Part, frozen=True, kw_only=True):
    """Steps that run when the step it belongs to fails for good with one of `codes` (empty: any).

    The flow then goes on after the failed step, which stays failed: its `error` can be read, its
    `output` is null.
    """

    codes: tuple[str, ...] = ()
    steps: "tuple[Step, ...]" = ()


class BaseStep(Part, frozen=True, kw_only=True):
    """`depends_on` None means: after the previous step of the same list; `()` means: at once.

    `when` is a CEL condition; false skips the step and its output is null.
    """

    id: str
    depends_on: tuple[str, ...] | None = None
    when: str | None = None


class TaskStep(BaseStep, tag="task", frozen=True, kw_only=True):
    """Work for a node: task type `task` with `inputs` as its named parameters."""

    task: str
    inputs: dict[str, Value] = {}
    retry: Retry | None = None
    timeouts: Timeouts | None = None
    needs: Needs | None = None
    labels: dict[str, str] = {}
    """Labels that the node must carry."""
    on_error: tuple[Handler, ...] = ()


class SetStep(BaseStep, tag="set", frozen=True, kw_only=True):
    """Sets run variables, readable as `vars.<name>` afterwards; all values are read before any is
    set.
    """

    variables: dict[str, Value]


class Case(Part, frozen=True, kw_only=True):
    when: str
    steps: "tuple[Step, ...]" = ()


class ChoiceStep(BaseStep, tag="choice", frozen=True, kw_only=True):
    """Exclusive split: the first case whose condition holds, else `default` (always explicit)."""

    cases: tuple[Case, ...]
    default: "tuple[Step, ...]"


class ParallelStep(BaseStep, tag="parallel", frozen=True, kw_only=True):
    """All branches at the same time; done when each is done."""

    branches: "dict[str, tuple[Step, ...]]"


class FailStep(BaseStep, tag="fail", frozen=True, kw_only=True):
    """Ends the run as failed with this code and message (a template)."""

    code: str
    message: str = ""


class WaitStep(BaseStep, tag="wait", frozen=True, kw_only=True):
    """Waits for time or for a signal: exactly one of `duration`, `until` and `signal` is set.

    `duration`: seconds, or a template that gives seconds or a text such as "5m". `until`: an
    instant by RFC 3339, or a template that gives one; one that is past is met at once. `signal`:
    the name of a signal to this run; its data is the step's output. `correlation`: a template; only
    a signal with an equal correlation is taken (null: any). `timeout_s`: seconds after which the
    step fails with code `signal_timeout`.
    """

    duration: Value = None
    until: str = ""
    signal: str = ""
    correlation: Value = None
    timeout_s: float | None = None
    on_error: tuple[Handler, ...] = ()


ITERATIONS_MAX = 1_000
"""Of a loop that says nothing else."""


class WhileStep(BaseStep, tag="while", frozen=True, kw_only=True):
    """Repeats `steps` as long as `condition` holds, looked at before each iteration.

    The output of a loop is that of its last iteration. Needing more than `iterations_max`
    iterations is a failure with code `too_many_iterations`.
    """

    condition: str
    steps: "tuple[Step, ...]" = ()
    iterations_max: int = ITERATIONS_MAX
    on_error: tuple[Handler, ...] = ()


class UntilStep(BaseStep, tag="until", frozen=True, kw_only=True):
    """Repeats `steps` until `condition` holds, looked at after each iteration."""

    condition: str
    steps: "tuple[Step, ...]" = ()
    iterations_max: int = ITERATIONS_MAX
    on_error: tuple[Handler, ...] = ()


class ForEachStep(BaseStep, tag="for_each", frozen=True, kw_only=True):
    """Does `steps` for each of `items` (a template that gives a list), one after the other.

    Its output is the list of its iterations' outputs.
    """

    items: Value
    steps: "tuple[Step, ...]" = ()
    iterations_max: int = ITERATIONS_MAX
    on_error: tuple[Handler, ...] = ()


MAP_CONCURRENCY = 1_000
NO_NUMBER = 0.0
"""The same object wherever a map has none, since an encoder leaves out only that one: the version
of a workflow is by its bytes."""
"""Tasks of a map that says nothing else that are under way at the same time."""


class MapStep(BaseStep, tag="map", frozen=True, kw_only=True):
    """A task for each of `items` (a template that gives a list), many at the same time.

    `inputs` may read `iteration.item` and `iteration.index`. At most `concurrency` tasks are under
    way; with a `batch` none of the next so many items begins before those before it are over. Retry
    and timeouts are those of each task. Done as `complete_when` says: when all have completed;
    `any`, `count` or `percent` (`number` of them): when so many have; `fail_fast`: as all, but the
    first failure ends it; `collect`: when all are over, whatever became of them. The output is the
    list of the outputs, in the order of the items; an item that failed for good is `{"error": …}`.
    """

    items: Value
    task: str
    inputs: dict[str, Value] = {}
    concurrency: int = MAP_CONCURRENCY
    batch: int | None = None
    complete_when: Literal["all", "any", "count", "percent", "fail_fast", "collect"] = "all"
    number: float = NO_NUMBER
    retry: Retry | None = None
    timeouts: Timeouts | None = None
    needs: Needs | None = None
    labels: dict[str, str] = {}
    on_error: tuple[Handler, ...] = ()


class CallStep(BaseStep, tag="call", frozen=True, kw_only=True):
    """Runs another workflow as a run of its own, `version` of it or the newest one that is
    registered when the step is reached. `input` (a template) is that run's, and its output the
    step's. A child that fails is followed by another one as `retry` says.
    """

    workflow: str
    version: str = ""
    input: Value = None
    retry: Retry | None = None
    on_error: tuple[Handler, ...] = ()


class WithinStep(BaseStep, tag="within", frozen=True, kw_only=True):
    """Does `steps`, which are all to be over `timeout_s` seconds after the first of them could
    begin.

    Else what of them is under way is called back, the others do not begin, and the step fails with
    code `within_timeout`: that is what `on_error` is for, failures inside have handlers there.
    """

    timeout_s: float
    steps: "tuple[Step, ...]" = ()
    on_error: tuple[Handler, ...] = ()


LoopStep = WhileStep | UntilStep | ForEachStep
Step = (
    TaskStep
    | SetStep
    | ChoiceStep
    | ParallelStep
    | FailStep
    | WaitStep
    | LoopStep
    | MapStep
    | CallStep
    | WithinStep
)


class Update(Part, frozen=True, kw_only=True):
    """What a client may change while a run is open: `variables` are set when `accept` holds (empty:
    always). Both may read `update`, the request's data, beside all that is known by then.
    """

    accept: str = ""
    variables: dict[str, Value] = {}


class Definition(Part, frozen=True, kw_only=True):
    """A workflow. `output` None: the last steps' outputs (one: itself; several: by step id)."""

    name: str
    steps: tuple[Step, ...]
    description: str = ""
    output: Value = None
    options: RunOptions = RunOptions()
    updates: dict[str, Update] = {}
