"""Times in bins that grow with them: what percentiles are read from, in little space.

A bin is an eighth of a power of two, so a percentile is off by at most a sixteenth of itself, 6.25
per cent, whatever the scale; below 16 microseconds it is exact. Adding up bins of any parts gives
the bins of the whole, which is why they are kept and no percentiles.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

EXACT = 16
"""Below this each microsecond is a bin of its own."""
TIME_US_MAX = 2**62
"""Longer ones, which no clock gives, count as this."""


class Times(msgspec.Struct, omit_defaults=True):
    """Many times in microseconds: their sum, the longest, and how many are in each bin."""

    sum_us: int = 0
    max_us: int = 0
    bins: dict[int, int] = {}

    @property
    def count(self) -> int:
        return sum(self.bins.values())

    def take(self, times_us: Sequence[int]) -> None:
        """Adds times; those below zero, as clocks of two hosts give, count as zero."""
        if not times_us:
            return
        if min(times_us) < 0 or max(times_us) > TIME_US_MAX:
            times_us = [min(max(0, one), TIME_US_MAX) for one in times_us]
        longest = max(times_us)
        self.sum_us += sum(times_us)
        self.max_us = max(self.max_us, longest)
        self._bins(Counter(map(bin_of, times_us)))

    def add(self, other: "Times") -> None:
        self.sum_us += other.sum_us
        self.max_us = max(self.max_us, other.max_us)
        self._bins(other.bins)

    def _bins(self, more: Mapping[int, int]) -> None:
        bins = self.bins
        for number, count in more.items():
            bins[number] = bins.get(number, 0) + count

    def percentiles_s(self, percents: Iterable[float]) -> list[float]:
        """In seconds; the middle of the bin in which each lies. Zeros when there are no times."""
        return [self._percentile_us(percent, self.count) / 1e6 for percent in percents]

    def _percentile_us(self, percent: float, count: int) -> float:
        wanted, passed = percent / 100 * count, 0
        for number in sorted(self.bins):
            passed += self.bins[number]
            if passed >= wanted:
                return min(middle_of(number), self.max_us)
        return 0.0

    @property
    def mean_s(self) -> float:
        return self.sum_us / self.count / 1e6 if self.bins else 0.0


def bin_of(time_us: int) -> int:
    shift = time_us.bit_length() - 4
    return time_us if shift <= 0 else (shift << 3) + (time_us >> shift)


def middle_of(number: int) -> float:
    """The time in the middle of a bin, in microseconds."""
    if number < EXACT:
        return float(number)
    shift = (number >> 3) - 1
    return (((number & 7) | 8) << shift) + ((1 << shift) - 1) / 2
