"""Differences between two states of a run, part by part.

Two states are compared part by part, and only what differs is looked into. Paths are those of the
state as JSON, `steps.parse[3].status`, `variables.total`; a name with a dot in it stands in
brackets, `timers["retry:a.b"]`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from events.codec import encode
from events.values import Value
from orchestrator.kernel.state import RunState

Kind = Literal["added", "removed", "changed"]
IN_EVERY_EVENT = frozenset({"version", "updated_at"})
PLAIN = re.compile(r"[^.\s\"]+")


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`before` and `after` are JSON values; null where there was, or is, nothing."""

    path: str
    kind: Kind
    before: Value = None
    after: Value = None


def changes(before: RunState, after: RunState) -> tuple[Change, ...]:
    """What differs, in the order of the state's fields; not the version and the instant, which
    each event changes. O(state)."""
    found = _of_structs("", before, after, skip=IN_EVERY_EVENT)
    return tuple(found)


def between(path: str, before: object, after: object) -> Iterator[Change]:
    """What differs between two values that are called `path`; nothing when they are equal as JSON.
    O(size), as far as it is asked."""
    if _differ(before, after):
        yield from _of(path, before, after)


def _of_structs(
    path: str, before: msgspec.Struct, after: msgspec.Struct, skip: frozenset[str] = frozenset()
) -> Iterator[Change]:
    for name in before.__struct_fields__:
        if name not in skip:
            old, new = getattr(before, name), getattr(after, name)
            if _differ(old, new):
                yield from _of(f"{path}.{name}" if path else name, old, new)


def _of(path: str, old: object, new: object) -> Iterator[Change]:
    """What differs between two parts that are not equal."""
    if isinstance(old, msgspec.Struct) and type(old) is type(new):
        yield from _of_structs(path, old, new)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _of_mappings(path, old, new)
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        yield from _of_lists(path, old, new)
    elif _is_nothing(old):
        yield Change(path=path, kind="added", after=_plain(new))
    elif _is_nothing(new):
        yield Change(path=path, kind="removed", before=_plain(old))
    else:
        yield Change(path=path, kind="changed", before=_plain(old), after=_plain(new))


def _of_mappings(
    path: str, old: Mapping[str, object], other: Mapping[str, object]
) -> Iterator[Change]:
    new = dict(other)  # one that watches who reads it is asked once
    for name, one in old.items():
        if name not in new:
            yield Change(path=_below(path, name), kind="removed", before=_plain(one))
        elif _differ(one, new[name]):
            yield from _of(_below(path, name), one, new[name])
    for name, one in new.items():
        if name not in old:
            yield Change(path=_below(path, name), kind="added", after=_plain(one))


def _of_lists(
    path: str, old: list[object] | tuple[object, ...], new: list[object] | tuple[object, ...]
) -> Iterator[Change]:
    for place in range(max(len(old), len(new))):
        there, here = place < len(old), place < len(new)
        below = f"{path}[{place}]"
        if not there:
            yield Change(path=below, kind="added", after=_plain(new[place]))
        elif not here:
            yield Change(path=below, kind="removed", before=_plain(old[place]))
        elif _differ(old[place], new[place]):
            yield from _of(below, old[place], new[place])


def _differ(old: object, new: object) -> bool:
    """As JSON: `true` is not 1 there, and neither is 1.0."""
    return old is not new and (old != new or encode(old) != encode(new))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if PLAIN.fullmatch(name) else f"{path}[{encode(name).decode()}]"


def _is_nothing(value: object) -> bool:
    return value is None or value == ""


def _plain(value: object) -> Value:
    plain: Value = msgspec.to_builtins(value)
    return plain
