"""Templates: JSON values whose texts may hold `${ expression }`.

A text that is one expression and nothing else keeps the value's type; embedded expressions are put
into the text (null is empty, numbers and booleans as JSON, lists and objects as compact JSON).
`$${` stands for a literal `${`. Keys of objects are never expressions.

An expression that is only a path, `steps.list.output.files[0].name`, is resolved here without the
engine: it is by far the most frequent one and thousands of tasks a second pass through it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from events.values import Value
from orchestrator.kernel.expressions import (
    Expressions,
    InvalidExpression,
    PathMissing,
    Resolve,
    consult,
    describe,
)

_STEP = r"""\.\s*[A-Za-z_]\w*|\[\s*(?:\d{1,9}|"[^"\\]*"|'[^'\\]*')\s*\]"""
_PATH = re.compile(rf"[A-Za-z_]\w*(?:\s*(?:{_STEP}))*", re.ASCII)
_ACCESS = re.compile(rf"^\s*[A-Za-z_]\w*|{_STEP}", re.ASCII)
_STRING = re.compile(
    r"""(?:[rR]('''|\"\"\"|'|")(?:(?!\1).)*\1)|(?:('''|\"\"\"|'|")(?:\\.|(?!\2).)*\2)""",
    re.DOTALL,
)
_UNCLOSED = "`${` without its `}` (or a quote left open); a literal `${` is written `$${`"
_LITERALS = frozenset({"true", "false", "null"})

_to_json = msgspec.json.Encoder().encode


class Node(Protocol):
    """A compiled piece of a template."""

    def render(self, resolve: Resolve, expressions: Expressions) -> Value: ...

    def sources(self) -> Iterator[str]:
        """The expressions inside."""
        ...


class Template:
    """A parsed template; immutable, and owned by whoever parsed it."""

    __slots__ = ("_node", "constant", "is_text")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.constant = isinstance(node, _Constant)
        """No expression inside: every rendering returns the same value."""
        self.is_text = isinstance(node, _Text)
        """Expressions put into a text: rendering returns some text."""

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        """The value with every expression replaced; raises `ExpressionFailed`."""
        return self._node.render(resolve, expressions)

    @property
    def sources(self) -> tuple[str, ...]:
        """The expressions inside, as written between `${` and `}`."""
        return tuple(self._node.sources())

    def paths(self, expressions: Expressions) -> tuple[str, ...]:
        """The dotted paths that rendering reads; raises `InvalidExpression`."""
        found: dict[str, None] = {}
        for source in self._node.sources():
            path = _parse_path(source)
            found.update(dict.fromkeys([path.base] if path else expressions.paths(source)))
        return tuple(found)


def compile_template(value: Value) -> Template:
    """Returns `value` parsed. Raises `InvalidExpression` for `${` without its `}` or with nothing
    inside; what stands between is left to the engine.
    """
    return Template(_compile(value))


class _Constant(msgspec.Struct, frozen=True):
    value: Value

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        return self.value

    def sources(self) -> Iterator[str]:
        return iter(())


class _Path(msgspec.Struct, frozen=True):
    """`base` is asked of the resolver; `rest` are the accesses after the first list index."""

    source: str
    base: str
    rest: tuple[str | int, ...]

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        value = resolve(self.base)
        return self._inside(value) if self.rest else value

    def _inside(self, value: Value) -> Value:
        for access in self.rest:
            match value, access:
                case dict(), str() if access in value:
                    value = value[access]
                case list(), int() if access < len(value):
                    value = value[access]
                case _:
                    message = f"`{self.source}` is not there: no {access!r} in {describe(value)}"
                    raise PathMissing(self.source, message)
        return value

    def sources(self) -> Iterator[str]:
        yield self.source


class _Expression(msgspec.Struct, frozen=True):
    source: str

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        return consult(self.source, expressions, resolve)[0]

    def sources(self) -> Iterator[str]:
        yield self.source


class _Text(msgspec.Struct, frozen=True):
    parts: tuple[Node, ...]

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        return "".join(_text(part.render(resolve, expressions)) for part in self.parts)

    def sources(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.sources()


class _List(msgspec.Struct, frozen=True):
    items: tuple[Node, ...]

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        return [item.render(resolve, expressions) for item in self.items]

    def sources(self) -> Iterator[str]:
        for item in self.items:
            yield from item.sources()


class _Object(msgspec.Struct, frozen=True):
    items: dict[str, Node]

    def render(self, resolve: Resolve, expressions: Expressions) -> Value:
        return {key: item.render(resolve, expressions) for key, item in self.items.items()}

    def sources(self) -> Iterator[str]:
        for item in self.items.values():
            yield from item.sources()


def _compile(value: Value) -> Node:
    match value:
        case str() if "${" in value:
            return _compile_text(value)
        case list():
            items = tuple(_compile(item) for item in value)
            return _Constant(value) if _all_constant(items) else _List(items)
        case dict():
            nodes = {key: _compile(item) for key, item in value.items()}
            return _Constant(value) if _all_constant(nodes.values()) else _Object(nodes)
        case _:
            return _Constant(value)


def _all_constant(nodes: Iterable[Node]) -> bool:
    return all(isinstance(node, _Constant) for node in nodes)


def _compile_text(text: str) -> Node:
    parts: list[Node] = []
    literal = ""
    at = 0
    while (found := text.find("${", at)) >= 0:
        if found > at and text[found - 1] == "$":
            literal += text[at : found - 1] + "${"
            at = found + 2
            continue
        literal += text[at:found]
        if literal:
            parts.append(_Constant(literal))
            literal = ""
        end = _closing(text, found + 2)
        parts.append(_compile_expression(text, found + 2, end))
        at = end + 1
    literal += text[at:]
    if literal:
        parts.append(_Constant(literal))
    return parts[0] if len(parts) == 1 else _Text(tuple(parts))


def _closing(text: str, at: int) -> int:
    """The place of the `}` that ends the expression which begins at `at`."""
    depth = 0
    position = at
    while position < len(text):
        char = text[position]
        if char in "rR'\"" and (string := _STRING.match(text, position)):
            position = string.end()
            continue
        if char == "}" and depth == 0:
            return position
        depth += (char == "{") - (char == "}")
        position += 1
    raise _invalid(_UNCLOSED, text, at - 2)


def _compile_expression(text: str, start: int, end: int) -> Node:
    source = text[start:end].strip()
    if not source:
        raise _invalid("`${ }` without an expression", text, start - 2)
    return _parse_path(source) or _Expression(source)


def _parse_path(source: str) -> _Path | None:
    """`source` as a path, None when it is more than that."""
    if not _PATH.fullmatch(source) or source in _LITERALS:
        return None
    accesses = [_access(found) for found in _ACCESS.findall(source)]
    dotted: list[str] = []
    for access in accesses:
        if isinstance(access, int) or not access or "." in access:
            break
        dotted.append(access)
    return _Path(source, ".".join(dotted), tuple(accesses[len(dotted) :]))


def _access(text: str) -> str | int:
    text = text.strip()
    if text[0] != "[":
        return text.removeprefix(".").strip()
    inner = text[1:-1].strip()
    return int(inner) if inner.isdigit() else inner[1:-1]


def _text(value: Value) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return _to_json(value).decode()


def _invalid(reason: str, text: str, at: int) -> InvalidExpression:
    line = text.count("\n", 0, at) + 1
    return InvalidExpression(reason, text, line, at - text.rfind("\n", 0, at))
