"""Columns as binary arrays: one packed parameter each, whatever the number of rows.

Packed by hand because the driver would look at every element to choose a type, which is slower and
gives the same statement other parameter types (and so another preparation) from batch to batch.
The format is the server's `array_send`: dimensions, null flag, element type, length, lower bound,
then each element with its length in front.
"""

from collections.abc import Sequence
from itertools import chain, repeat
from struct import Struct, pack

from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

from orchestrator.adapters.postgres.translation import not_unicode

BYTEA, INT8, TEXT = 17, 20, 25
_HEADER = Struct("!iiIii")
_LENGTH = Struct("!i")
_INT8 = Struct("!iq")
_NULL = _LENGTH.pack(-1)


class Packed:
    """A parameter that is already in the server's binary form."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class TextArray(Packed):
    """A `text[]`."""


class Int8Array(Packed):
    """An `int8[]`."""


class ByteaArray(Packed):
    """A `bytea[]`."""


def texts(values: Sequence[str]) -> TextArray:
    """Raises `InvalidValue` for text that is not Unicode."""
    try:
        return TextArray(_pack_bytes(list(map(str.encode, values)), TEXT))
    except UnicodeEncodeError as error:
        raise not_unicode(error) from error


def byteas(values: Sequence[bytes]) -> ByteaArray:
    return ByteaArray(_pack_bytes(values, BYTEA))


def integers(values: Sequence[int]) -> Int8Array:
    return Int8Array(_header(len(values), INT8) + b"".join(map(_INT8.pack, repeat(8), values)))


def optional_integers(values: Sequence[int | None]) -> Int8Array:
    elements = (_NULL if value is None else _INT8.pack(8, value) for value in values)
    return Int8Array(_header(len(values), INT8, has_null=True) + b"".join(elements))


def _pack_bytes(values: Sequence[bytes], kind: int) -> bytes:
    """Without a step of the interpreter for each element: there are thousands in a batch."""
    lengths = map(_LENGTH.pack, map(len, values))
    parts = chain.from_iterable(zip(lengths, values, strict=True))
    return _header(len(values), kind) + b"".join(parts)


def _header(count: int, kind: int, has_null: bool = False) -> bytes:
    if count == 0:
        return pack("!iiI", 0, 0, kind)
    return _HEADER.pack(1, int(has_null), kind, count, 1)


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> Buffer | None:
        return obj.data


class _TextArrayDumper(_PackedDumper):
    oid = 1009


class _Int8ArrayDumper(_PackedDumper):
    oid = 1016


class _ByteaArrayDumper(_PackedDumper):
    oid = 1001


def register(adapters: AdaptersMap) -> None:
    """Teaches a connection to send packed parameters."""
    adapters.register_dumper(TextArray, _TextArrayDumper)
    adapters.register_dumper(Int8Array, _Int8ArrayDumper)
    adapters.register_dumper(ByteaArray, _ByteaArrayDumper)
