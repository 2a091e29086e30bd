"""Bytes: one JSON codec for stored facts, wire messages and snapshots.

JSON because an operator can read a stored event in `psql` and any language can follow the stream.
Struct fields keep their order and objects keep the order in which they were built, so equal folds
give equal bytes in every process.
"""

from binascii import b2a_base64
from hashlib import sha256
from typing import TypeVar

import msgspec

from events.errors import Corrupt
from events.values import Value

T = TypeVar("T")

URL_SAFE = bytes.maketrans(b"+/", b"-_")

encode = msgspec.json.Encoder().encode


def decode(data: bytes | msgspec.Raw, kind: type[T], what: str = "message") -> T:
    """Returns `data` as a `kind`; raises `Corrupt` naming `what` when it is not one."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{what} cannot be read as {kind.__name__}: {error}") from error


def plain(value: object) -> Value:
    """A value of ours as JSON: structs as objects, tuples as lists. Nothing is shared with it."""
    found: Value = msgspec.json.decode(msgspec.json.encode(value))
    return found


def digest(data: bytes) -> str:
    """SHA-256 in 43 characters of URL-safe base 64."""
    text = b2a_base64(sha256(data).digest(), newline=False)
    return text.translate(URL_SAFE)[:43].decode()
