"""Types of what else operations are asked with: each says what is accepted, with an example."""

from typing import Annotated, Literal

from msgspec import Meta

from events.limits import API_PAGE_MAX, CLIENT_WAIT_S_MAX, LABELS_ASKED_MAX, NAME_CHARS_MAX, Limits
from events.policies import Attribute
from events.values import Value
from orchestrator.api.operations.names import PRINTABLE

INSTANT_MAX = 2**53 - 1
VERSION_MAX = 2**53 - 1
LIMITS = Limits()

# -- texts and values ------------------------------------------------------------------------------

Reason = Annotated[
    str,
    Meta(
        max_length=LIMITS.description_chars_max,
        description="Why; kept in the history.",
        examples=["the price list was wrong"],
    ),
]
Message = Annotated[
    str,
    Meta(
        max_length=LIMITS.description_chars_max,
        description="What is said of the failure.",
        examples=["account closed"],
    ),
]
Expression = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LIMITS.expression_chars_max,
        description="A CEL expression.",
        examples=["variables.total"],
    ),
]
Where = Annotated[
    str,
    Meta(
        max_length=LIMITS.expression_chars_max,
        description="CEL over `event` (type, run, workflow, step, node, tags …) and its `data`.",
        examples=["data.attempt > 2"],
    ),
]
Source = Annotated[
    str,
    Meta(
        max_length=LIMITS.definition_bytes_max,
        description="The text of a workflow file, YAML or JSON; or give `definition`.",
        examples=["workflow: greet\nsteps:\n- id: compose\n  task: greet.compose\n"],
    ),
]
AuthoredForm = Annotated[
    dict[str, Value],
    Meta(
        description="The same as an object: what a workflow file holds; or give `source`.",
        examples=[{"workflow": "greet", "steps": [{"id": "compose", "task": "greet.compose"}]}],
    ),
]
Input = Annotated[Value, Meta(description="Input of the run.", examples=[{"name": "you"}])]
Data = Annotated[Value, Meta(description="Any JSON value.", examples=[{"approved": True}])]
Output = Annotated[Value, Meta(description="What it returns.", examples=["A-17"])]
Variables = Annotated[
    dict[str, Value],
    Meta(description="Variables that it begins with otherwise.", examples=[{"rate": 0.19}]),
]
Values = Annotated[
    list[Value],
    Meta(
        min_length=1,
        max_length=LIMITS.map_part_items_max,
        description="Values of a chunk.",
        examples=[[1, 2, 3]],
    ),
]
Tags = Annotated[
    dict[str, str],
    Meta(
        max_length=LIMITS.tags_max,
        description="To find the run by, beside those of its workflow.",
        examples=[{"team": "sales"}],
    ),
]
Attributes = Annotated[
    dict[str, Attribute],
    Meta(
        max_length=LIMITS.tags_max,
        description="The same with a type: truth values and numbers are what they are.",
        examples=[{"amount": 120}],
    ),
]
Notes = Annotated[
    dict[str, str],
    Meta(max_length=LIMITS.tags_max, description="Kept with it.", examples=[{"ticket": "OPS-17"}]),
]
Mode = Literal["resume", "rerun_failed", "rerun_all"]
RestoreModeName = Annotated[
    Mode,
    Meta(
        description="`resume` goes on from there; `rerun_failed` does again what had failed by then"
        " as well, `rerun_all` everything.",
        examples=["resume"],
    ),
]
Unsettled = Annotated[
    bool,
    Meta(
        description="Do it although nobody knows yet what became of a transaction of it.",
        examples=[False],
    ),
]
Everything = Annotated[bool, Meta(description="Run everything again.", examples=[False])]
Retryable = Annotated[
    bool, Meta(description="Whether its retry policy may try again.", examples=[True])
]
SnapshotKindFilter = Annotated[
    Literal["", "automatic", "manual", "recovery"],
    Meta(description="Only of this kind.", examples=["manual"]),
]

# -- runs ------------------------------------------------------------------------------------------

RunStatus = Literal[
    "",
    "pending",
    "running",
    "waiting",
    "paused",
    "compensating",
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "compensated",
    "compensation_failed",
]
Status = Annotated[RunStatus, Meta(description="Only runs of this status.", examples=["running"])]
TagConditions = Annotated[
    tuple[
        Annotated[
            str,
            Meta(max_length=2 * NAME_CHARS_MAX, pattern=r"^[^\u0000-\u001f\u007f=<>]+=[^\u0000]*$"),
        ],
        ...,
    ],
    Meta(
        max_length=LABELS_ASKED_MAX,
        description="Only runs with this tag, KEY=VALUE; several: with all of them.",
        examples=[["team=sales"]],
    ),
]
AttributeConditions = Annotated[
    tuple[
        Annotated[
            str,
            Meta(
                max_length=2 * NAME_CHARS_MAX,
                pattern=r"^[^\u0000-\u001f\u007f=<>]+(=[^\u0000]*|(<|>|<=|>=)-?[0-9]{1,15})$",
            ),
        ],
        ...,
    ],
    Meta(
        max_length=LABELS_ASKED_MAX,
        description="Only runs with this search attribute: KEY=VALUE, or a number's KEY>=VALUE, "
        "also > < <=; several: with all of them.",
        examples=[["amount>=100"]],
    ),
]
Since = Annotated[
    int,
    Meta(
        ge=0,
        le=INSTANT_MAX,
        description="Only what was at this instant or later, in microseconds since 1970, UTC.",
        examples=[1_767_225_600_000_000],
    ),
]
Until = Annotated[
    int,
    Meta(
        ge=0,
        le=INSTANT_MAX,
        description="Only what was before this instant, in microseconds since 1970, UTC; 0: now.",
        examples=[4_102_444_800_000_000],
    ),
]
Instant = Annotated[
    int,
    Meta(
        ge=1,
        le=INSTANT_MAX,
        description="An instant in microseconds since 1970, UTC.",
        examples=[1_767_225_600_000_000],
    ),
]
Version = Annotated[
    int,
    Meta(
        ge=1,
        le=VERSION_MAX,
        description="Version of a run: the number of an event in its stream, from 1.",
        examples=[12],
    ),
]
VersionOrFirst = Annotated[
    int,
    Meta(
        ge=0,
        le=VERSION_MAX,
        description="Version of a run: the number of an event in its stream; 0: before the first.",
        examples=[12],
    ),
]
VersionOrBest = Annotated[
    int,
    Meta(
        ge=0,
        le=VERSION_MAX,
        description="Version to begin from; 0: of an open run the last one, of one that failed the "
        "last one at which nothing had gone wrong.",
        examples=[12],
    ),
]
VersionOrLast = Annotated[
    int,
    Meta(
        ge=0,
        le=VERSION_MAX,
        description="Version of a run: the number of an event in its stream; 0: the last one.",
        examples=[12],
    ),
]
WaitS = Annotated[
    float,
    Meta(
        ge=0,
        le=CLIENT_WAIT_S_MAX,
        description="Seconds to wait for the end of the run before it is answered as it is then.",
        examples=[10.0],
    ),
]
DeadlineS = Annotated[
    float,
    Meta(
        ge=0,
        le=LIMITS.duration_s_max,
        description="Seconds after which what still runs there is cancelled, to begin elsewhere.",
        examples=[300.0],
    ),
]

# -- pages and positions ---------------------------------------------------------------------------

Limit = Annotated[
    int,
    Meta(ge=1, le=API_PAGE_MAX, description="Most items of a page.", examples=[20]),
]
Cursor = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="The `next` of the page before; the first page when left out.",
        examples=["WzE3NjcyMjU2MDAwMDAwMDAsIm5pZ2h0bHktMTciXQ"],
    ),
]
After = Annotated[
    int,
    Meta(ge=0, le=VERSION_MAX, description="Only events after this version.", examples=[12]),
]
POSITION = r"^$|^[0-9]{1,15}$|^[A-Za-z0-9_-]{1,64}:[0-9]{1,15}(,[A-Za-z0-9_-]{1,64}:[0-9]{1,15})*$"
Position = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=POSITION,
        description="Only what comes after this position of the log (of several logs "
        "`east:1200,west:80`); only what comes from now on when left out.",
        examples=["1200"],
    ),
]
PositionOrFirst = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=POSITION,
        description="Only what comes after this position of the log (of several logs "
        "`east:1200,west:80`); from the first event on when left out.",
        examples=["1200"],
    ),
]
LastEventId = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=POSITION,
        description="The `id` of the last message that was received: the feed goes on after it.",
        examples=["1200"],
    ),
]


def names(description: str, example: str) -> Meta:
    return Meta(max_length=100, description=description, examples=[[example]])


FilterName = Annotated[
    str, Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=PRINTABLE, examples=["run.started"])
]
Types = Annotated[
    tuple[FilterName, ...],
    names("Only events of these types, with or without version; `*` is anything.", "task.*"),
]
Runs = Annotated[tuple[FilterName, ...], names("Only of these runs.", "nightly-*")]
Workflows = Annotated[tuple[FilterName, ...], names("Only of runs of these workflows.", "greet")]
StepFilters = Annotated[
    tuple[FilterName, ...],
    names("Only of these steps, with or without the number of an iteration.", "parse"),
]
NodeFilters = Annotated[
    tuple[FilterName, ...], names("Only what names these nodes or comes from them.", "agent-1")
]
Correlations = Annotated[
    tuple[FilterName, ...], names("Only of these business transactions.", "order-4711")
]
Streams = Annotated[tuple[FilterName, ...], names("Only of streams that begin with this.", "run:")]
