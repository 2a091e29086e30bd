"""Waiting runs on a real cluster: signals, updates, queries, pause and resume, from the shell."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import TASKS, dalsegno, dev, until_shown

STEERED = """
workflow: steered
steps:
  - {id: zero, set: {limit: 1}}
  - id: rounds
    for_each: ${ input.names }
    steps:
      - {id: hello, task: greet.hello, with: {name: "${ iteration.item }"}}
      - {id: go, wait: {signal: go, correlation: "${ iteration.index }", timeout: 10m}}
  - {id: nap, wait: {for: 100ms}}
output: {said: "${ steps.rounds.output }", limit: "${ vars.limit }"}
updates:
  raise: {accept: update > vars.limit, set: {limit: "${ update }"}}
"""
WAITING = """
workflow: parcel
steps:
  - {id: go, wait: {signal: go}}
output: ${ steps.go.output }
"""
NAMES = '{"names": ["ann", "bo"]}'


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    (made / "steered.yaml").write_text(STEERED)
    (made / "parcel.yaml").write_text(WAITING)
    with dev(made, "--import", "greet.py"):
        yield made
    shutil.rmtree(made)


def begun(folder: Path, run_id: str) -> None:
    done = dalsegno(folder, "run", "start", "steered.yaml", "--input", NAMES, "--id", run_id)
    assert done.code == 0, done


def signal(folder: Path, run_id: str, index: int) -> None:
    said = ("--data", f'"go {index}"', "--correlation", str(index), "--id", f"s{index}")
    done = dalsegno(folder, "run", "signal", run_id, "go", *said)
    assert done.code == 0, done
    assert f"signal go is recorded as s{index}" in done.out


@pytest.mark.timeout(90)
def test_signals_early_late_and_twice_lead_a_run_to_its_end(folder: Path) -> None:
    begun(folder, "r1")
    until_shown(folder, "r1", "waiting", "go[0]", "signal go until")
    signal(folder, "r1", 1)
    signal(folder, "r1", 0)
    signal(folder, "r1", 0)
    arguments = ("steered", "--input", NAMES, "--id", "r1", "--wait", "--json")
    done = dalsegno(folder, "run", "start", *arguments)
    assert done.json["status"] == "completed"
    assert done.json["output"] == {"said": ["go 0", "go 1"], "limit": 1}
    assert dalsegno(folder, "verify", "r1").code == 0


@pytest.mark.timeout(90)
def test_a_run_is_updated_and_asked(folder: Path) -> None:
    begun(folder, "r2")
    until_shown(folder, "r2", "waiting")
    updated = dalsegno(folder, "run", "update", "r2", "raise", "--data", "5")
    assert (updated.code, updated.json) == (0, {"limit": 5})
    refused = dalsegno(folder, "run", "update", "r2", "raise", "--data", "4")
    assert refused.code == 3
    assert "update raise is not accepted by run r2 now" in refused.err
    asked = dalsegno(folder, "run", "query", "r2", "vars.limit * 2")
    assert (asked.code, asked.out.strip()) == (0, "10")
    assert dalsegno(folder, "run", "query", "r2", "vars.").code == 3


@pytest.mark.timeout(90)
def test_a_paused_run_says_so_and_goes_on_when_it_is_resumed(folder: Path) -> None:
    begun(folder, "r3")
    until_shown(folder, "r3", "waiting")
    paused = dalsegno(folder, "run", "pause", "r3", "--reason", "a look first")
    assert paused.out.strip() == "r3 is paused"
    signal(folder, "r3", 0)
    until_shown(folder, "r3", "paused: a look first", "hello[1]", "ready")
    assert dalsegno(folder, "run", "list", "--status", "paused", "--json").out.count("r3") == 1
    assert dalsegno(folder, "run", "resume", "r3").code == 0
    until_shown(folder, "r3", "go[1]", "waiting")
    assert dalsegno(folder, "run", "cancel", "r3").code == 0


@pytest.mark.timeout(120)
def test_many_runs_are_steered_at_once(folder: Path) -> None:
    for run_id in ("p1", "p2", "p3"):
        assert dalsegno(folder, "run", "start", "parcel.yaml", "--id", run_id).code == 0
    assert dalsegno(folder, "run", "cancel", "p3").code == 0
    until_shown(folder, "p3", "cancelled")
    wanted = ("signal", "--signal", "go", "--data", "7", "--workflow", "parcel", "--id", "lot")
    seen = dalsegno(folder, "batch", "start", *wanted, "--preview")
    assert seen.code == 0
    assert "signal of 2 runs: p2, p1" in seen.out
    assert "p3: it is cancelled" in seen.out
    asked = dalsegno(folder, "batch", "start", *wanted)
    assert asked.code == 2
    assert "nobody is there to confirm this" in asked.err

    done = dalsegno(folder, "batch", "start", *wanted, "--yes", "--wait", "--json")
    assert done.code == 0, done
    assert [done.json[name] for name in ("count", "done", "refused")] == [2, 2, 0]
    for run_id in ("p1", "p2"):
        shown = dalsegno(folder, "run", "wait", run_id, "--json").json
        assert (shown["status"], shown["output"]) == ("completed", 7)
    assert "lot completed: signal of 2 runs, 2 done" in dalsegno(folder, "batch", "show", "lot").out
    assert "lot" in dalsegno(folder, "batch", "list").out
    assert dalsegno(folder, "batch", "start", *wanted, "--yes").out.strip() == "lot"
    again = dalsegno(folder, "batch", "start", "cancel", "--workflow", "parcel")
    assert "cancel of no run" in again.err
    assert again.code == 0
