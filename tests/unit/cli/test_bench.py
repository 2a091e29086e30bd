"""The figures of `dalsegno bench`."""

import pytest

from orchestrator.cli.bench.measuring import percentile_ms


@pytest.mark.parametrize(("percent", "expected"), [(50, 3.0), (99, 4.96)])
def test_percentiles_are_in_milliseconds_and_between_the_values(
    percent: int, expected: float
) -> None:
    assert percentile_ms([0.001, 0.002, 0.003, 0.004, 0.005], percent) == expected
