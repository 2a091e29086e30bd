"""Port of the expression engine, and how the kernel consults it.

An expression sees only the dotted paths that it reads (`input.items`, `steps.check.output.ok`,
`vars.n`, `run.id`): converting a whole context would cost more than any condition is worth. A path
that does not exist is simply not bound, so `has(input.x)` is false, a branch that is not taken may
name it, and reading it fails with the path's name.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from events.errors import Rejected
from events.values import Value

Resolve = Callable[[str], Value]
"""From a dotted path to its value; raises `ExpressionFailed` when there is none."""


class ExpressionFailed(Rejected):
    """An expression has no value: it divides by zero, mixes types, reads what is not there."""

    code = "expression_failed"


class PathMissing(ExpressionFailed):
    """The expression needed `path`, which does not exist."""

    def __init__(self, path: str, message: str = "") -> None:
        super().__init__(message or f"`{path}` is not there; guard it with has({path})")
        self.path = path


class InvalidExpression(ExpressionFailed):
    """The text is no expression. `line` and `column` count from 1, within the expression."""

    code = "invalid_expression"

    def __init__(self, reason: str, source: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{reason} at line {line}, column {column} of {source!r}")
        self.reason = reason
        self.source = source
        self.line = line
        self.column = column


class Expressions(Protocol):
    """An engine without clock, randomness or state: equal source and bindings, equal value."""

    def paths(self, source: str) -> tuple[str, ...]:
        """The dotted paths that `source` reads, in order of appearance; none lies inside another.

        Raises `InvalidExpression` when `source` does not compile or is over the engine's limits.
        """
        ...

    def evaluate(self, source: str, bindings: Mapping[str, Value]) -> Value:
        """The value of `source`, plain JSON with sorted keys.

        `bindings` holds the values of `paths(source)`; one that does not exist is left out.
        Raises `ExpressionFailed`, `PathMissing` for a path that was needed and left out.
        """
        ...


def consult(
    source: str, expressions: Expressions, resolve: Resolve
) -> tuple[Value, dict[str, Value]]:
    """Returns the value of `source` and the values that it could read, by path.

    Raises `ExpressionFailed`; for a missing path it is the error that `resolve` raised.
    """
    values: dict[str, Value] = {}
    absent: dict[str, ExpressionFailed] = {}
    for path in expressions.paths(source):
        try:
            values[path] = resolve(path)
        except ExpressionFailed as error:
            absent[path] = error
    try:
        return expressions.evaluate(source, values), values
    except PathMissing as error:
        raise absent.get(error.path, error) from error


def descend(value: Value, path: str, below: int = 1) -> Value:
    """Returns what lies in `value` at `path`, whose first `below` names led to `value`.

    Raises `PathMissing` naming the part that is missing and what is there instead.
    """
    names = path.split(".")
    for depth, name in enumerate(names[below:], start=below):
        if not isinstance(value, dict) or name not in value:
            raise PathMissing(path, _missing(".".join(names[:depth]), name, value))
        value = value[name]
    return value


KEYS_SHOWN = 8


def _missing(at: str, name: str, value: Value) -> str:
    if not isinstance(value, dict):
        return f"`{at}` has no `{name}`: it is {describe(value)}"
    keys = ", ".join(sorted(value)[:KEYS_SHOWN]) or "none"
    more = ", …" if len(value) > KEYS_SHOWN else ""
    return f"`{at}` has no `{name}`; its keys: {keys}{more}"


def describe(value: Value) -> str:
    """What kind of value this is, in words for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"
