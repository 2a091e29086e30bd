"""Bins: small, exact enough, and without seams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.insight.counting.bins import TIME_US_MAX, Times, bin_of, middle_of

times = st.integers(0, TIME_US_MAX)


@given(times)
def test_the_middle_of_a_bin_is_within_a_sixteenth(time_us: int) -> None:
    assert abs(middle_of(bin_of(time_us)) - time_us) <= time_us / 16


@given(times, times)
def test_bins_keep_the_order(one: int, other: int) -> None:
    assert (bin_of(one) <= bin_of(other)) == (one <= other) or bin_of(one) == bin_of(other)


def test_bins_have_no_seams_and_are_few() -> None:
    numbers = [bin_of(time_us) for time_us in range(5000)]
    assert sorted(set(numbers)) == list(range(max(numbers) + 1))
    assert bin_of(TIME_US_MAX) < 500


@given(st.lists(times, max_size=50), st.lists(times, max_size=50))
def test_parts_add_up_to_the_whole(some: list[int], others: list[int]) -> None:
    one, other, whole = Times(), Times(), Times()
    one.take(some)
    other.take(others)
    whole.take(some + others)
    one.add(other)
    assert one == whole
    assert one.count == len(some) + len(others)


def test_times_that_no_clock_gives_count_at_the_edge() -> None:
    found = Times()
    found.take([-5, 2**63])
    assert found.bins == {0: 1, bin_of(TIME_US_MAX): 1}
    assert found.max_us == TIME_US_MAX


@pytest.mark.parametrize(("percent", "expected"), [(50, 0.05), (90, 0.09), (99, 0.099), (100, 0.1)])
def test_percentiles(percent: int, expected: float) -> None:
    found = Times()
    found.take([n * 1000 for n in range(1, 101)])
    assert found.percentiles_s([percent]) == [pytest.approx(expected, rel=1 / 16)]
    assert found.mean_s == pytest.approx(0.0505)


def test_no_times_are_zeros() -> None:
    assert Times().percentiles_s([50, 99]) == [0.0, 0.0]
    assert Times().mean_s == 0.0
