"""Types of the names and ids that operations are asked with: each says what is accepted, with an
example."""

from typing import Annotated

from msgspec import Meta

from events.limits import KEY_CHARS_MAX, NAME_CHARS_MAX, STEPS_NAMED_MAX

PRINTABLE = r"^[^\u0000-\u001f\u007f]+$"
PRINTABLE_OR_EMPTY = r"^[^\u0000-\u001f\u007f]*$"


def named(description: str, example: str) -> Meta:
    return Meta(
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=PRINTABLE,
        description=description,
        examples=[example],
    )


def name_or_none(description: str, example: str) -> Meta:
    return Meta(
        max_length=NAME_CHARS_MAX,
        pattern=PRINTABLE_OR_EMPTY,
        description=description,
        examples=[example],
    )


RunId = Annotated[str, named("Id of a run.", "01m7yf4vgw1tqq5ay37h9hvpzk")]
OtherRunId = Annotated[str, named("Id of the other run.", "nightly-18")]
RunFilter = Annotated[str, name_or_none("Only of this run.", "nightly-17")]
NewRunId = Annotated[
    str,
    name_or_none(
        "Id of the new run; the same again is the same run. One made of the idempotency key, or a "
        "fresh one, when left out.",
        "nightly-17b",
    ),
]
WORKFLOW = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
WORKFLOW_OR_NONE = r"^([A-Za-z_][A-Za-z0-9_.-]*)?$"


def identifier(description: str, example: str) -> Meta:
    return Meta(
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=WORKFLOW,
        description=description,
        examples=[example],
    )


def identifier_or_none(description: str, example: str) -> Meta:
    return Meta(
        max_length=NAME_CHARS_MAX,
        pattern=WORKFLOW_OR_NONE,
        description=description,
        examples=[example],
    )


WorkflowName = Annotated[str, identifier("Name of a workflow.", "greet")]
WorkflowFilter = Annotated[str, identifier_or_none("Only of this workflow.", "greet")]
StepName = Annotated[
    str,
    named("A step, with the iteration or item where it has one.", "parse[2]"),
]
SignalName = Annotated[
    str, identifier("Name of a signal, as the workflow waits for it.", "approval")
]
SignalOrNone = Annotated[
    str, identifier_or_none("The signal to send, for the action `signal`.", "approval")
]
UpdateName = Annotated[
    str, identifier("Name of an update that the workflow declares.", "set-limit")
]
NodeName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Name of a node.",
        examples=["agent-1"],
    ),
]
NodeOrNone = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="The node that gets it, and no other.",
        examples=["agent-2"],
    ),
]
OffNodes = Annotated[
    tuple[NodeName, ...],
    Meta(
        max_length=STEPS_NAMED_MAX,
        description="Nodes that do not get it; without `to` and these, any but the one it is on.",
        examples=[["agent-1"]],
    ),
]
Steps = Annotated[
    tuple[StepName, ...],
    Meta(
        max_length=STEPS_NAMED_MAX,
        description="Steps to run again; what has failed when left out.",
        examples=[["load", "parse[2]"]],
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
OtherVersion = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[0-9a-f]*$",
        description="A registered version of the workflow to go on with, where it is another one.",
        examples=["4be91d1c5d7e0f21a3b4"],
    ),
]
Aside = Annotated[
    bool,
    Meta(description="Only for runs that name its version, such as forks.", examples=[False]),
]
Code = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=r"^[^\s\u0000-\u001f\u007f]+$",
        description="What error handlers and retry policies look at.",
        examples=["declined"],
    ),
]
Build = Annotated[
    str,
    name_or_none(
        "Give its tasks only to nodes of this build; `pinned`: of whichever its first task gets.",
        "2026.11",
    ),
]
Subject = Annotated[
    str,
    name_or_none(
        "Whose personal values the run has: they are sealed, and can be erased together. A "
        "pseudonym, for it is not sealed itself.",
        "customer-4711",
    ),
]
ActionId = Annotated[
    str,
    name_or_none(
        "The same again is the same action. One made of the idempotency key, or a fresh one, when "
        "left out.",
        "01m7yf5b0c8wq2e9k3n4r6t8vx",
    ),
]
IdempotencyKey = Annotated[
    str,
    Meta(
        max_length=KEY_CHARS_MAX,
        pattern=r"^[!-~]*$",
        description="The same request with the same key is carried out once, and answered alike.",
        examples=["0f8fad5b-d9cb-469f-a165-70867728950e"],
    ),
]
Token = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2_000,
        pattern=r"^[!-~]+$",
        description="What a handler has made with `ctx.completion_token()`.",
        examples=["eyJhIjpbIm5pZ2h0bHktMTciLCJhcHByb3ZlIiwwLDFdfQ.c2lnbmVk"],
    ),
]
SnapshotId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2 * NAME_CHARS_MAX,
        pattern=PRINTABLE,
        description="Id of a snapshot.",
        examples=["nightly-17@12-manual"],
    ),
]
Hash = Annotated[
    str,
    Meta(
        min_length=64,
        max_length=64,
        pattern=r"^[0-9a-f]{64}$",
        description="Of a stored chunk.",
        examples=["a615eeaee21de5179de080de8c3052c8da901138406ba71c38c032845f7d54f4"],
    ),
]
