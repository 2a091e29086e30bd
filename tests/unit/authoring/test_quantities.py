"""Durations and sizes as people write them."""

import pytest

from orchestrator.authoring.quantities import seconds, size_bytes


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (5, 5.0),
        (0, 0.0),
        (1.5, 1.5),
        ("5", 5.0),
        ("1.5s", 1.5),
        ("200ms", 0.2),
        ("250 us", 0.00025),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1h30m", 5_400.0),
        ("1h 30m 10s", 5_410.0),
        ("2d", 172_800.0),
        ("PT5M", 300.0),
        ("PT1H30M0.5S", 5_400.5),
        ("P1DT2H", 93_600.0),
        ("P2W", 1_209_600.0),
        (" 10s ", 10.0),
    ],
)
def test_a_duration(written: object, expected: float) -> None:
    assert seconds(written) == pytest.approx(expected)


@pytest.mark.parametrize(
    "written",
    [
        *("", "never", "5x", "s", "-5s", "1h30", "P", "PT", "5m!", "nan", "inf", "1e999", "9" * 60),
        *(-1, True, None, [], float("nan"), float("inf"), 10**400),
    ],
)
def test_what_is_no_duration_is_refused_with_the_forms(written: object) -> None:
    with pytest.raises(ValueError, match="expected a number of seconds, or text such as"):
        seconds(written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (512, 512),
        ("512", 512),
        ("512B", 512),
        ("2k", 2_000),
        ("2KB", 2_000),
        ("2KiB", 2_048),
        ("512MB", 512_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("1T", 10**12),
    ],
)
def test_a_size(written: object, expected: int) -> None:
    assert size_bytes(written) == expected


@pytest.mark.parametrize("written", ["", "MB", "5PB", "-1", "1e3", 1.5, True, None, "9" * 60])
def test_what_is_no_size_is_refused_with_the_forms(written: object) -> None:
    with pytest.raises(ValueError, match='expected a number of bytes, or text such as "512MB"'):
        size_bytes(written)
