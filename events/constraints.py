"""What single settings may be, and what they owe to each other: declared with the settings.

A field's type says the first, `slots: Count`; a tuple of rules beside the schema says the second.
`events.configuration` applies both, so that a process with a wrong setting never begins.
"""

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

T = TypeVar("T", bound=msgspec.Struct)

DURATION_S_MAX = 10 * 365 * 86_400.0
COUNT_MAX = 2**40
DEPTH_MAX = 100
SHARDS_MAX = 4096
_TEN_YEARS = "at most ten years in seconds"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"

Duration = Annotated[float, Meta(gt=0, le=DURATION_S_MAX, description=f"more than 0, {_TEN_YEARS}")]
Wait = Annotated[float, Meta(ge=0, le=DURATION_S_MAX, description=f"0 or more, {_TEN_YEARS}")]
Share = Annotated[float, Meta(gt=0, le=1, description="more than 0, at most 1")]
Factor = Annotated[float, Meta(gt=0, le=1e6, description="more than 0, at most a million")]
Count = Annotated[int, Meta(ge=1, le=COUNT_MAX, description="1 or more, at most 2^40")]
Amount = Annotated[int, Meta(ge=0, le=COUNT_MAX, description="0 or more, at most 2^40")]
Depth = Annotated[int, Meta(ge=1, le=DEPTH_MAX, description=f"1 to {DEPTH_MAX}")]
"""Of what is walked by recursion."""
Shards = Annotated[int, Meta(ge=1, le=SHARDS_MAX, description=f"1 to {SHARDS_MAX}")]
Name = Annotated[
    str,
    Meta(
        pattern=r"\A[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?\Z",
        description="1 to 200 printable characters without space around them",
    ),
]
Token = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9_-]{0,64}\Z",
        description="at most 64 letters, digits, `-` or `_`",
    ),
]
"""One part of a subject; empty is not given."""
Prefix = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}\Z",
        description="letters, digits, `-` or `_`, in at most eight parts with dots between",
    ),
]
Url = Annotated[
    str,
    Meta(pattern=rf"\A((nats|tls|ws|wss)://)?([^\s/]+@)?{_HOST}(:{_PORT})?/?\Z"),
]
Urls = Annotated[
    tuple[Url, ...],
    Meta(min_length=1, description="one or more of the form nats://host:port, ports 1 to 65535"),
]
Place = Annotated[str, Meta(min_length=1, max_length=4096)]
"""Of a file, a folder or a module."""
Folder = Annotated[Place, Meta(description="a path of 1 to 4096 characters")]
Places = Annotated[
    tuple[Place, ...],
    Meta(max_length=1000, description="at most 1000 names or paths of 1 to 4096 characters"),
]
Text = Annotated[str, Meta(max_length=200, description="at most 200 characters")]
Port = Annotated[int, Meta(ge=0, le=65535, description="0 to 65535")]
Hosts = Annotated[
    tuple[Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:\[\]-]{1,253}\Z")], ...],
    Meta(max_length=100, description="at most 100 names of hosts or addresses, without ports"),
]
Labels = Annotated[
    dict[Name, Text],
    Meta(max_length=64, description="at most 64, of 200 characters at most, none without a name"),
]


class Rule(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What the setting `name` must be, seen with `others`; `expected` as in a sentence after
    "expected"."""

    name: str
    holds: Callable[[T], bool]
    expected: str
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.others)


def bare(kind: object) -> object:
    """The type of a setting without its constraints and those of what it holds."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    holder = get_origin(kind)
    if holder in (tuple, list, dict):
        return holder[tuple(one if one is ... else bare(one) for one in get_args(kind))]
    return kind


def expectation(kind: object) -> str:
    """What a constrained type expects, in words; empty for a plain one."""
    metas = (one for one in get_args(kind)[1:] if isinstance(one, Meta))
    if get_origin(kind) is not Annotated:
        return ""
    return next((meta.description for meta in metas if meta.description), "")
