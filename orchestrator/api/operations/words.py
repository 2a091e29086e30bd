"""Types of what operations are asked with: each says what is accepted, with an example."""

from typing import Annotated, Literal

from msgspec import Meta

from events.limits import API_PAGE_MAX, NAME_CHARS_MAX

PRINTABLE = r"^[^\u0000-\u001f\u007f]+$"
PRINTABLE_OR_EMPTY = r"^[^\u0000-\u001f\u007f]*$"
INSTANT_MAX = 2**62
VERSION_MAX = 2**53 - 1

RunId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=PRINTABLE,
        description="Id of a run.",
        examples=["01m7yf4vgw1tqq5ay37h9hvpzk"],
    ),
]
WorkflowName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=PRINTABLE,
        description="Name of a workflow.",
        examples=["greet"],
    ),
]
WorkflowFilter = Annotated[
    str,
    Meta(
        max_length=NAME_CHARS_MAX,
        pattern=PRINTABLE_OR_EMPTY,
        description="Only of this workflow.",
        examples=["greet"],
    ),
]
VersionName = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[0-9a-f]*$",
        description="A workflow version, or its first characters; the newest one when left out.",
        examples=["4be91d1c"],
    ),
]
RunStatus = Literal[
    "",
    "pending",
    "running",
    "waiting",
    "paused",
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "compensated",
    "compensation_failed",
]
Status = Annotated[RunStatus, Meta(description="Only runs of this status.", examples=["running"])]
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
        examples=[1_767_312_000_000_000],
    ),
]
Limit = Annotated[
    int,
    Meta(ge=1, le=API_PAGE_MAX, description="Most items of a page.", examples=[20]),
]
CURSOR = r"^[A-Za-z0-9_-]*$"
Cursor = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=CURSOR,
        description="The `next` of the page before; the first page when left out.",
        examples=["WzE3NjcyMjU2MDAsIm5pZ2h0bHktMTciXQ"],
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
After = Annotated[
    int,
    Meta(
        ge=0,
        le=VERSION_MAX,
        description="Only events after this version.",
        examples=[12],
    ),
]
Position = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=r"^([A-Za-z0-9_-]{1,64}:)?[0-9]{1,15}(,[A-Za-z0-9_-]{1,64}:[0-9]{1,15})*$|^$",
        description="Only what comes after this position of the log (of several logs "
        "`east:1200,west:80`); what comes from now on when left out.",
        examples=["1200"],
    ),
]
Pattern = Annotated[
    str,
    Meta(
        max_length=NAME_CHARS_MAX,
        pattern=PRINTABLE_OR_EMPTY,
        description="Only events whose type is this; `*` stands for anything.",
        examples=["task.*"],
    ),
]
LastEventId = Annotated[
    str,
    Meta(
        max_length=1_000,
        pattern=r"^[ -~]*$",
        description="The `id` of the last event that was received: the feed goes on after it.",
        examples=["1200"],
    ),
]
