"""A cache that forgets what was not asked for lately, at the price of one look-up in a dict."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Two halves: what is new or asked for lives in the young one. When that has grown to its
    weight, it becomes the old one, and what the old one had is forgotten. Forgets only in
    `turn_over`, so whoever has just looked something up may rely on it until then.
    """

    def __init__(self, weight_max: int) -> None:
        self._weight_max = weight_max
        self._weight = 0
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        found = self._young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self._young[key] = found
            self._weight += 1
        return found

    def put(self, key: K, value: V) -> None:
        self._young[key] = value
        self._weight += 1

    def weigh(self, more: int) -> None:
        """What is kept has become heavier."""
        self._weight += more

    def drop(self, key: K) -> None:
        if self._young.pop(key, None) is None:
            self._old.pop(key, None)

    def clear(self) -> None:
        self._young, self._old, self._weight = {}, {}, 0

    def turn_over(self) -> None:
        if self._weight > self._weight_max:
            self._young, self._old, self._weight = {}, self._young, 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
