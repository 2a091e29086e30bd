"""What one report consumer has delivered: when may it be acknowledged, and with which message.

The coordinator finishes the reports of a shard in order, but each shard at its own pace, and one
acknowledgement at the server covers all before it, whatever the shard. So a
delivery counts as done when its shard says so, or when it cannot be decoded, and is acknowledged
once nothing before it is waiting.

Sequences that go out are those of the stream plus an offset that grows when the stream begins anew:
they never repeat, and a late word about deliveries from before touches nothing.
"""

from collections.abc import Mapping


class Acks:
    """Bounded by what the consumer lets be pending; every call costs time proportional to that."""

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}
        """Sequence to shard."""
        self._unacknowledged: dict[int, str] = {}
        """Sequence to the subject that awaits the acknowledgement; includes the waiting ones."""
        self._offset = 0
        self._last = 0

    def begin_anew(self) -> None:
        """The stream is another one, or another consumer reads it: forget what was delivered."""
        self._waiting.clear()
        self._unacknowledged.clear()
        self._offset = self._last

    def delivered(self, sequence: int, shard: int | None, reply: str) -> int:
        """Returns the sequence that goes out. `shard` None: unreadable, nobody will work on it."""
        known = self._offset + sequence
        self._last = max(self._last, known)
        self._unacknowledged[known] = reply
        if shard is not None:
            self._waiting[known] = shard
        return known

    def done(self, upto: Mapping[int, int]) -> str | None:
        """Shards are done up to these sequences. Returns the subject to acknowledge on, if any."""
        finished = [k for k, shard in self._waiting.items() if k <= upto.get(shard, -1)]
        for known in finished:
            del self._waiting[known]
        first = min(self._waiting, default=None)
        covered = [k for k in self._unacknowledged if first is None or k < first]
        subjects = {known: self._unacknowledged.pop(known) for known in covered}
        return subjects[max(subjects)] if subjects else None
