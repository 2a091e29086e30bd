"""Reports on their way: gathered for each shard, one message of a shard in flight at a time.

A shard whose message could not be handed over waits, longer each time; what gathers meanwhile goes
in the next message. Passing reports (started, progress) are kept only in their newest form and go
before final ones, so that an owner sees the last progress before the end.
"""

from collections.abc import Callable

from events.ids import Attempt
from events.limits import PUBLISHES_IN_FLIGHT_MAX, REPORT_MESSAGE_BYTES_MAX, REPORTS_PER_MESSAGE_MAX
from events.messages import Once, Progressed, Report, Returned, Started
from node_agent.outcomes import REPORT_OVERHEAD_BYTES

Passing = Started | Progressed | Once | Returned
PassingKey = tuple[type[Passing], Attempt, str]
"""The name is that of a value; what else passes is kept in its newest form only."""
Sized = tuple[Passing, int]
Lookup = Callable[[Attempt], tuple[Report, int] | None]
"""Gives the final report of an attempt and its size in bytes, or None when it is not wanted."""


class Parcel:
    """One message: passing reports, then final ones."""

    __slots__ = ("finals", "number", "passing", "shard")

    def __init__(self, number: int, shard: int) -> None:
        self.number = number
        self.shard = shard
        self.passing: dict[PassingKey, Sized] = {}
        self.finals: dict[Attempt, Report] = {}

    @property
    def count(self) -> int:
        return len(self.passing) + len(self.finals)

    @property
    def reports(self) -> tuple[Report, ...]:
        return (*(report for report, _ in self.passing.values()), *self.finals.values())


class _Shard:
    __slots__ = ("finals", "in_flight", "passing", "retry_at_us", "retry_delay_us", "single")

    def __init__(self) -> None:
        self.passing: dict[PassingKey, Sized] = {}
        self.finals: dict[Attempt, None] = {}
        self.in_flight = False
        self.retry_at_us = 0
        self.retry_delay_us = 0
        self.single = 0
        """How many reports go alone, because a message with all of them was too large."""

    @property
    def is_empty(self) -> bool:
        return not self.passing and not self.finals


class Outbox:
    def __init__(self, retry_first_us: int, retry_max_us: int) -> None:
        self._retry_first_us = retry_first_us
        self._retry_max_us = retry_max_us
        self._shards: dict[int, _Shard] = {}
        self._in_flight: dict[int, Parcel] = {}
        self._waiting: dict[int, None] = {}
        self._number = 0

    def add_final(self, shard: int, attempt: Attempt) -> None:
        self._open(shard).finals[attempt] = None

    def add_passing(self, shard: int, report: Passing, details_bytes: int = 0) -> None:
        size = details_bytes + REPORT_OVERHEAD_BYTES
        name = report.name if isinstance(report, Once) else ""
        self._open(shard).passing[type(report), report.attempt, name] = report, size

    def take(self, now_us: int, lookup: Lookup) -> list[Parcel]:
        """Returns the messages that may go now; each must be answered by `sent` or `failed`."""
        parcels: list[Parcel] = []
        for shard in list(self._waiting):
            if len(self._in_flight) >= PUBLISHES_IN_FLIGHT_MAX:
                break
            box = self._shards[shard]
            if box.in_flight or box.retry_at_us > now_us:
                continue
            parcel = self._fill(shard, box, lookup)
            self._waiting.pop(shard)
            if not box.is_empty:
                self._waiting[shard] = None
            if parcel.count:
                box.in_flight = True
                self._in_flight[parcel.number] = parcel
                parcels.append(parcel)
        return parcels

    def sent(self, number: int) -> tuple[Attempt, ...]:
        """The message arrived: returns the attempts whose final report was in it."""
        parcel = self._in_flight.pop(number, None)
        if parcel is None:
            return ()
        box = self._shards[parcel.shard]
        box.in_flight = False
        box.retry_delay_us = 0
        return tuple(parcel.finals)

    def failed(self, number: int, now_us: int) -> None:
        """The message may not have arrived: its reports wait at the head and go again."""
        parcel = self._in_flight.pop(number, None)
        if parcel is None:
            return
        box = self._put_back(parcel)
        box.retry_delay_us = min(
            max(self._retry_first_us, 2 * box.retry_delay_us), self._retry_max_us
        )
        box.retry_at_us = now_us + box.retry_delay_us

    def rejected(self, number: int) -> Attempt | None:
        """The message was too large: its reports go one by one. Returns whose final report was
        alone in it and so can never go; a passing one is given up.
        """
        parcel = self._in_flight.pop(number, None)
        if parcel is None:
            return None
        if parcel.count > 1:
            self._put_back(parcel).single += parcel.count
            return None
        self._shards[parcel.shard].in_flight = False
        return next(iter(parcel.finals), None)

    def next_us(self) -> int | None:
        """When a shard that waits after a failure may go again."""
        if len(self._in_flight) >= PUBLISHES_IN_FLIGHT_MAX:
            return None  # the answer to one of them comes first
        waits = (self._shards[shard] for shard in self._waiting)
        return min((box.retry_at_us for box in waits if not box.in_flight), default=None)

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._in_flight

    def clear(self) -> None:
        """Forgets everything; answers to messages in flight will be ignored."""
        self._shards.clear()
        self._in_flight.clear()
        self._waiting.clear()

    def _open(self, shard: int) -> _Shard:
        box = self._shards.get(shard)
        if box is None:
            box = self._shards[shard] = _Shard()
        self._waiting[shard] = None
        return box

    def _put_back(self, parcel: Parcel) -> _Shard:
        box = self._open(parcel.shard)
        box.in_flight = False
        box.passing = parcel.passing | box.passing
        box.finals = dict.fromkeys(parcel.finals) | box.finals
        return box

    def _fill(self, shard: int, box: _Shard, lookup: Lookup) -> Parcel:
        self._number += 1
        parcel = Parcel(self._number, shard)
        count_max = REPORTS_PER_MESSAGE_MAX
        if box.single:
            box.single -= 1
            count_max = 1
        room = REPORT_MESSAGE_BYTES_MAX
        while box.passing and room > 0 and parcel.count < count_max:
            key = next(iter(box.passing))
            parcel.passing[key] = sized = box.passing.pop(key)
            room -= sized[1]
        while box.finals and room > 0 and parcel.count < count_max:
            attempt = next(iter(box.finals))
            found = lookup(attempt)
            if found is not None:
                if parcel.count and found[1] > room:
                    break
                room -= found[1]
                parcel.finals[attempt] = found[0]
            del box.finals[attempt]
        return parcel
