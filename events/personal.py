"""Personal values: what users and their code say, taken out of a fact and put back.

A fact of a personal run is stored in two parts. Its structure (steps, attempts, times, flow) stays
as it is; each value that came from a user stands aside, in a list that is sealed with a data key,
and has a mark in its place. With the key the list opens and the fact is whole again. Once the key
is dropped every mark reads as `ERASED`, for ever and everywhere the same, and the fact still folds.

    {"step": "greet", "output": {"$sealed": 0}, …}   and, sealed: ["hello Ada"]

Marks say themselves what they are, so nothing has to be known of a fact's type to read it.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Union, get_args, get_origin

import msgspec

from events import values
from events.facts import Fact, Failure
from events.policies import RunOptions
from events.task_facts import Said
from events.values import Value

SEALED = "$sealed"
"""Marks a value by its number in the list."""

SAID = "$said"
"""The same for a text, where nothing but a text may stand."""

ANYTHING: object = vars(values)["Value"]
"""What a field of user values is annotated with."""

ERASED: Value = {"$erased": True}
ERASED_TEXT = "[erased]"

TEXTS: Mapping[type[msgspec.Struct], tuple[str, ...]] = {
    Failure: ("message",),
    Said: ("notes", "log"),
    RunOptions: ("tags", "attributes"),
}
"""Fields of texts that come from users. Names, codes and reasons are structure: they say what was
decided, and why."""

Take = Callable[[Value, list[Value]], Value]
"""Returns data with marks in place of the values, which it adds to the list."""


def taken_apart(fact: Fact) -> tuple[Value, list[Value]]:
    """The structure of a run's fact, and the values that stand aside. O(size)."""
    aside: list[Value] = []
    return _struct(type(fact))(msgspec.to_builtins(fact), aside), aside


def put_together(data: Value, aside: list[Value] | None) -> Value:
    """The fact's data again; None for values that were erased. Raises `LookupError` for a mark that
    has no value."""
    if isinstance(data, dict):
        for mark, erased in ((SEALED, ERASED), (SAID, ERASED_TEXT)):
            number = data.get(mark)
            if isinstance(number, int) and len(data) == 1:
                return erased if aside is None else aside[number]
        return {name: put_together(item, aside) for name, item in data.items()}
    if isinstance(data, list):
        return [put_together(item, aside) for item in data]
    return data


# -- what stands where, read from the types --------------------------------------------------------


def _value(data: Value, aside: list[Value]) -> Value:
    aside.append(data)
    return {SEALED: len(aside) - 1}


def _text(data: Value, aside: list[Value]) -> Value:
    aside.append(data)
    return {SAID: len(aside) - 1}


def _each(take: Take) -> Take:
    """The same for each of several, and for one."""

    def each(data: Value, aside: list[Value]) -> Value:
        if isinstance(data, dict):
            return {name: take(item, aside) for name, item in data.items()}
        if isinstance(data, (list, tuple)):
            return [take(item, aside) for item in data]
        return take(data, aside)

    return each


@cache
def _struct(kind: type[msgspec.Struct]) -> Take:
    """How an object of this type is taken apart."""
    texts = TEXTS.get(kind, ())
    takes: dict[str, Take] = {}
    for field in msgspec.structs.fields(kind):
        take = _each(_text) if field.name in texts else _of(field.type)
        if take is not None:
            takes[field.encode_name] = take

    def struct(data: Value, aside: list[Value]) -> Value:
        if not isinstance(data, dict):
            return data
        return {
            name: takes[name](item, aside) if name in takes else item for name, item in data.items()
        }

    return struct


def _of(kind: object) -> Take | None:
    """How what a field holds is taken apart; None for what is all structure."""
    if kind is ANYTHING:
        return _value
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind)
    inner = [one for one in get_args(kind) if one not in (NoneType, Ellipsis)]
    if not inner:
        return None
    if get_origin(kind) in (Union, UnionType):
        takes = [take for take in map(_of, inner) if take is not None]
        return _optional(takes[0]) if takes else None
    take = _of(inner[-1])  # of the items of a list or tuple, of the values of an object
    return None if take is None else _each(take)


def _optional(take: Take) -> Take:
    return lambda data, aside: None if data is None else take(data, aside)
