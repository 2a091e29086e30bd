"""Forks from the shell, on a real cluster: what a fix changes, what is kept, and who knows of whom.

The tasks write each of their executions into a ledger. The history of each run replays, at every
version, to what its coordinator said (the command `dev` checks that when it stops).
"""

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.main import run as here
from tests.e2e.cluster import ROOT
from tests.e2e.command_line import Done, dalsegno, dev, until_shown
from tests.e2e.walkthrough import Command, File, actions, assert_shape

TASKS = """
import pathlib

from node_agent import TaskError, task

LEDGER = pathlib.Path(__file__).parent / "ledger"


def note(what: str) -> None:
    with LEDGER.open("a") as file:
        file.write(what + "\\n")


@task(name="shop.dear")
def dear(of: str) -> int:
    note(f"dear of {of}")
    return 42


@task(name="shop.bill")
def bill(price: int, total: int) -> int:
    note(f"bill {price}")
    if price < 0:
        raise TaskError("bad_price", f"a price of {price}")
    return price + total
"""
ORDER = """
workflow: order
steps:
  - {id: rules, set: {price: -5}}
  - {id: dear, task: shop.dear, with: {of: "${ run.workflow }"}}
  - {id: bill, task: shop.bill, with: {price: "${ vars.price }", total: "${ steps.dear.output }"}}
output: ${ steps.bill.output }
"""
MENDED = ORDER.replace("vars.price }", "-vars.price }")
LONGER = MENDED.replace("output: $", "  - {id: more, wait: {signal: go}}\noutput: $")
OTHER = ORDER.replace("id: bill, task: shop.bill", "id: invoice, task: shop.bill").replace(
    "bill.output", "invoice.output"
)
WAITING = """
workflow: waiting
steps:
  - {id: first, set: {say: nothing}}
  - {id: dear, task: shop.dear, with: {of: me}}
  - {id: go, wait: {signal: go}}
output: "${ vars.say }"
"""
PAGE = actions((ROOT / "docs/howto/what-if.md").read_text("utf-8"))
CODES = {" start ": 1, "renamed.yaml": 3, "replay ": 1}
"""Of the commands of the page that do not end well, by what is in them."""
VERSIONS = re.compile(r"\b[0-9a-f]{12}\b")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-fork-"))
    made.chmod(0o755)
    (made / "shop.py").write_text(TASKS)
    (made / "order.yaml").write_text(ORDER)
    (made / "priced.yaml").write_text(MENDED)
    (made / "longer.yaml").write_text(LONGER)
    (made / "other.yaml").write_text(OTHER)
    (made / "waiting.yaml").write_text(WAITING)
    for file in PAGE:
        if isinstance(file, File):
            (made / file.name).write_text(file.text)
    with dev(made, "--import", "shop.py", "--import", "nightly.py"):
        yield made
    shutil.rmtree(made)


@pytest.fixture(autouse=True)
def _since_now(folder: Path) -> None:
    """The tests come in any order, and other ones execute the same tasks."""
    executed(folder)


def failed(folder: Path, run_id: str) -> None:
    done = dalsegno(folder, "run", "start", "order.yaml", "--id", run_id, "--wait")
    assert done.code == 1, done


def executed(folder: Path) -> list[str]:
    """What has been executed since somebody asked."""
    ledger = folder / "ledger"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    ledger.write_text("")
    return lines


def shown(folder: Path, run_id: str) -> dict[str, object]:
    done = dalsegno(folder, "run", "show", run_id, "--json")
    assert done.code == 0, done
    return done.json


def forked(folder: Path, *arguments: str, code: int = 0) -> Done:
    done = dalsegno(folder, "fork", *arguments, "--yes")
    assert done.code == code, done
    return done


def plan(done: Done) -> dict[str, object]:
    found = done.json["plan"]
    assert isinstance(found, dict)
    return found


def is_sound(folder: Path, *run_ids: str) -> bool:
    return all(
        dalsegno(folder, command, run_id).code == 0
        for run_id in run_ids
        for command in ("verify", "replay")
    )


@pytest.mark.timeout(300)
def test_a_run_that_failed_is_forked_with_the_value_mended(folder: Path) -> None:
    failed(folder, "r1")
    assert executed(folder) == ["dear of order", "bill -5"]
    seen = plan(dalsegno(folder, "fork", "r1", "--set", "price=5", "--preview", "--json"))
    assert (seen["kept"], seen["again"]) == (
        ["rules", "dear"],
        [{"step": "bill", "was": "failed"}],
    )
    assert seen["inputs"] == [
        {
            "name": "bill",
            "before": {"price": -5, "total": 42},
            "after": {"price": 5, "total": 42},
        }
    ]
    assert executed(folder) == []
    assert "r1b" not in dalsegno(folder, "run", "list").out, "a preview begins nothing"
    unsure = dalsegno(folder, "fork", "r1", "--set", "price=5", "--run-id", "r1b")
    assert (unsure.code, "give --yes" in unsure.err) == (2, True)
    done = forked(folder, "r1", "--set", "price=5", "--run-id", "r1b", "--wait")
    assert "kept, 2 steps: rules, dear" in done.err
    assert "executed again, 1 step and what follows: bill (failed)" in done.err
    assert executed(folder) == ["bill 5"], "what is dear was not executed again"
    fork, source = shown(folder, "r1b"), shown(folder, "r1")
    assert (fork["status"], fork["output"]) == ("completed", 47)
    assert fork["forked_from"] == {"run_id": "r1", "version": seen["version"]}
    assert source["status"] == "failed", "the source stays as it is"
    text = until_shown(folder, "r1", "r1b", "completed").out
    assert f"from version {seen['version']}" in text
    forks = shown(folder, "r1")["forks"]
    assert isinstance(forks, list)
    assert [(one["run_id"], one["version"], one["status"]) for one in forks] == [
        ("r1b", seen["version"], "completed")
    ]
    assert f"fork of r1 version {seen['version']}" in dalsegno(folder, "run", "show", "r1b").out
    assert is_sound(folder, "r1", "r1b")


@pytest.mark.timeout(300)
def test_a_run_is_forked_with_a_definition_that_was_mended(folder: Path) -> None:
    failed(folder, "r2")
    executed(folder)
    done = forked(
        folder, "r2", "--retry", "bill", "--definition", "priced.yaml", "--run-id", "r2b", "--wait"
    )
    assert "definition: order@" in done.err
    assert executed(folder) == ["bill 5"]
    fork, source = shown(folder, "r2b"), shown(folder, "r2")
    assert fork["output"] == 47
    assert fork["workflow_version"] != source["workflow_version"]
    failed(folder, "r2c")
    assert shown(folder, "r2c")["workflow_version"] == source["workflow_version"]
    by_name = dalsegno(folder, "run", "start", "order", "--id", "r2d", "--wait")
    assert by_name.code == 1, "new runs do not begin with what was registered for a fork"
    listed = dalsegno(folder, "workflow", "list", "order").out
    assert listed.count("for a fork") == 1
    assert is_sound(folder, "r2b")
    executed(folder)


@pytest.mark.timeout(300)
def test_an_open_run_is_forked_and_both_go_on(folder: Path) -> None:
    started = dalsegno(folder, "run", "start", "waiting.yaml", "--id", "r3")
    assert started.code == 0, started
    until_shown(folder, "r3", "signal go")
    executed(folder)
    forked(folder, "r3", "--set", "say=hello", "--run-id", "r3b")
    until_shown(folder, "r3b", "signal go")
    assert dalsegno(folder, "run", "signal", "r3b", "go").code == 0
    assert dalsegno(folder, "run", "wait", "r3b").code == 0
    assert shown(folder, "r3b")["output"] == "hello"
    assert shown(folder, "r3")["status"] == "waiting"
    assert executed(folder) == []
    assert is_sound(folder, "r3", "r3b")


@pytest.mark.timeout(300)
def test_refusals_name_the_step_and_the_mend(folder: Path) -> None:
    failed(folder, "r4")
    last = shown(folder, "r4")["version"]
    forked(folder, "r4", "--run-id", "r4b", "--wait", code=1)
    cases = [
        (("r4", "--definition", "other.yaml", "--at", "4"), 3, "bill: it is "),
        (("r4", "--definition", "other.yaml", "--at", "4"), 3, "fork from version 2, the last one"),
        (("r4", "--definition", "waiting.yaml"), 3, "is of workflow order, and the definition of"),
        (("r4", "--at", "99"), 3, f"has no version 99: its last one is {last}"),
        (("r4", "--at", str(last)), 3, "the last version at which it was still open is"),
        (("r4", "--at", "0"), 2, "--at is 0: expected a version from 1"),
        (("r4", "--retry", "nope"), 3, "has not reached a step 'nope'"),
        (("r4", "--set", "price"), 2, "--set is 'price': expected NAME=VALUE"),
        (("r4", "--set", "order.total=5"), 2, "a variable is given whole, as order=JSON"),
        (("r4", "--set", "a b=1", "--run-id", "r4c"), 3, "variables: the name"),
        (("r4", "--at", "1", "--run-id", "r4b"), 3, "exists already"),
        (("nobody",), 3, "there is no run nobody"),
    ]
    for arguments, code, said in cases:
        done = dalsegno(folder, "fork", *arguments, "--yes")
        assert (done.code, said in done.err) == (code, True), (arguments, done)


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_print_what_it_says(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    code, typed = 0, [one for one in PAGE if isinstance(one, Command) and not one.lasts]
    assert len(typed) > 10
    for command in typed:
        program, *arguments = shlex.split(command.line)
        if program == "sed":
            subprocess.run(["bash", "-c", command.line], cwd=folder, check=True)
            continue
        said = f"{code}\n"
        if program == "dalsegno":
            code = here(arguments)
            assert code == next((CODES[one] for one in CODES if one in command.line), 0), command
            said = "".join(reversed(capsys.readouterr()))
        assert_shape(Command(command.line, same(command.output)), same(said))


def same(text: str) -> str:
    """A version of a workflow is not always a word with a digit in it."""
    return VERSIONS.sub("version-1", text)
