"""Traces as wfcommons itself writes them: all are accepted, and nothing of their order is lost."""

import json
from pathlib import Path

import pytest

from events.codec import encode
from events.definition import TaskStep
from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import check, read
from orchestrator.authoring.wfformat import step_ids
from tests.traces import SHAPES

pytest_plugins = ["tests.traces"]
pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_becomes_a_net(traces: Path, shape: str) -> None:
    file = traces / f"{shape}.json"
    tasks = json.loads(file.read_text())["workflow"]["specification"]["tasks"]
    definition = read(file, time_scale=0).definition
    report = check(definition, CelExpressions())
    assert report.is_accepted, report.problems
    ids = step_ids(one["id"] for one in tasks)
    steps = {step.id: step for step in definition.steps if isinstance(step, TaskStep)}
    assert list(steps) == list(ids.values())
    for one in tasks:
        step = steps[ids[one["id"]]]
        assert {ids[name] for name in one["parents"]} <= set(step.depends_on or ())
        writes = step.inputs.get("writes", {})
        assert isinstance(writes, dict)
        assert writes.keys() == set(one["outputFiles"])


def test_a_thousand_tasks_stay_small(traces: Path) -> None:
    """What is stored of the widest shape: a definition and a net far below their limits."""
    definition = read(traces / "Seismology.json", time_scale=0).definition
    net = check(definition, CelExpressions()).net
    assert net is not None
    assert len(definition.steps) >= 1000
    assert len(encode(definition)) < 1024 * 1024
    assert len(encode(net)) < 1024 * 1024
