"""What one report consumer has delivered: when may it be acknowledged, and with which message.

The coordinator finishes the reports of a shard in order, but each shard at its own pace, and one
acknowledgement at the server covers all before it, whatever the shard. So a delivery counts as done
when its shard says so, or when it cannot be decoded, and is acknowledged once nothing before it is
waiting.

A consumer that vanished is declared again from the first delivery that was not acknowledged. Other
leases mean another consumer, which reads back in time for the sake of the new shards: what a shard
that was kept has finished is not handed out again.

Sequences that go out are those of the stream plus an offset that grows when the stream or the
consumer is another one: they never repeat, and a late word about deliveries from before touches
nothing.
"""

from collections.abc import Collection, Mapping


class Acks:
    """Bounded by what the consumer lets be pending; every call costs time proportional to that."""

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}
        """Sequence that went out, to shard."""
        self._unacknowledged: dict[int, str] = {}
        """Sequence to the subject that awaits the acknowledgement; includes the waiting ones."""
        self._finished: dict[int, int] = {}
        """Shard to the stream's sequence up to which it is done."""
        self._offset = 0
        self._last = 0

    def another_stream(self) -> None:
        """The stream begins anew: forget what the old one delivered."""
        self.another_consumer(())

    def another_consumer(self, kept: Collection[int]) -> None:
        """Other leases; those of the shards `kept` are the same as before."""
        self._waiting.clear()
        self._unacknowledged.clear()
        self._finished = {s: upto for s, upto in self._finished.items() if s in kept}
        self._offset = self._last

    def delivered(self, sequence: int, shard: int | None, reply: str) -> int | None:
        """Returns the sequence that goes out, None when nobody needs to work on it. `shard` None:
        unreadable."""
        known = self._offset + sequence
        self._last = max(self._last, known)
        self._unacknowledged[known] = reply
        if shard is None or sequence <= self._finished.get(shard, 0):
            return None
        self._waiting[known] = shard
        return known

    def done(self, upto: Mapping[int, int]) -> str | None:
        """Shards are done up to these sequences. Returns the subject to acknowledge on, if any."""
        for shard, known in upto.items():
            self._finished[shard] = max(self._finished.get(shard, 0), known - self._offset)
        for known in [k for k, shard in self._waiting.items() if k <= upto.get(shard, -1)]:
            del self._waiting[known]
        first = min(self._waiting, default=None)
        covered = [k for k in self._unacknowledged if first is None or k < first]
        subjects = {known: self._unacknowledged.pop(known) for known in covered}
        return subjects[max(subjects)] if subjects else None

    def resume_at(self) -> int | None:
        """The stream's sequence where a consumer in place of this one begins; None: not known."""
        if self._last == self._offset:
            return None
        return min(self._unacknowledged, default=self._last + 1) - self._offset
