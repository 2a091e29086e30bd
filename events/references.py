"""References: lists that are too large for one value, kept in chunks by the hash of their bytes.

As a value a reference is an object, `{"$ref": "list", "count": …, "bytes": …, "chunks": […]}`. It
can be passed on like any other value, its `count` and `bytes` can be read, and a map can go through
it. A chunk is a list as JSON, stored under its hash before anything that is durable names it.
"""

import hashlib
import re

import msgspec

from events.codec import decode, encode
from events.errors import Corrupt, InvalidValue
from events.values import Value

MARK = "$ref"
HASH = re.compile(r"[0-9a-f]{64}")
"""The names of chunks: SHA-256, in hexadecimal digits."""

SHOWN_CHARS = 40
"""Of an offender that is itself too long."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So many values of a list, stored under `hash`; with none they are all null."""

    count: int
    hash: str = ""


class ListReference(msgspec.Struct, frozen=True, kw_only=True, tag_field=MARK, tag="list"):
    """`count` values in order, `bytes` of JSON together."""

    count: int
    bytes: int
    chunks: tuple[Chunk, ...]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and the hash that they are stored under."""

    hash: str
    data: bytes

    @classmethod
    def of(cls, data: bytes) -> "Payload":
        return cls(hash=hashlib.sha256(data).hexdigest(), data=data)


def checked(name: str, data: bytes) -> bytes:
    """`data` as it was stored under the hash `name`; raises `Corrupt` when it is not that."""
    if Payload.of(data).hash != name:
        raise Corrupt(f"payload {name} is damaged: its bytes have another hash")
    return data


def check_hash(name: str) -> None:
    """Raises `InvalidValue` for what no bytes can have been stored under."""
    if not HASH.fullmatch(name):
        raise InvalidValue(
            f"{name[:SHOWN_CHARS]!r} is no hash of a chunk: expected the 64 hexadecimal digits "
            "that were answered when it was stored"
        )


def as_value(reference: ListReference) -> Value:
    value: Value = decode(encode(reference), dict, "a reference")
    return value


def reference_of(value: Value) -> ListReference | None:
    """The reference that a value is, None for any other value; raises `InvalidValue` for one that
    contradicts itself."""
    if not isinstance(value, dict) or value.get(MARK) != "list":
        return None
    try:
        found = msgspec.convert(value, ListReference)
    except msgspec.ValidationError as error:
        raise InvalidValue(f"this is no reference to a list: {error}") from error
    if any(chunk.count < 1 for chunk in found.chunks):
        raise InvalidValue("a reference to a list has a chunk without values")
    for chunk in found.chunks:
        if chunk.hash:
            check_hash(chunk.hash)
    total = sum(chunk.count for chunk in found.chunks)
    if total != found.count:
        raise InvalidValue(
            f"a reference to a list has {found.count} values, its chunks have {total}"
        )
    return found
