"""Base of facts, and the parts that several of them share.

A fact is what an event says: past tense, the *decided* delta with the values that were used, never
a rule to be applied again. `evolve` only writes it into the state, so a later fix in the decisions
cannot change an old history. Instants are integer microseconds since the epoch, UTC.
"""

from typing import ClassVar, Literal

import msgspec

from events.values import Value


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all facts. `TYPE` is the stored name, ours for ever: `<thing>.<past tense>.v<n>`."""

    TYPE: ClassVar[str]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the structures inside facts."""


class Failure(Part, frozen=True, kw_only=True):
    """Why something failed. `code` is what retry policies and error arcs look at."""

    code: str
    message: str = ""
    details: Value = None


class Enabled(Part, frozen=True, kw_only=True):
    """A task became ready, with its inputs as evaluated then and the instants its timeouts end."""

    step: str
    inputs: dict[str, Value] = {}
    start_due_at: int | None = None
    close_due_at: int | None = None


class Choice(Part, frozen=True, kw_only=True):
    """An exclusive split took `arc`, because of the values read (path → value)."""

    step: str
    arc: str
    when: str = ""
    values: dict[str, Value] = {}


class Waiting(Part, frozen=True, kw_only=True):
    """A step that waits was reached: until `due_at`, which an `absolute` one has from its author
    and any other from the instant it was reached; or for a signal of that name (and correlation,
    unless it is null), for which `due_at` is the end of patience.
    """

    step: str
    due_at: int | None = None
    absolute: bool = False
    signal: str = ""
    correlation: Value = None


class Looping(Part, frozen=True, kw_only=True):
    """A loop was reached; `items` are those of one that goes through a list."""

    step: str
    items: list[Value] | None = None


class Cut(Part, frozen=True, kw_only=True):
    """How a large map is cut into parts that are runs of their own.

    Part k begins with item `bounds[k]` and ends where the next one begins, the last with the
    `count`-th. Its items are those of the map's list, or the chunk `chunks[k]` (empty: null each),
    or, where there is neither, their numbers. `lanes` parts are under way at the same time;
    `values`: what an item is given beside itself, path → value; `inline_bytes_max`: bytes of the
    results that a part hands over as they are.
    """

    count: int
    bounds: tuple[int, ...]
    chunks: tuple[str, ...] = ()
    lanes: int = 1
    inline_bytes_max: int = 0
    values: dict[str, Value] = {}


class Mapped(Part, frozen=True, kw_only=True):
    """A map was reached, with its items, which may be `cut`. In the run of a part they are those
    from the `first` on, of which at most `share` are under way at the same time.
    """

    step: str
    items: list[Value] = []
    cut: Cut | None = None
    first: int = 0
    share: int = 0


class Moved(Part, frozen=True, kw_only=True):
    """How far a map is: so many of its items (or parts) have begun, so many bytes its results have,
    and so many the inputs of the items that are under way.
    """

    step: str
    cursor: int
    output_bytes: int = 0
    input_bytes: int = 0


class PartOf(Part, frozen=True, kw_only=True):
    """A run does a part of the map `step` of its parent, which has `count` items altogether. What
    they are given beside themselves was read there: `values`, path → value.
    """

    step: str
    count: int
    inline_bytes_max: int = 0
    values: dict[str, Value] = {}


class PartResult(Part, frozen=True, kw_only=True):
    """What became of a part of a map: how many items completed and failed, two bits each in `marks`
    as in the map's own; its results, as they are or under their `hash`, of so many `bytes`; and of
    the failures that of the item with the lowest number, `failed_at`.
    """

    completed: int = 0
    failed: int = 0
    marks: bytes = b""
    results: list[Value] | None = None
    hash: str = ""
    bytes: int = 0
    failure: Failure | None = None
    failed_at: int | None = None


class Called(Part, frozen=True, kw_only=True):
    """A step runs `workflow` as the child run `run_id`, its `attempt`-th. A part of a map has a
    `share`: so many of its items may be under way at the same time.
    """

    step: str
    run_id: str
    workflow: str
    workflow_version: str = ""
    input: Value = None
    attempt: int = 1
    share: int = 0


class Limited(Part, frozen=True, kw_only=True):
    """A group of steps was entered, all of which is to be over by `due_at`."""

    step: str
    due_at: int


class Stuck(Part, frozen=True, kw_only=True):
    """A step that was reached and could not act: an input that has no value, a `fail` step."""

    step: str
    failure: Failure


class Flow(Part, frozen=True, kw_only=True):
    """What moved: net changes of tokens per arc, tasks enabled, choices made, variables set.

    `entered` and `left` name the author's steps that began or ended without being a task of a node
    (a set enters and leaves at once; a parallel enters at its split and leaves at its join);
    `skipped` those that will not run. `stuck`, `ended` (the root scope was left), `loops`, `maps`
    and `turned` (loops of which an iteration is over, maps that begin more items or are done) are
    still to be decided on: by the next facts, or by those of a run that is forked from here. Steps
    are named as instances: inside loops with the number of the iteration, `parse[3]`, and so are
    arcs; an item of a map is named by its number in the same way.
    """

    tokens: dict[str, int] = {}
    enabled: tuple[Enabled, ...] = ()
    choices: tuple[Choice, ...] = ()
    variables: dict[str, Value] = {}
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    ended: bool = False
    waiting: tuple[Waiting, ...] = ()
    loops: tuple[Looping, ...] = ()
    turned: tuple[str, ...] = ()
    maps: tuple[Mapped, ...] = ()
    moved: tuple[Moved, ...] = ()
    calls: tuple[Called, ...] = ()
    limited: tuple[Limited, ...] = ()


class Usage(Part, frozen=True, kw_only=True):
    """Measured use of one attempt; None where the executor cannot tell."""

    wall_s: float = 0.0
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    input_bytes: int = 0
    output_bytes: int = 0


class HostSample(Part, frozen=True, kw_only=True):
    """A host as its agent saw it: cpu in 0..1 of all cores, memory in bytes, load over one minute.
    All 0: nobody looked.
    """

    cpu_share: float = 0.0
    memory_used_bytes: int = 0
    memory_total_bytes: int = 0
    load: float = 0.0


class Placement(Part, frozen=True, kw_only=True):
    """Why this node: how many were candidates, its score, what was excluded and why. `score`: the
    part of its credits times its `weight` that is free once it has the task. `others`: scores of
    the candidates that came next, a few of them.
    """

    candidates: int = 1
    score: float = 0.0
    excluded: dict[str, str] = {}
    weight: float = 1.0
    others: dict[str, float] = {}


Obstacle = Literal["no_node", "no_slot", "concurrency_cap", "timer", "signal"]
"""Why something is pending."""

LossReason = Literal["node_lost", "node_restarted", "node_reset", "refused", "recalled"]
"""How an attempt ended without a result: its node vanished, came back as a new incarnation without
it, lost its place in the cluster, would not take it, or gave it back when asked."""
