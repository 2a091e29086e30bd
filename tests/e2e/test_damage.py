"""What is damaged is named, by `verify` and by the part that meets it; all other runs go on."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.e2e.command_line import COMMAND, Done, dalsegno, environment, lines_until

DEADLINE_S = 40.0
MODULE = """
from node_agent import task


@task(name="greet.hello")
def hello(name: str) -> str:
    return f"hello {name}"
"""
FLOW = """
workflow: greet
steps:
  - id: first
    task: greet.hello
    with: {name: "a"}
  - id: go
    wait: {signal: go}
  - id: last
    task: greet.hello
    with: {name: "b"}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-damage-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(MODULE)
    (made / "greet.yaml").write_text(FLOW)
    for key in ("k1", "k2"):
        done = dalsegno(made, "keys", "new", key, "--file", key)
        assert done.code == 0, done
    (made / "dalsegno.toml").write_text('[keys]\nfile = "keyring"\n')
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def cluster(folder: Path, *keys: str) -> Iterator[None]:
    """`dev` in the folder with these keys, which goes on with the data of the one before; without
    the check of all runs at its end, because some are damaged."""
    (folder / "keyring").write_text("".join((folder / key).read_text() for key in keys))
    process = subprocess.Popen(
        [*COMMAND, "dev", "--import", "greet"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        lines_until(process, "Commands in")
        yield
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def change(folder: Path, command: str, *values: object) -> None:
    found = json.loads((folder / ".dalsegno/connection.json").read_text())
    with psycopg.connect(found["dsn"], autocommit=True) as connection:
        done = connection.execute(command.encode(), values)
        assert done.rowcount == 1, f"{command} has changed {done.rowcount} rows"


def until(folder: Path, status: str, *command: str) -> Done:
    deadline = time.monotonic() + DEADLINE_S
    while (done := dalsegno(folder, *command, "--json")).code or done.json["status"] != status:
        assert time.monotonic() < deadline, done
    return done


PLACE = "WHERE originator_id = %s AND originator_version = %s"
FLIPPED = f"""
UPDATE dalsegno.events SET state = set_byte(state, p, get_byte(state, p) # 1)
FROM (
    SELECT position('hello'::bytea in state) - 1 AS p FROM dalsegno.events {PLACE}
) AS at {PLACE}
"""


@pytest.mark.timeout(600)
def test_damage_is_named_and_is_that_of_its_run_only(folder: Path) -> None:
    """A deleted last event, a flipped byte in the middle of a stream, one in a last event, and a
    key that is not there any more."""
    runs = ("cut", "flipped", "last", "sound")
    with cluster(folder, "k1"):
        assert dalsegno(folder, "workflow", "register", "greet.yaml").code == 0
        for run_id in runs:
            assert dalsegno(folder, "run", "start", "greet", "--id", run_id).code == 0
        sealed = dalsegno(folder, "run", "start", "greet", "--id", "sealed", "--personal")
        assert sealed.code == 0, sealed
        for run_id in (*runs, "sealed"):
            assert until(folder, "waiting", "run", "show", run_id).json["version"] == 3
        change(folder, f"DELETE FROM dalsegno.events {PLACE}", "run:cut", 3)
        change(folder, f"UPDATE dalsegno.events SET state = state || ' ' {PLACE}", "run:flipped", 2)
        change(folder, FLIPPED, "run:last", 3, "run:last", 3)
    with cluster(folder, "k2"):
        met_by_the_coordinator(folder)
        verified_by_name(folder)
    with cluster(folder, "k1", "k2"):
        assert dalsegno(folder, "run", "signal", "sealed", "go").code == 0
        until(folder, "completed", "run", "show", "sealed")
        assert dalsegno(folder, "verify", "sealed").code == 0


def verified_by_name(folder: Path) -> None:
    replayed = dalsegno(folder, "replay", "sealed")
    assert (replayed.code, "key k1 is needed" in replayed.err) == (5, True), replayed
    done = dalsegno(folder, "verify", "--all", "--json")
    assert done.code == 5, done
    findings = done.json["findings"]
    assert isinstance(findings, list)
    found = {(one["check"], one["run_id"]) for one in findings}
    assert {("run_index", "cut"), ("batch", ""), ("chain", "flipped"), ("batch", "last")} <= found
    assert ("keys", "sealed") in found
    assert {run_id for _, run_id in found} == {"cut", "flipped", "last", "sealed", ""}
    assert all(one["what_to_do"] for one in findings)
    alone = dalsegno(folder, "verify", "last")
    assert alone.code == 5, alone
    assert "run last: batch: event 3" in alone.err


def met_by_the_coordinator(folder: Path) -> None:
    for run_id, said in (
        ("cut", "its last events have vanished"),
        ("flipped", "event 3 of run:flipped does not follow"),
        ("last", "event 3 of run last is not what was appended"),
        ("sealed", "key k1 is needed"),
    ):
        signalled = dalsegno(folder, "run", "signal", run_id, "go")
        assert signalled.code == 5, signalled
        assert said in signalled.err
    shown = dalsegno(folder, "run", "show", "cut")
    assert "its last events have vanished" in shown.out + shown.err
    assert dalsegno(folder, "run", "signal", "sound", "go").code == 0
    until(folder, "completed", "run", "show", "sound")
    personal = dalsegno(folder, "run", "start", "greet", "--id", "personal", "--personal")
    assert personal.code == 0, personal
