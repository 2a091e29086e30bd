"""Personal runs from the shell: sealed in the database, shown with the key, and erased for good."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from events.ids import child_run
from tests.e2e.command_line import TASKS, Done, dalsegno, dev

PERSONAL = """
workflow: personal
options: {personal: true, tags: {team: secret-team}}
steps:
  - {id: hello, task: greet.hello, with: {name: "${ input.name }"}}
  - {id: inner, call: {workflow: inner, input: {name: "${ steps.hello.output }"}}}
  - id: rounds
    map:
      items: "${ [input.name, input.name] }"
      task: greet.hello
      with: {name: "${ iteration.item }"}
output: {said: "${ steps.inner.output }", all: "${ steps.rounds.output }"}
"""
INNER = """
workflow: inner
steps:
  - {id: shout, task: greet.shout, with: {text: "${ input.name }"}}
output: "${ steps.shout.output }"
"""
WAITS = """
workflow: waits
steps:
  - {id: hello, task: greet.hello, with: {name: "${ input.name }"}}
  - {id: go, wait: {signal: go}}
"""
NAME = "Ada Lovelace"


@pytest.fixture(scope="module")
def keyring(folder: Path) -> Path:
    return folder / "keyring"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a running `dev` in it that has a key."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    for name, text in (("personal", PERSONAL), ("inner", INNER), ("waits", WAITS)):
        (made / f"{name}.yaml").write_text(text)
    done = dalsegno(made, "keys", "new", "k1", "--file", "keyring")
    assert done.code == 0, done
    (made / "dalsegno.toml").write_text('[keys]\nfile = "keyring"\n')
    with dev(made, "--import", "greet.py"):
        registered = dalsegno(made, "workflow", "register", "inner.yaml")
        assert registered.code == 0, registered
        yield made
    shutil.rmtree(made)


def start(folder: Path, workflow: str, run_id: str, *more: str) -> Done:
    given = ("--input", json.dumps({"name": NAME}), "--id", run_id, *more)
    done = dalsegno(folder, "run", "start", workflow, *given)
    assert done.code == 0, done
    return done


def address(folder: Path) -> str:
    found = json.loads((folder / ".dalsegno/connection.json").read_text())
    return str(found["dsn"])


def stored(folder: Path, run_id: str) -> bytes:
    """All that the database has of a run's events and snapshots."""
    with psycopg.connect(address(folder)) as connection:
        found = connection.execute(
            "SELECT state FROM dalsegno.events WHERE originator_id = %(run)s UNION ALL "
            "SELECT state FROM dalsegno.all_snapshots WHERE stream = %(run)s",
            {"run": f"run:{run_id}"},
        )
        return b"\n".join(bytes(row[0]) for row in found)


@pytest.mark.timeout(400)
def test_what_is_said_in_a_personal_run_is_erased_and_everything_still_verifies(
    folder: Path,
) -> None:
    shown = start(folder, "personal.yaml", "p1", "--wait", "--json").json
    assert shown["output"] == {"said": f"HELLO {NAME}".upper(), "all": [f"hello {NAME}"] * 2}
    assert dalsegno(folder, "snapshot", "create", "p1").code == 0
    for run_id, step in (("p1", b'"step":"hello"'), (child_run("p1", "inner", 0, 1), b"shout")):
        rows = stored(folder, run_id)
        assert step in rows
        for word in (NAME.encode(), NAME.upper().encode(), b"secret-team"):
            assert word not in rows
    assert NAME in dalsegno(folder, "events", "show", "p1").out
    assert NAME in dalsegno(folder, "replay", "p1").out
    assert dalsegno(folder, "verify", "--all").code == 0

    refused = dalsegno(folder, "erase", "p1", "--reason", "asked for")
    assert (refused.code, "give --yes" in refused.err) == (2, True), refused
    before = stored(folder, "p1")
    erased = dalsegno(folder, "erase", "p1", "--reason", "request 4711", "--yes")
    assert erased.code == 0, erased
    assert "the values of 2 runs are erased, 1 snapshot" in erased.out

    assert stored(folder, "p1") in before  # the events as they were, the snapshot gone
    for command in (("run", "show"), ("replay",), ("events", "show")):
        done = dalsegno(folder, *command, "p1")
        assert done.code == 0, done
        assert NAME not in done.out
        assert "hello" in done.out
        assert "erased" in done.out
    one, other = (dalsegno(folder, "replay", "p1", "--json").json for _ in range(2))
    assert one == other
    assert one["status"] == "completed"
    audited = dalsegno(folder, "verify", "--all")
    assert (audited.code, "all sound" in audited.out) == (0, True), audited
    tail = dalsegno(folder, "events", "tail", "--json").out
    erasures = [e for e in map(json.loads, tail.splitlines()) if e["type"] == "personal.erased.v1"]
    (fact,) = (one for one in erasures if one["data"]["reason"] == "request 4711")
    assert fact["actor"].startswith("user:")
    again = dalsegno(folder, "erase", "p1", "--reason", "again", "--yes")
    assert (again.code, "had been erased before" in again.out) == (0, True), again
    forked = dalsegno(folder, "run", "retry", "p1")
    assert forked.code == 3, forked


@pytest.mark.timeout(400)
def test_runs_of_a_subject_are_erased_together_once_all_have_ended(folder: Path) -> None:
    start(folder, "inner.yaml", "s1", "--subject", "customer-81", "--wait")
    start(folder, "waits.yaml", "s2", "--subject", "customer-81")
    start(folder, "inner.yaml", "s3", "--subject", "customer-82", "--wait")
    start(folder, "inner.yaml", "plain", "--wait")
    one = dalsegno(folder, "erase", "s1", "--reason", "x", "--yes")
    assert (one.code, "erase them together, with `--subject customer-81`" in one.err) == (3, True)
    open_ = dalsegno(folder, "erase", "--subject", "customer-81", "--reason", "x", "--yes")
    assert (open_.code, "run s2 of customer-81 is" in open_.err) == (3, True), open_
    assert dalsegno(folder, "run", "cancel", "s2").code == 0
    done = dalsegno(folder, "erase", "--subject", "customer-81", "--reason", "x", "--yes", "--json")
    assert done.json["runs"] == ["s1", "s2"], done
    for run_id, is_there in (("s1", False), ("s2", False), ("s3", True), ("plain", True)):
        assert (NAME in dalsegno(folder, "events", "show", run_id).out) == is_there, run_id
    refused = dalsegno(folder, "erase", "plain", "--reason", "x", "--yes")
    assert (refused.code, "is not personal" in refused.err) == (3, True)
    start(folder, "inner.yaml", "s4", "--subject", "customer-81", "--wait")
    assert NAME in dalsegno(folder, "events", "show", "s4").out


@pytest.mark.timeout(400)
def test_a_missing_key_is_named_and_concerns_its_runs_only(folder: Path) -> None:
    start(folder, "inner.yaml", "m1", "--personal", "--wait")
    start(folder, "inner.yaml", "m2", "--wait")
    assert dalsegno(folder, "keys", "rotate-check").code == 0
    keyless = {"DALSEGNO_KEYS__FILE": "other"}
    assert dalsegno(folder, "keys", "new", "k2", "--file", "other").code == 0
    listed = dalsegno(folder, "keys", "list", **keyless)
    assert (listed.code, "missing" in listed.out) == (1, True), listed
    audited = dalsegno(folder, "verify", "m1", **keyless)
    assert (audited.code, "key k1 is needed" in audited.err) == (5, True), audited
    assert dalsegno(folder, "verify", "m2", **keyless).code == 0
    assert "key k1 is needed" in dalsegno(folder, "replay", "m1", **keyless).err
    doctored = dalsegno(folder, "doctor", **keyless)
    assert "which is missing" in doctored.out
    both = {"DALSEGNO_KEYS__FILE": "both"}
    lines = (folder / "keyring").read_text() + (folder / "other").read_text()
    (folder / "both").write_text(lines)
    assert dalsegno(folder, "keys", "rotate-check", **both).code == 1
    assert dalsegno(folder, "keys", "reencrypt", **both).code == 0
    assert "may go: k1" in dalsegno(folder, "keys", "rotate-check", **both).out
    assert dalsegno(folder, "verify", "m1", **keyless).code == 0
    (folder / "keyring").write_text(lines)


@pytest.mark.timeout(60)
def test_an_erasure_has_a_reason(tmp_path: Path) -> None:
    done = dalsegno(tmp_path, "erase", "x", "--yes")
    assert (done.code, "--reason is missing" in done.err) == (2, True), done
