"""Naming: the stored values that an event names by their hash."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from events.facts import Fact, Flow
from events.references import HASH, MARK
from events.run_facts import MapPartCompleted

QUOTED_HASH = re.compile(rb'"([0-9a-f]{64})"')
SIGNS = (b'"$ref"', b'"chunks"', b'"hash"')
"""One of these is in the bytes of every event that names a stored value."""


def named(state: bytes, fact: Fact) -> list[str]:
    """The hashes that an event, its stored bytes and its fact, names; each once, in order."""
    if not any(sign in state for sign in SIGNS):
        return []
    found = [*_of_map(fact), *_of_references(msgspec.to_builtins(fact))]
    return list(dict.fromkeys(hash_ for hash_ in found if HASH.fullmatch(hash_)))


def perhaps_named(state: bytes) -> list[str]:
    """Everything in a stored state that has the form of such a hash: all that it names, and perhaps
    more."""
    return list(dict.fromkeys(found.decode() for found in QUOTED_HASH.findall(state)))


def _of_map(fact: Fact) -> Iterator[str]:
    """Items that a map goes through, and results that a part of one has stored."""
    flow = getattr(fact, "flow", None)
    if isinstance(flow, Flow):
        for mapped in flow.maps:
            yield from mapped.cut.chunks if mapped.cut is not None else ()
    if isinstance(fact, MapPartCompleted):
        yield fact.result.hash


def _of_references(value: object) -> Iterator[str]:
    """Those of references anywhere in a value."""
    if isinstance(value, dict):
        if value.get(MARK) == "list":
            yield from _of_chunks(value.get("chunks"))
        for inner in value.values():
            yield from _of_references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _of_references(inner)


def _of_chunks(chunks: object) -> Iterator[str]:
    for chunk in chunks if isinstance(chunks, Iterable) else ():
        found = chunk.get("hash") if isinstance(chunk, dict) else None
        if isinstance(found, str):
            yield found
