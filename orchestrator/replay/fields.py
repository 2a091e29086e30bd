"""Fields: where values of users are in a fact, by path, and facts with other values in their place.

A path is what the author and the users of a workflow see: `input.customer.email`, `inputs.to`,
`output.token`. What is a value of a user follows from the types of facts; names of the engine are
never one. Where a fact tells what a condition read, the path that it read is the path.
"""

from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

import msgspec

from events.catalogue import FACTS
from events.envelope import NAMESPACE, Header
from events.errors import Misconfigured
from events.facts import Fact
from events.personal import ANYTHING, TEXTS
from events.redaction import is_secret_name
from events.values import Value
from orchestrator.kernel.state import OPEN, TERMINAL
from orchestrator.replay.exchange.covering import stored_list

Path = tuple[str, ...]
ANY = "*"
READ = "values"
"""A field whose names are the paths that were read."""


class Field(msgspec.Struct, frozen=True):
    """The end of a path: `email`, `customer.email`, `*.email`."""

    parts: Path

    @property
    def text(self) -> str:
        return ".".join(self.parts)

    def fits(self, path: Path) -> bool:
        """Whether a value is at such a path."""
        end = path[len(path) - len(self.parts) :]
        return len(end) == len(self.parts) and all(
            part in {ANY, name} for part, name in zip(self.parts, end, strict=True)
        )


def field_of(text: str) -> Field:
    """Raises `Misconfigured`."""
    parts = tuple(text.split("."))
    if not all(parts) or set(parts) == {ANY}:
        raise Misconfigured(
            f"--redact {text!r} is no field: expected a name such as email, or the end of a path "
            "such as customer.email; * stands for any one name"
        )
    return Field(parts)


class Chosen:
    """The fields whose values are taken out: those that were asked for, and all with a secret's
    name."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._met: set[Field] = set()

    def has(self, path: Path) -> bool:
        found = [field for field in self._fields if field.fits(path)]
        self._met.update(found)
        return bool(found) or bool(path and is_secret_name(path[-1]))

    @property
    def unmet(self) -> list[str]:
        """Fields that nothing was at."""
        return [field.text for field in self._fields if field not in self._met]

    def within(self, value: Value, path: Path) -> Iterator[Value]:
        """The values in a value that are at such paths; what says where a stored list is, is none.
        O(size)."""
        if self.has(path):
            yield value
        elif stored_list(value) is not None:
            return
        elif isinstance(value, dict):
            for name, item in value.items():
                yield from self.within(item, (*path, name))
        elif isinstance(value, list):
            for item in value:
                yield from self.within(item, path)


class Rewriting(msgspec.Struct, frozen=True):
    """What becomes of a user's value, of a text of a user's, and of a text of ours."""

    value: Callable[[Value, Path], Value]
    text: Callable[[str], str]


def rewritten(fact: Fact, by: Rewriting) -> Value:
    """The fact's data as it is stored, with other values. O(size)."""
    return _Walk(by).struct(fact, msgspec.to_builtins(fact), ())


class _Walk:
    def __init__(self, by: Rewriting) -> None:
        self._by = by

    def struct(self, item: msgspec.Struct, plain: Value, path: Path) -> Value:
        if not isinstance(plain, dict):
            return plain
        kinds = _kinds(type(item))
        made: dict[str, Value] = {}
        for name, value in plain.items():
            kind = kinds.get(name)
            if kind is None:  # the tag
                made[name] = value
                continue
            inner = getattr(item, kind.attribute)
            made[name] = self.any(inner, value, kind.kind, (*path, name))
        return made

    def any(self, item: object, plain: Value, kind: object, path: Path) -> Value:
        if kind is ANYTHING:
            return self._by.value(plain, path)
        if isinstance(item, msgspec.Struct):
            return self.struct(item, plain, path)
        if isinstance(item, dict) and isinstance(plain, dict):
            inner = _inner(kind, dict)
            pairs = zip(item.values(), plain.items(), strict=True)
            return {
                self._by.text(name): self.any(one, value, inner, _below(path, name))
                for one, (name, value) in pairs
            }
        if isinstance(item, list | tuple) and isinstance(plain, list | tuple):
            inner = _inner(kind, type(item))
            return [
                self.any(one, value, inner, path) for one, value in zip(item, plain, strict=True)
            ]
        if isinstance(item, str) and isinstance(plain, str):
            return plain if _is_literal(kind) else self._by.text(plain)
        return plain


class _Kind(msgspec.Struct, frozen=True):
    attribute: str
    kind: object


@cache
def _kinds(struct: type[msgspec.Struct]) -> dict[str, _Kind]:
    """The fields of a struct by the names that they are stored under. Texts of users are values."""
    texts = TEXTS.get(struct, ())
    return {
        field.encode_name: _Kind(field.name, _as_value(field.type, field.name in texts))
        for field in msgspec.structs.fields(struct)
    }


def _as_value(kind: object, is_users: bool) -> object:
    """For a field of texts of users: the same, with values in place of what it ends in."""
    if not is_users:
        return kind
    origin = get_origin(kind)
    if origin is dict:
        return dict[str, ANYTHING]  # type: ignore[valid-type]
    if origin is tuple:
        return tuple[ANYTHING, ...]  # type: ignore[valid-type]
    return ANYTHING


def _below(path: Path, name: str) -> Path:
    """What a condition read is told by its whole path."""
    return tuple(name.split(".")) if path[-1:] == (READ,) else (*path, name)


def _inner(kind: object, container: type) -> object:
    """What is in a container of this kind."""
    if get_origin(kind) in (Union, UnionType):
        fitting = [one for one in get_args(kind) if get_origin(one) is container]
        return _inner(fitting[0], container) if fitting else None
    inner = [one for one in get_args(kind) if one not in (NoneType, Ellipsis)]
    return inner[-1] if inner else None


def _is_literal(kind: object) -> bool:
    """Whether it is one of a few words of ours."""
    if get_origin(kind) in (Union, UnionType):
        return any(map(_is_literal, get_args(kind)))
    return get_origin(kind) is Literal


@cache
def words() -> frozenset[str]:
    """All words of the engine's own that are in stored facts: a value that is one cannot be told
    from them."""
    found: set[str] = {*OPEN, *TERMINAL, NAMESPACE, "system"}
    seen: set[type] = set()
    _gather(Header, found, seen)
    for fact in FACTS:
        found.add(fact.TYPE)
        _gather(fact, found, seen)
    return frozenset(found)


def _gather(kind: object, found: set[str], seen: set[type]) -> None:
    if get_origin(kind) is Literal:
        found.update(map(str, get_args(kind)))
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            seen.add(kind)
            tag = kind.__struct_config__.tag
            found.update([tag] if isinstance(tag, str) else [])
            for field in msgspec.structs.fields(kind):
                found.add(field.encode_name)
                _gather(field.type, found, seen)
    else:
        for inner in get_args(kind):
            _gather(inner, found, seen)
