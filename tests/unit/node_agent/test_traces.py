"""The built-in task of traces: it waits what was recorded, and tells the sizes of its files."""

import anyio
import pytest

from node_agent.traces import Replayed, trace_task


def test_sizes_are_told() -> None:
    async def run() -> Replayed:
        return await trace_task.function(name="a", reads={"x": 1, "y": 2}, writes={"z": 40, "w": 2})

    assert anyio.run(run) == Replayed({"z": 40, "w": 2}, 3, 42)


@pytest.mark.parametrize(
    ("runtime_s", "scale", "waited_s"), [(2.0, 1.0, 2.0), (100.0, 0.01, 1.0), (1e9, 0.0, 0.0)]
)
def test_it_waits_as_long_as_was_recorded_times_the_scale(
    runtime_s: float, scale: float, waited_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("node_agent.traces.anyio.sleep", sleep)

    async def run() -> Replayed:
        return await trace_task.function(name="a", runtime_s=runtime_s, time_scale=scale)

    assert anyio.run(run) == Replayed({}, 0, 0)
    assert sum(slept) == pytest.approx(waited_s)
