"""Batches that fit."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from events.batches import pieces


def message(items: Sequence[bytes]) -> bytes:
    return b"[" + b"".join(items) + b"]"


@given(st.lists(st.binary(max_size=12)), st.integers(2, 40))
def test_pieces_hold_everything_in_order_and_fit_unless_one_item_alone_does_not(
    items: list[bytes], bytes_max: int
) -> None:
    made = pieces(items, message, bytes_max)
    assert b"".join(piece[1:-1] for piece in made) == b"".join(items)
    largest = max(map(len, items), default=0) + 2
    assert all(len(piece) <= max(bytes_max, largest) for piece in made)


def test_what_fits_stays_one_message() -> None:
    assert pieces([b"a", b"b"], message, 4) == [b"[ab]"]


def test_nothing_is_one_empty_message() -> None:
    assert pieces([], message, 1) == [b"[]"]
