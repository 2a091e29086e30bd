"""Registered workflows and what becomes of their runs, from the shell, on a real cluster."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import TASKS, Done, dalsegno, dev

FLAKY = """
workflow: flaky
steps:
  - {id: hello, task: greet.hello, with: {name: "${ input.name }"}}
  - {id: shout, task: greet.shout, with: {text: "${ steps.hello.output }", fail: true}}
"""
HOLDER = """
workflow: holder
description: Holds all that has something below it.
steps:
  - id: rounds
    for_each: [a, b]
    steps:
      - {id: child, call: {workflow: greet, input: {name: "${ iteration.item }", fail: false}}}
  - id: each
    map: {items: [1, 2, 3], task: greet.hello, with: {name: "${ string(iteration.item) }"}}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where a `dev` runs with the tasks, and three workflows are registered."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-definitions-"))
    made.chmod(0o755)  # the server may run as another user
    (made / "greet.py").write_text(TASKS)
    (made / "flaky.yaml").write_text(FLAKY)
    (made / "holder.yaml").write_text(HOLDER)
    with dev(made, "--import", "greet.py"):
        for file in ("greet.py", "flaky.yaml", "holder.yaml"):
            assert dalsegno(made, "workflow", "register", file).code == 0
        yield made
    shutil.rmtree(made)


def rows(done: Done) -> list[dict[str, object]]:
    found = json.loads(done.out)
    assert isinstance(found, list)
    return found


@pytest.mark.timeout(90)
def test_versions_are_listed_shown_and_compared(folder: Path) -> None:
    (folder / "newer.yaml").write_text(FLAKY.replace("fail: true", "fail: false"))
    assert dalsegno(folder, "workflow", "register", "newer.yaml").code == 0
    listed = {row["workflow"]: row for row in rows(dalsegno(folder, "workflow", "list", "--json"))}
    versions = {name: listed[name]["versions"] for name in ("flaky", "greet", "holder")}
    assert versions == {"flaky": 2, "greet": 1, "holder": 1}
    newest, oldest = rows(dalsegno(folder, "workflow", "list", "flaky", "--json"))
    assert newest["workflow_version"] == listed["flaky"]["workflow_version"]
    assert str(oldest["registered_at"]) < str(newest["registered_at"])

    old = f"flaky@{str(oldest['workflow_version'])[:8]}"
    shown = dalsegno(folder, "workflow", "show", old)
    (folder / "shown.yaml").write_text(shown.out)
    assert dalsegno(folder, "workflow", "diff", "shown.yaml", "flaky.yaml").code == 0
    differ = dalsegno(folder, "workflow", "diff", old, "flaky", "--json")
    assert differ.code == 1
    assert differ.json["changes"] == [
        {
            "step": "shout",
            "how": "changed",
            "changes": [{"field": "inputs.fail", "before": True, "after": False}],
        }
    ]
    assert dalsegno(folder, "workflow", "register", "flaky.yaml").code == 0


@pytest.mark.timeout(90)
def test_registering_says_which_tasks_nobody_has(folder: Path) -> None:
    (folder / "lonely.yaml").write_text(
        "workflow: lonely\nsteps:\n- {id: a, task: nobody.does}\n- {id: b, task: nobody.does}\n"
    )
    done = dalsegno(folder, "workflow", "register", "lonely.yaml")
    assert (done.code, done.out.startswith("lonely registered")) == (0, True)
    assert done.err == (
        "no connected node has nobody.does: runs wait until an agent brings it with --import\n"
    )
    assert dalsegno(folder, "workflow", "register", "flaky.yaml").err == ""


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("workflow show flacky", "there is no workflow flacky (did you mean flaky?)"),
        ("workflow show flaky@zzzz", "flaky has no version zzzz: expected one of "),
        ("run start flacky", "(did you mean flaky?)"),
        ("nodes show agent-l", "(did you mean agent-1?)"),
        ("workflow plan hodler.yaml", "did you mean `holder.yaml`?"),
        ("run tree nope", "there is no run nope"),
        ("run retry nope --yes", "there is no run nope"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(
    folder: Path, command: str, said: str
) -> None:
    done = dalsegno(folder, *command.split())
    assert done.code == 3, done
    assert said in done.err


@pytest.mark.timeout(90)
def test_a_plan_says_which_nodes_know_the_tasks(folder: Path) -> None:
    (folder / "stranger.yaml").write_text(
        "workflow: stranger\nsteps:\n  - {id: a, task: greet.hello, with: {name: x}}\n"
        "  - {id: b, task: no.such, retry: {attempts: 3, initial: 1s}}\n"
    )
    at = "2026-12-24T18:00:00Z"
    done = dalsegno(folder, "workflow", "plan", "stranger.yaml", "--at", at, "--json")
    tasks = done.json["tasks"]
    assert tasks == [
        {"task": "greet.hello", "steps": ["a"], "nodes": ["agent-1"]},
        {"task": "no.such", "steps": ["b"], "nodes": []},
    ]
    steps = done.json["steps"]
    assert isinstance(steps, list)
    begins = [attempt["earliest_at"] for attempt in steps[1]["attempts"]]
    assert begins == [f"2026-12-24T18:00:0{second}.000000Z" for second in (0, 1, 3)]
    read = dalsegno(folder, "workflow", "plan", "stranger.yaml", "--at", at)
    assert "no connected node" in read.out
    assert "18:00:00.000, 18:00:01.000, 18:00:03.000" in read.out


@pytest.mark.timeout(90)
def test_a_failed_run_is_tried_again_as_another_run(folder: Path) -> None:
    started = ("run", "start", "flaky.yaml", "--input", '{"name": "bo"}', "--id", "f1", "--wait")
    assert dalsegno(folder, *started).code == 1
    asked = dalsegno(folder, "run", "retry", "f1")
    assert asked.code == 2
    assert "give --yes" in asked.err
    assert "kept, 1 step: hello" in asked.err
    assert "shout (failed)" in asked.err
    again = dalsegno(folder, "run", "retry", "f1", "--yes", "--id", "f2", "--wait", "--json")
    assert again.code == 1
    retried = again.json["retry_of"]
    assert isinstance(retried, dict)
    assert (retried["run_id"], retried["kept"]) == ("f1", ["hello"])
    shown = dalsegno(folder, "run", "tree", "f1")
    assert "fork f2  failed" in shown.out
    assert f"from version {retried['version']}: retry" in shown.out
    assert dalsegno(folder, "run", "show", "f1", "--json").json["status"] == "failed"
    events = dalsegno(folder, "events", "show", "f2").out
    assert "step=shout" in events
    assert "step=hello" not in events
    assert dalsegno(folder, "verify", "f2").code == 0
    replayed = dalsegno(folder, "replay", "f2", "--hashes", "--json").json
    hashes = replayed["hashes"]
    assert isinstance(hashes, list)
    assert hashes[-1] == replayed["state_hash"]


@pytest.mark.timeout(90)
def test_a_tree_holds_iterations_items_and_the_runs_that_were_called(folder: Path) -> None:
    assert dalsegno(folder, "run", "start", "holder", "--id", "h1", "--wait").code == 0
    root = dalsegno(folder, "run", "tree", "h1", "--json").json
    assert shape(root) == [
        "run h1 completed",
        " for_each rounds completed",
        "  iteration [0] completed",
        "   call child completed",
        "    run … completed",
        "     task hello completed",
        "     task shout completed",
        "  iteration [1] completed",
        "   call child completed",
        "    run … completed",
        "     task hello completed",
        "     task shout completed",
        " map each completed",
        "  item [0] completed",
        "  item [1] completed",
        "  item [2] completed",
    ]
    read = dalsegno(folder, "run", "tree", "h1").out
    assert "2 steps with nothing below them; --all shows them" in read
    assert "task shout" in dalsegno(folder, "run", "tree", "h1", "--all").out


def shape(twig: dict[str, object], depth: int = 0) -> list[str]:
    name = twig["name"] if twig["kind"] != "run" or not depth else "…"
    children = twig["children"]
    assert isinstance(children, list)
    assert twig["started_at"]
    inner = [line for one in children for line in shape(one, depth + 1)]
    return [f"{' ' * depth}{twig['kind']} {name} {twig['status']}", *inner]
