"""Durations as people write them: read back, they are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kernel.durations import duration_text, seconds


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0.0, "0s"),
        (0.2, "200ms"),
        (0.0015, "1.5ms"),
        (1.5, "1.5s"),
        (90.0, "1m30s"),
        (600.0, "10m"),
        (5_400.0, "1h30m"),
        (172_800.0, "2d"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_a_duration_in_words(time_s: float, text: str) -> None:
    assert duration_text(time_s) == text


@given(st.floats(0, 1e9, allow_nan=False))
def test_what_is_written_is_what_was_meant(time_s: float) -> None:
    assert seconds(duration_text(time_s)) == time_s


@given(st.integers(0, 10**15))
def test_whole_microseconds_too(us: int) -> None:
    assert seconds(duration_text(us / 1_000_000)) == us / 1_000_000
