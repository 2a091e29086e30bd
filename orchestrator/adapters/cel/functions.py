"""Which functions an expression may call, and those that the engine lacks.

Only pure ones whose work and result are bounded by the size of what they are given: no `replace` or
`lists.range`, with which a short expression could fill the memory. The list only grows: definitions
in use depend on it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.adapters.cel.package import stdlib

NATIVE = frozenset(
    {"bytes", "contains", "double", "duration", "dyn", "endsWith", "has", "int", "matches"}
    | {"size", "startsWith", "string", "timestamp", "type", "uint"}
    | {"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"}
    | {"getMilliseconds", "getMinutes", "getMonth", "getSeconds"}
)
BORROWED = (
    *("indexOf", "join", "lowerAscii", "max", "min", "sort", "split", "substring", "sum", "trim"),
    *("upperAscii", "math.abs", "math.ceil", "math.floor", "math.greatest", "math.least"),
    "math.round",
)
ORDERED = "ordered__"
"""What the target of a loop is put through; no author's name, see `unknown`."""


def ordered(value: Any) -> Any:
    """An object's keys in order; anything else as it is."""
    return sorted(value) if isinstance(value, dict) else value


def extra_functions() -> Mapping[str, Callable[..., Any]]:
    """Functions beside the engine's own, by name."""
    borrowed: dict[str, Callable[..., Any]] = {
        name: stdlib.STDLIB_FUNCTIONS[name] for name in BORROWED
    }
    return {**borrowed, ORDERED: ordered}


def is_known(name: str) -> bool:
    return name in NATIVE or name in BORROWED
