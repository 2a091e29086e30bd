"""Bytes: one codec, and errors that name what was read."""

import msgspec
import pytest

from events.codec import decode, digest, encode
from events.errors import Corrupt
from events.facts import Failure
from events.run_facts import RunFailed


def test_defaults_are_not_stored_and_order_is_that_of_the_fields() -> None:
    fact = RunFailed(step="s", failure=Failure(message="m", code="c"))
    assert encode(fact) == b'{"failure":{"code":"c","message":"m"},"step":"s"}'


def test_objects_keep_the_order_in_which_they_were_built() -> None:
    assert encode({"b": 1, "a": 2}) == b'{"b":1,"a":2}'
    assert list(decode(b'{"b":1,"a":2}', dict)) == ["b", "a"]


def test_unknown_fields_of_a_newer_writer_are_passed_over() -> None:
    assert decode(b'{"code":"x","colour":"red"}', Failure) == Failure(code="x")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"code":"\xff"}',
        b'{"code":"\\ud800"}',
        b'{"code":1}',
        b'{"message":"no code"}',
        b'{"code":"x"} more',
        b'{"code":"x","details":' + b"[" * 100_000,
        b'{"code":"x","details":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"code":"x","details":1e999}',
        b'{"code":"x","details":NaN}',
        b'{"code":"x","details":' + b"1" * 5000 + b"}",
    ],
)
def test_bytes_that_are_not_what_they_should_be_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match="the failure cannot be read as Failure"):
        decode(data, Failure, "the failure")


def test_raw_bytes_can_be_decoded_later() -> None:
    raw = msgspec.Raw(b'{"code":"x"}')
    assert decode(raw, Failure) == Failure(code="x")


def test_a_digest_is_43_characters_that_fit_in_a_url() -> None:
    assert digest(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert len({digest(bytes([n])) for n in range(256)}) == 256
