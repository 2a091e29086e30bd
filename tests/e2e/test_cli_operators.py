"""Operators mend runs from the shell, on a real cluster; the history of each run replays, at every
version, to what its coordinator said (the command `dev` checks that when it stops)."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import TASKS, Done, dalsegno, dev, until_shown

SLOW = """
workflow: slow
steps:
  - {id: first, task: greet.hello, with: {name: "${ input.name }"}}
  - {id: nap, task: greet.wait, with: {seconds: 600}}
  - id: loud
    task: greet.shout
    with: {text: "${ steps.first.output }", fail: "${ input.fail }"}
    on_error:
      - steps: [{id: quiet, set: {said: "nothing"}}]
  - {id: go, wait: {signal: go}}
output: {nap: "${ steps.nap.output }", loud: "${ steps.loud.output }", go: "${ steps.go.output }"}
"""
PARENT = """
workflow: parent
steps:
  - {id: inner, call: {workflow: slow, input: {name: child, fail: false}}}
"""
BECAUSE = ("--reason", "a test", "--yes")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    (made / "slow.yaml").write_text(SLOW)
    (made / "parent.yaml").write_text(PARENT)
    with dev(made, "--import", "greet.py", "--agents", "2"):
        yield made
    shutil.rmtree(made)


def begun(folder: Path, run_id: str, *, fail: bool = False) -> None:
    """A run that naps on a node."""
    said = f'{{"name": "ann", "fail": {str(fail).lower()}}}'
    done = dalsegno(folder, "run", "start", "slow.yaml", "--input", said, "--id", run_id)
    assert done.code == 0, done
    napping(folder, run_id)


def napping(folder: Path, run_id: str) -> str:
    """Waits until a node has the nap, and returns which."""
    for _ in range(40):
        for task in tasks(folder, run_id):
            if task["name"] == "nap" and task["status"] in {"dispatched", "running"}:
                return str(task["node"])
    raise AssertionError(f"nobody naps in {run_id}")


def tasks(folder: Path, run_id: str) -> list[dict[str, object]]:
    found = dalsegno(folder, "run", "show", run_id, "--json").json["tasks"]
    assert isinstance(found, list)
    return found


def act(folder: Path, *arguments: str) -> Done:
    done = dalsegno(folder, "run", *arguments, *BECAUSE)
    assert done.code == 0, done
    return done


def statuses(folder: Path, run_id: str) -> dict[str, str]:
    steps = dalsegno(folder, "run", "show", run_id, "--json").json["steps"]
    assert isinstance(steps, list)
    return {step["name"]: step["status"] for step in steps}


def child_of(folder: Path, run_id: str) -> str:
    steps = dalsegno(folder, "run", "show", run_id, "--json").json["steps"]
    assert isinstance(steps, list)
    return str(steps[0]["pending"]).removeprefix("run ")


def is_sound(folder: Path, run_id: str) -> bool:
    """Its history is audited, and gives the same state with snapshots and without."""
    audited = dalsegno(folder, "verify", run_id)
    assert audited.code == 0, audited
    return dalsegno(folder, "replay", run_id).code == 0


@pytest.mark.timeout(300)
def test_steps_are_skipped_completed_and_failed(folder: Path) -> None:
    begun(folder, "r1", fail=True)
    assert "nap is skipped" in act(folder, "skip", "r1", "nap", "--output", '"short"').out
    until_shown(folder, "r1", "signal go")
    done = act(folder, "complete", "r1", "go", "--output", '"by hand"', "--id", "once")
    assert "go is completed; r1 is completed" in done.out
    again = dalsegno(
        folder, "run", "complete", "r1", "go", "--output", "1", "--id", "once", *BECAUSE
    )
    assert again.code == 0, "the same request is the same action"
    shown = dalsegno(folder, "run", "show", "r1", "--json").json
    assert shown["output"] == {"nap": "short", "loud": None, "go": "by hand"}
    actions = shown["actions"]
    assert isinstance(actions, list)
    assert [did["what"] for did in actions] == ["skip", "complete"]
    assert {did["reason"] for did in actions} == {"a test"}
    assert all(did["by"].startswith("user:") for did in actions)
    assert is_sound(folder, "r1")


@pytest.mark.timeout(300)
def test_a_step_that_is_failed_fails_its_run(folder: Path) -> None:
    begun(folder, "r2")
    act(folder, "fail", "r2", "nap", "--message", "it sleeps too long", "--code", "asleep")
    shown = dalsegno(folder, "run", "show", "r2", "--json").json
    assert shown["status"] == "failed"
    error = shown["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["step"]) == ("asleep", "nap")
    assert is_sound(folder, "r2")


@pytest.mark.timeout(300)
def test_a_task_is_moved_to_another_node_and_not_counted(folder: Path) -> None:
    begun(folder, "r3")
    other = {"agent-1": "agent-2", "agent-2": "agent-1"}[napping(folder, "r3")]
    act(folder, "move", "r3", "nap", "--to", other)
    until_shown(folder, "r3", "move", "running", f"        2  {other}")
    shown = dalsegno(folder, "events", "show", "r3").out
    assert "task.moved.v1" in shown
    assert "why=the task was moved" in shown
    kept = dalsegno(folder, "snapshot", "list", "r3")
    assert "recovery" in kept.out
    act(folder, "terminate", "r3")
    assert is_sound(folder, "r3")


@pytest.mark.timeout(300)
def test_a_run_is_terminated_with_its_children(folder: Path) -> None:
    begun(folder, "r4")
    assert "r4 is failed: terminated" in act(folder, "terminate", "r4").out
    done = dalsegno(folder, "run", "start", "parent.yaml", "--id", "p4")
    assert done.code == 0, done
    child = child_of(folder, "p4")
    napping(folder, child)
    act(folder, "terminate", "p4")
    assert "the end of its parent p4" in until_shown(folder, child, "terminated").out
    assert is_sound(folder, "r4")
    assert is_sound(folder, "p4")
    assert is_sound(folder, child)


@pytest.mark.timeout(300)
def test_an_open_run_is_restored_undone_and_rerun(folder: Path) -> None:
    begun(folder, "r5")
    act(folder, "skip", "r5", "nap")
    until_shown(folder, "r5", "signal go")
    before = dalsegno(folder, "run", "show", "r5", "--json").json["version"]
    done = act(folder, "rerun", "r5", "--step", "nap")
    assert f"`dalsegno run restore r5 --to {before}` undoes this" in done.out
    napping(folder, "r5")
    assert set(statuses(folder, "r5")) == {"first", "nap"}
    act(folder, "restore", "r5", "--snapshot", f"r5@{before}-recovery")
    shown = until_shown(folder, "r5", "signal go")
    assert f"restore --to {before}" in shown.out
    assert statuses(folder, "r5")["nap"] == "skipped"
    act(folder, "rerun", "r5", "--all")
    napping(folder, "r5")
    act(folder, "skip", "r5", "nap")
    act(folder, "complete", "r5", "go", "--output", "1")
    assert dalsegno(folder, "run", "wait", "r5").code == 0
    assert is_sound(folder, "r5")
    tree = dalsegno(folder, "run", "tree", "r5")
    assert tree.code == 0, tree


@pytest.mark.timeout(300)
def test_what_has_failed_and_was_handled_is_run_again_in_an_open_run(folder: Path) -> None:
    begun(folder, "r6", fail=True)
    act(folder, "skip", "r6", "nap")
    until_shown(folder, "r6", "quiet", "signal go")
    done = act(folder, "rerun", "r6", "--failed")
    assert "loud" in done.err
    until_shown(folder, "r6", "quiet", "signal go")
    shown = dalsegno(folder, "events", "show", "r6").out
    assert shown.count("too_loud") >= 2
    act(folder, "complete", "r6", "go", "--output", "1")
    assert is_sound(folder, "r6")


@pytest.mark.timeout(300)
def test_a_closed_run_is_never_reopened_but_forked(folder: Path) -> None:
    begun(folder, "r7")
    act(folder, "fail", "r7", "nap", "--message", "no")
    refused = dalsegno(folder, "run", "skip", "r7", "nap", *BECAUSE)
    assert refused.code == 3
    assert "a closed run is never reopened" in refused.err
    last = dalsegno(folder, "run", "show", "r7", "--json").json["version"]
    done = act(folder, "rerun", "r7", "--id", "r7b")
    assert done.out.strip() == "r7b"
    napping(folder, "r7b")
    assert statuses(folder, "r7b")["first"] == "completed"
    act(folder, "restore", "r7", "--to", "1", "--id", "r7c")
    napping(folder, "r7c")
    assert dalsegno(folder, "run", "show", "r7", "--json").json["version"] == last
    for run_id in ("r7b", "r7c"):
        act(folder, "terminate", run_id)
        assert is_sound(folder, run_id)


@pytest.mark.timeout(300)
def test_refusals_name_what_is_wrong_and_how_to_mend_it(folder: Path) -> None:
    begun(folder, "r8")
    cases = [
        (("skip", "r8", "nope", *BECAUSE), 3, "those under way: nap"),
        (("skip", "r8", "first", *BECAUSE), 3, "first of run r8 is completed"),
        (("skip", "nobody", "nap", *BECAUSE), 3, "there is no run nobody"),
        (("move", "r8", "nap", "--to", "agent-7", *BECAUSE), 2, "there is no such node"),
        (("restore", "r8", "--to", "99", *BECAUSE), 3, "has no version 99: its last one is"),
        (("restore", "r8", "--snapshot", "r1@3-recovery", *BECAUSE), 3, "is of another run"),
        (("rerun", "r8", *BECAUSE), 3, "no step of run r8 has failed"),
        (("rerun", "r8", "--step", "nope", *BECAUSE), 3, "has not reached a step 'nope'"),
    ]
    before = dalsegno(folder, "run", "show", "r8", "--json").json["version"]
    for arguments, code, said in cases:
        done = dalsegno(folder, "run", *arguments)
        assert (done.code, said in done.err) == (code, True), (arguments, done.err)
    assert dalsegno(folder, "run", "show", "r8", "--json").json["version"] == before
    act(folder, "terminate", "r8")
