"""Batches that fit: many small things travel in one message, but a message has a limit."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def pieces(
    items: Sequence[T], message: Callable[[Sequence[T]], bytes], bytes_max: int
) -> list[bytes]:
    """Returns `items` in order as messages of at most `bytes_max` bytes, halving until they fit.

    One item alone may be larger; what to do about it is the caller's business.
    """
    body = message(items)
    if len(body) <= bytes_max or len(items) <= 1:
        return [body]
    middle = len(items) // 2
    return [
        *pieces(items[:middle], message, bytes_max),
        *pieces(items[middle:], message, bytes_max),
    ]
