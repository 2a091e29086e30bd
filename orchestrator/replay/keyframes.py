"""Keyframes: states of a run at some versions, serialised, so that going back is cheap.

Going back is going forward from an earlier state. How far the states lie apart follows from what
each way costs: to fold events costs with their bytes, to restore a state with its own. So one is
kept when the events since the last one have outgrown the state: many of a loop whose state is
small, few of a map with ten thousand items. All together they have a bound; above it every other
one is let go, and those to come lie twice as far apart.

States that the run was restored to are kept whatever the bound: each is asked for again.
"""

from bisect import bisect_right, insort
from collections.abc import Set

from events.limits import KEYFRAMES_BYTES_MAX

TAIL_BYTES_MIN = 32 * 1024
"""Of events, below which the next state is not worth keeping."""


class Keyframes:
    """States by version. `pinned`: versions whose states are never let go."""

    def __init__(
        self, pinned: Set[int] = frozenset(), bytes_max: int = KEYFRAMES_BYTES_MAX
    ) -> None:
        self.pinned = pinned
        self.bytes = 0
        self._bytes_max = bytes_max
        self._apart = 1
        self._versions: list[int] = []
        self._states: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def apart(self, state_bytes: int) -> int:
        """After how many bytes of events a state is worth keeping, where the last one that is kept
        has so many bytes."""
        return self._apart * max(TAIL_BYTES_MIN, state_bytes)

    def keep(self, version: int, state: bytes) -> None:
        if version in self._states:
            return
        insort(self._versions, version)
        self._states[version] = state
        self.bytes += len(state)
        while self.bytes > self._bytes_max and self._thin():
            self._apart *= 2

    def before(self, version: int) -> tuple[int, bytes] | None:
        """The newest one at or below a version."""
        at = bisect_right(self._versions, version)
        return None if not at else (self._versions[at - 1], self._states[self._versions[at - 1]])

    def at(self, version: int) -> bytes | None:
        return self._states.get(version)

    def _thin(self) -> bool:
        """Lets every other one go; whether there was any."""
        loose = [version for version in self._versions if version not in self.pinned]
        for version in loose[::2]:
            self.bytes -= len(self._states.pop(version))
        self._versions = sorted(self._states)
        return bool(loose)
