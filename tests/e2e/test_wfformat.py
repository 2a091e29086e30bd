"""Traces through the command line: each task once, and in the order of the trace."""

import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.authoring.wfformat import step_ids
from tests.e2e.command_line import COMMAND, Done, dalsegno, environment

pytest_plugins = ["tests.traces"]

WITHIN_S = 20.0


def judge(done: Done, trace: Path) -> float:
    """Each task ran once, after its parents; returns the seconds from the first to the last."""
    assert done.code == 0, done
    run = done.json
    assert run["status"] == "completed"
    found = run["tasks"]
    assert isinstance(found, list)
    tasks = {one["name"]: one for one in found}
    declared = json.loads(trace.read_text())["workflow"]["specification"]["tasks"]
    ids = step_ids(one["id"] for one in declared)
    assert len(found) == len(tasks) == len(declared)
    assert tasks.keys() == set(ids.values())
    assert {(one["status"], one["attempts"]) for one in found} == {("completed", 1)}
    begun = {name: datetime.fromisoformat(one["started_at"]) for name, one in tasks.items()}
    ended = {name: datetime.fromisoformat(one["ended_at"]) for name, one in tasks.items()}
    assert all(begun[name] <= ended[name] for name in tasks)
    for one in declared:
        for parent in one["parents"]:
            assert ended[ids[parent]] <= begun[ids[one["id"]]], f"{one['id']} ran before {parent}"
    return (max(ended.values()) - min(begun.values())).total_seconds()


QUICKLY = ("--time-scale", "0", "--agents", "3", "--json")


@pytest.mark.timeout(120)
def test_a_trace_runs_to_its_end_on_three_agents(traces: Path, tmp_path: Path) -> None:
    trace = traces / "Montage.json"
    done = dalsegno(tmp_path, "try", str(trace), *QUICKLY)
    judge(done, trace)
    assert len({one["node"] for one in done.json["tasks"]}) == 3  # type: ignore[attr-defined]


@pytest.mark.timeout(120)
def test_a_thousand_tasks_do_not_take_long(traces: Path, tmp_path: Path) -> None:
    """The product as users have it: test mode hashes the whole state at every commit."""
    trace = traces / "Seismology.json"
    command = [*COMMAND, "try", str(trace), *QUICKLY]
    done = Done(
        subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    )
    assert judge(done, trace) < WITHIN_S


@pytest.mark.timeout(120)
def test_recorded_runtimes_are_waited_for(traces: Path, tmp_path: Path) -> None:
    """A trace that took minutes, at a scale at which it takes over a second."""
    trace = tmp_path / "scaled.json"
    made = json.loads((traces / "Rnaseq.json").read_text())
    ran = made["workflow"]["execution"]["tasks"]
    ran[0]["runtimeInSeconds"] = 1200.0
    for one in ran[1:]:
        one["runtimeInSeconds"] = 0.0
    trace.write_text(json.dumps(made))
    done = dalsegno(tmp_path, "try", "scaled.json", "--time-scale", "0.001", "--json")
    assert judge(done, trace) >= 1.2


def test_a_trace_that_is_wrong_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"name": "x",\n "schemaVersion": "1.3", "workflow": {}}')
    done = dalsegno(tmp_path, "try", "old.json", "--time-scale", "0", "--json")
    assert done.code == 3, done
    assert "old.json:2:3: schemaVersion: the version is '1.3': expected '1.5' or '1.6'" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("try ours.yaml --time-scale 0", 3, "is no WfFormat trace: leave --time-scale out"),
        ("workflow check ours.yaml --time-scale 0", 3, "is no WfFormat trace"),
        ("run start name --time-scale 0", 2, "--time-scale is for WfFormat traces"),
        ("try ours.yaml --agents 0", 2, "--agents is 0: expected 1 to"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    tmp_path: Path, arguments: str, code: int, said: str
) -> None:
    (tmp_path / "ours.yaml").write_text("workflow: ours\nsteps:\n  - {id: a, task: t}\n")
    done = dalsegno(tmp_path, *arguments.split())
    assert done.code == code, done
    assert said in done.err
