"""Acknowledging reports in order: a delivery may be acknowledged once all before it are done.

Acknowledging one acknowledges everything before it on its shard, so a report that still waits for
its commit must hold back the later ones.
"""

from collections import deque

import msgspec

from orchestrator.coordinator.ports import ReportDelivery


class Waiting(msgspec.Struct):
    delivery: ReportDelivery
    left: int


class Acks:
    def __init__(self) -> None:
        self._queues: dict[int, deque[Waiting]] = {}
        self._waiting: dict[tuple[int, int], Waiting] = {}

    def track(self, delivery: ReportDelivery) -> bool:
        """Notes a delivery with its reports; false when it is being worked on already."""
        key = (delivery.shard, delivery.sequence)
        if key in self._waiting:
            return False
        waiting = Waiting(delivery, len(delivery.reports.reports))
        self._waiting[key] = waiting
        self._queues.setdefault(delivery.shard, deque()).append(waiting)
        return True

    def done(self, delivery: ReportDelivery) -> None:
        """One report of the delivery is recorded or discarded; one of a delivery that was forgotten
        says nothing of the same when it has come again."""
        waiting = self._waiting.get((delivery.shard, delivery.sequence))
        if waiting is not None and waiting.delivery is delivery:
            waiting.left -= 1

    def ready(self) -> tuple[ReportDelivery, ...]:
        """The last delivery of each shard that, with all before it, is done; they are forgotten."""
        last: list[ReportDelivery] = []
        for queue in self._queues.values():
            found = None
            while queue and queue[0].left <= 0:
                found = queue.popleft().delivery
                del self._waiting[found.shard, found.sequence]
            if found is not None:
                last.append(found)
        return tuple(last)

    def forget(self, shard: int) -> None:
        """The shard is no longer ours: its deliveries will come again to its owner."""
        for waiting in self._queues.pop(shard, ()):
            del self._waiting[waiting.delivery.shard, waiting.delivery.sequence]
