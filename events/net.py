"""Net: the compiled, stored form of a definition that runs execute.

Steps are joined by arcs inside nested scopes. Execution is token flow: a step whose `join` is met
takes one token from each arc that it joined (`all`: every incoming arc, `any`: one of them), acts,
and puts one token on each chosen outgoing arc. A run keeps the net that it started with, so the
fields here are stored for ever; kinds may be added.

Ids: an authored step keeps its id, which is unique in the whole definition; steps that only the
compiler knows have a slash in theirs, `route/end`. The id of an instance inside a repeated scope
carries the iteration, `parse[3]`; where nothing repeats, id and path are one.
"""

from typing import Literal

import msgspec

from events.policies import Needs, Retry, Timeouts
from events.values import Value


class NetPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of net parts."""


class Start(NetPart, tag="start", frozen=True, kw_only=True):
    """Where a scope begins."""


class End(NetPart, tag="end", frozen=True, kw_only=True):
    """Where the scope is left; for the root scope the run completes with the net's `output`."""


class Task(NetPart, tag="task", frozen=True, kw_only=True):
    task: str
    inputs: dict[str, Value] = {}
    retry: Retry | None = None
    timeouts: Timeouts | None = None
    needs: Needs | None = None
    labels: dict[str, str] = {}


class Set(NetPart, tag="set", frozen=True, kw_only=True):
    variables: dict[str, Value]


class Choice(NetPart, tag="choice", frozen=True, kw_only=True):
    """Exclusive split: arcs of kind `conditional` in order, then the one of kind `default`.

    `skips`: arc → names of the steps that will not run when that arc is taken.
    """

    skips: dict[str, tuple[str, ...]] = {}


class Split(NetPart, tag="split", frozen=True, kw_only=True):
    """Parallel split: a token on every normal outgoing arc."""


class Join(NetPart, tag="join", frozen=True, kw_only=True):
    """Where branches meet; `closes` is the id of the split, choice or guarded task that it ends."""

    closes: str = ""


class Fail(NetPart, tag="fail", frozen=True, kw_only=True):
    code: str
    message: str = ""


class Wait(NetPart, tag="wait", frozen=True, kw_only=True):
    """Acts when its time has come or its signal arrives: exactly one of `duration`, `until` and
    `signal` is set.

    `duration`: seconds, or a template that gives them or a text such as "5m". `until`: an RFC 3339
    instant, or a template that gives one. `correlation`: a template; only a signal with an equal
    one is taken (null: any). `timeout_s`: when no signal has come by then, the step fails.
    """

    duration: Value = None
    until: str = ""
    signal: str = ""
    correlation: Value = None
    timeout_s: float | None = None


class Loop(NetPart, tag="loop", frozen=True, kw_only=True):
    """Repeats the scope that has this step's id, from its start to its end, one after the other.

    `when`: CEL; a `while` loop goes on as long as it holds before an iteration, an `until` loop
    until it holds after one. `items`: a template; a `for_each` loop has an iteration for each.
    `sinks`: as of a net, for one iteration.
    """

    kind: Literal["while", "until", "for_each"]
    iterations_max: int
    when: str = ""
    items: Value = None
    sinks: tuple[str, ...] = ()


class Map(NetPart, tag="map", frozen=True, kw_only=True):
    """Does `body` for each of `items` (a template), at most `concurrency` at the same time.

    The step has one instance, which counts; an item has one of its own, `scale[17]`, only while it
    is under way. `batch`: items of which all are over before the next ones begin (0: no such bar).
    `rule`: when it is done; `number`: how many, or how many per cent, of them must complete.
    """

    items: Value
    body: Task
    concurrency: int
    batch: int = 0
    rule: Literal["all", "any", "count", "percent", "fail_fast", "collect"] = "all"
    number: float = 0.0


class Call(NetPart, tag="call", frozen=True, kw_only=True):
    """Acts by a child run of `workflow`, in `version` or (empty) the newest one, having ended."""

    workflow: str
    version: str = ""
    input: Value = None
    retry: Retry | None = None


class Within(NetPart, tag="within", frozen=True, kw_only=True):
    """Enters the scope that has this step's id, all of which is to be over within `timeout_s` of
    that scope; a join that `closes` this step leaves it."""


Action = Start | End | Task | Set | Choice | Split | Join | Fail | Wait | Loop | Map | Call | Within


class NetStep(NetPart, frozen=True, kw_only=True):
    """`name` is what the author called it; empty for steps that only the compiler knows."""

    id: str
    action: Action
    name: str = ""
    scope: str = ""
    join: Literal["all", "any"] = "all"


class Arc(NetPart, frozen=True, kw_only=True):
    """`codes` limits an error arc to these error codes (empty: any). `when` is CEL."""

    id: str
    source: str
    target: str
    kind: Literal["normal", "conditional", "default", "error", "cancel", "compensation"] = "normal"
    when: str = ""
    codes: tuple[str, ...] = ()


class Scope(NetPart, frozen=True, kw_only=True):
    """A region with its own tokens, variables, timeout and handlers. The root scope has the id
    ``""``. One that `repeats` is there once for each iteration of the step that has its id.
    """

    id: str
    parent: str | None = None
    timeout_s: float | None = None
    repeats: bool = False


class Update(NetPart, frozen=True, kw_only=True):
    """What a client may change: `variables` (templates) are set when `accept` (CEL; empty: always)
    holds. Both may read `update`, the request's data."""

    accept: str = ""
    variables: dict[str, Value] = {}


class Net(NetPart, frozen=True, kw_only=True):
    """`output` is a template; null means the outputs of `sinks` (one: itself, several: by name)."""

    steps: tuple[NetStep, ...]
    arcs: tuple[Arc, ...]
    scopes: tuple[Scope, ...] = (Scope(id=""),)
    output: Value = None
    sinks: tuple[str, ...] = ()
    format: int = 1
    updates: dict[str, Update] = {}
