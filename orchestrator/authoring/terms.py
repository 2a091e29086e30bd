"""Terms: expressions as Python objects, for the builder.

`flow.input.url` is a term; put into inputs, alone or in an f-string, it becomes `${ input.url }`.
Terms are compared and calculated with, `a.output.n > 3`, `x.output + y.output`, and combined by
`&`, `|`, `~`. The result is a longer term: a condition reads like Python and is CEL.
"""

import re
from typing import NoReturn, TypeAlias

import msgspec

from events.values import Value, admit

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_RESERVED = frozenset({"true", "false", "null", "in"})

Operand: TypeAlias = "Term | Value"


class Term:
    """An expression. Its attributes are its value's fields; functions on terms stand beside it."""

    __slots__ = ("_is_simple", "_source")

    def __init__(self, source: str, is_simple: bool = True) -> None:
        self._source = source
        self._is_simple = is_simple
        """No operator at the top, so that accesses may follow without brackets."""

    def __getattr__(self, name: str) -> "Term":
        if name.startswith("_"):
            raise AttributeError(f"{name}: write [{name!r}] for a field of that name")
        return self[name]

    def __getitem__(self, key: str | int) -> "Term":
        if isinstance(key, str) and _NAME.fullmatch(key) and key not in _RESERVED:
            return Term(f"{inner(self)}.{key}")
        return Term(f"{inner(self)}[{literal(key)}]")

    # Objects that have items but no end would otherwise be iterated over for ever.
    __iter__ = None
    __contains__ = None

    def __str__(self) -> str:
        return f"${{ {self._source} }}"

    def __repr__(self) -> str:
        return f"Term({self._source!r})"

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has a value only in a run: use `&`, `|` and `~` for and, or and not, and "
            "`flow.choice` for if"
        )

    __hash__ = object.__hash__

    def __eq__(self, other: Operand) -> "Term":  # type: ignore[override]
        return _binary(self, "==", other)

    def __ne__(self, other: Operand) -> "Term":  # type: ignore[override]
        return _binary(self, "!=", other)

    def __lt__(self, other: Operand) -> "Term":
        return _binary(self, "<", other)

    def __le__(self, other: Operand) -> "Term":
        return _binary(self, "<=", other)

    def __gt__(self, other: Operand) -> "Term":
        return _binary(self, ">", other)

    def __ge__(self, other: Operand) -> "Term":
        return _binary(self, ">=", other)

    def __and__(self, other: Operand) -> "Term":
        return _binary(self, "&&", other)

    def __or__(self, other: Operand) -> "Term":
        return _binary(self, "||", other)

    def __invert__(self) -> "Term":
        return Term(f"!{inner(self)}", is_simple=False)

    def __add__(self, other: Operand) -> "Term":
        return _binary(self, "+", other)

    def __radd__(self, other: Operand) -> "Term":
        return _binary(other, "+", self)

    def __sub__(self, other: Operand) -> "Term":
        return _binary(self, "-", other)

    def __rsub__(self, other: Operand) -> "Term":
        return _binary(other, "-", self)

    def __mul__(self, other: Operand) -> "Term":
        return _binary(self, "*", other)

    def __rmul__(self, other: Operand) -> "Term":
        return _binary(other, "*", self)

    def __truediv__(self, other: Operand) -> "Term":
        return _binary(self, "/", other)

    def __rtruediv__(self, other: Operand) -> "Term":
        return _binary(other, "/", self)

    def __mod__(self, other: Operand) -> "Term":
        return _binary(self, "%", other)


def source_of(term: Term) -> str:
    """The expression as text."""
    return term._source


def inner(operand: Operand) -> str:
    """The source of an operand, in brackets where an operator would tear it apart."""
    if not isinstance(operand, Term):
        return literal(operand)
    return operand._source if operand._is_simple else f"({operand._source})"


def literal(value: Value) -> str:
    """A constant as the expression language writes it; raises `InvalidValue`."""
    return msgspec.json.encode(admit(value, "the constant")).decode()


def call(function: str, *arguments: Operand) -> Term:
    """A call of one of the expression language's functions, `call("size", flow.input.files)`."""
    sources = (source_of(a) if isinstance(a, Term) else literal(a) for a in arguments)
    return Term(f"{function}({', '.join(sources)})")


def has(field: Term) -> Term:
    """Whether the field is there."""
    return call("has", field)


def size(value: Term) -> Term:
    """The length of a text, list or object."""
    return call("size", value)


def is_in(item: Operand, collection: Operand) -> Term:
    """Whether a list has the item, or an object the key."""
    return _binary(item, "in", collection)


def _binary(left: Operand, operator: str, right: Operand) -> Term:
    return Term(f"{inner(left)} {operator} {inner(right)}", is_simple=False)


def plain(value: object) -> Value:
    """`value` with terms as texts `${ … }`; raises `InvalidValue` for what is no JSON."""
    return admit(_with_texts(value))


def _with_texts(value: object) -> object:
    match value:
        case Term():
            return str(value)
        case dict():
            return {key: _with_texts(item) for key, item in value.items()}
        case list() | tuple():
            return [_with_texts(item) for item in value]
        case _:
            return value
