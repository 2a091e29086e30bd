"""Ids: sorted by time where minted, derived where they can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import ids
from events.codec import decode, encode
from events.ids import Attempt, mint, shard_of

ENTROPY = bytes(range(10))


def test_a_minted_id_is_26_characters_of_time_and_entropy() -> None:
    assert mint(1_700_000_000_000_000, ENTROPY) == "01HF7YAT00000G40R40M30E209"


@given(st.integers(0, 2**48 * 1000 - 1), st.integers(0, 2**48 * 1000 - 1), st.binary(min_size=10))
def test_ids_sort_by_time(one: int, other: int, entropy: bytes) -> None:
    first, second = mint(one, entropy), mint(other, entropy)
    assert (one // 1000 < other // 1000) == (first < second)
    assert set(first) <= set(ids.ALPHABET)
    assert len(first) == 26


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_entropy_tells_ids_of_one_instant_apart(one: bytes, other: bytes) -> None:
    assert (mint(5, one) == mint(5, other)) == (one == other)


def test_streams_are_named_after_their_aggregate() -> None:
    assert ids.run_stream("r") == "run:r"
    assert ids.node_stream("n") == "node:n"
    assert ids.definition_stream("w") == "definition:w"
    assert ids.shard_stream(3) == "shard:3"


@pytest.mark.parametrize(("run_id", "shard"), [("a", 3), ("run-1", 3), ("", 0), ("é", 14)])
def test_a_run_s_shard_is_stable_for_ever(run_id: str, shard: int) -> None:
    assert shard_of(run_id, 16) == shard


@given(st.text(), st.integers(1, 1024))
def test_a_shard_is_one_of_those_there_are(run_id: str, shards: int) -> None:
    assert 0 <= shard_of(run_id, shards) < shards


def test_an_attempt_is_its_task_key_and_number() -> None:
    attempt = Attempt("run", "p/step[3]", 1, 2)
    assert attempt.task_key == "run/p/step[3]~1"
    assert str(attempt) == "run/p/step[3]~1@2"
    assert encode(attempt) == b'["run","p/step[3]",1,2]'
    assert decode(encode(attempt), Attempt) == attempt


def test_attempts_can_be_keys_and_sort() -> None:
    attempts = [Attempt("r", "s", 0, number) for number in (3, 1, 2)]
    assert [one.number for one in sorted(attempts)] == [1, 2, 3]
    assert len({*attempts, Attempt("r", "s", 0, 1)}) == 3
