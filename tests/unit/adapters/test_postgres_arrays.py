"""Arrays as the server's own binary format has them."""

import psycopg
import pytest
from psycopg.adapt import Transformer
from psycopg.pq import Format

from orchestrator.adapters.postgres.arrays import (
    Packed,
    byteas,
    integers,
    optional_integers,
    register,
    texts,
)

CASES = [
    (texts(["a", "", "é𝄋", 'quo"te, {}']), ["a", "", "é𝄋", 'quo"te, {}'], 1009),
    (texts([]), [], 1009),
    (integers([0, -1, 2**63 - 1, -(2**63)]), [0, -1, 2**63 - 1, -(2**63)], 1016),
    (integers([]), [], 1016),
    (optional_integers([None, 5, None]), [None, 5, None], 1016),
    (optional_integers([]), [], 1016),
    (byteas([b"", b"\x00\xff"]), [b"", b"\x00\xff"], 1001),
]


@pytest.mark.parametrize(("packed", "values", "oid"), CASES)
def test_the_driver_reads_what_was_packed(packed: Packed, values: list[object], oid: int) -> None:
    loader = Transformer().get_loader(oid, Format.BINARY)
    assert loader.load(packed.data) == values


@pytest.mark.parametrize(("packed", "oid"), [(packed, oid) for packed, _, oid in CASES])
def test_a_connection_sends_it_as_it_is(packed: Packed, oid: int) -> None:
    transformer = Transformer()
    adapters = psycopg.adapt.AdaptersMap(psycopg.adapters)
    register(adapters)
    dumper = adapters.get_dumper(type(packed), psycopg.adapt.PyFormat.BINARY)
    assert dumper.oid == oid
    assert dumper(type(packed), transformer).dump(packed) == packed.data
