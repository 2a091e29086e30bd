"""Bad input that only a running cluster can refuse, and a snapshot that is damaged."""

import json
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.e2e.command_line import TASKS, dalsegno, dev

MIB = 1024 * 1024
LARGE = """
from node_agent import task
from orchestrator.authoring import Workflow


@task(name="large.make")
def make(n: int) -> str:
    return "x" * n


flow = Workflow("large")
made = flow.task("make", "large.make", n=flow.input.n)
flow.output(length=1)
"""
EVERY_EVENT = {
    "DALSEGNO_ENGINE__SNAPSHOT_TAIL_BYTES_MIN": "1",
    "DALSEGNO_ENGINE__SNAPSHOT_TAIL_FACTOR": "0.01",
}


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with the two modules of tasks."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    (made / "large.py").write_text(LARGE)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A running `dev` with the tasks of both modules and their workflows."""
    with a_folder() as made, dev(made, "--import", "greet.py", "--import", "large.py"):
        for file in ("greet.py", "large.py"):
            assert dalsegno(made, "workflow", "register", file).code == 0
        yield made


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("mib", "said"),
    [
        (2, "over the limit of 1048576: store it elsewhere and pass a reference"),
        (9, "NATS takes 8388608: make its input smaller"),
        (65, "has over 67108864 bytes: pass a reference instead"),
    ],
)
def test_an_input_over_the_limit_is_refused(folder: Path, mib: int, said: str) -> None:
    (folder / "large.json").write_text(json.dumps({"name": "x" * (mib * MIB)}))
    done = dalsegno(folder, "run", "start", "greet", "--input", "@large.json", "--id", "fat")
    assert done.code == 3, done
    assert said in done.err
    assert len(done.err) < 300
    assert dalsegno(folder, "run", "show", "fat").code == 3, "something is left of it"


@pytest.mark.timeout(120)
def test_a_value_in_a_definition_over_the_limit_is_refused(folder: Path) -> None:
    step = json.dumps({"id": "a", "task": "greet.shout", "with": {"text": "x" * (2 * MIB)}})
    (folder / "fat.yaml").write_text(f"workflow: fat\nsteps:\n  - {step}\n")
    done = dalsegno(folder, "workflow", "register", "fat.yaml")
    assert done.code == 3, done
    assert "fat.yaml:3:" in done.err
    assert "over 1048576: store it elsewhere and pass a reference" in done.err
    assert len(done.err) < 300
    assert dalsegno(folder, "run", "start", "fat").code == 3, "it is registered"


@pytest.mark.timeout(120)
def test_an_output_over_the_limit_fails_the_run_by_name(folder: Path) -> None:
    given = ("--input", json.dumps({"n": 2 * MIB}), "--wait", "--json")
    done = dalsegno(folder, "run", "start", "large", *given)
    assert done.code == 1, done
    error = done.json["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["step"]) == ("payload_too_large", "make")
    assert "262144 are allowed: return a reference instead" in str(error["message"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{id: a, task: greet.helo}", "did you mean `greet.hello`?"),
        ("{id: a, task: greet.hello, with: {name: 3}}", "expected string, found 3"),
        ("{id: a, task: greet.hello, with: {nome: x}}", "nome"),
        ("{id: a, task: greet.hello}", "name"),
    ],
)
def test_what_the_tasks_do_not_take_is_refused_where_they_are_known(
    folder: Path, step: str, said: str
) -> None:
    (folder / "bad.yaml").write_text(f"workflow: bad\nsteps:\n  - {step}\n")
    for command in ("run start", "workflow register"):
        done = dalsegno(folder, *command.split(), "bad.yaml", "--import", "greet.py")
        assert done.code == 3, done
        assert "bad.yaml:3:" in done.err
        assert said in done.err
    assert dalsegno(folder, "run", "start", "bad").code == 3, "it is registered"


@pytest.mark.timeout(120)
def test_an_unknown_node_is_named(folder: Path) -> None:
    done = dalsegno(folder, "nodes", "show", "nobody")
    assert done.code == 3, done
    assert "there is no node 'nobody': `dalsegno nodes list` shows" in done.err
    shown = dalsegno(folder, "nodes", "show", "agent-1", "--json").json
    assert (shown["node"], shown["status"]) == ("agent-1", "healthy")
    table = dalsegno(folder, "nodes", "show", "agent-1").out
    assert "incarnation" in table
    assert re.search(r"^host +\d+% CPU, .* memory, load ", table, re.MULTILINE), table


@pytest.mark.timeout(120)
def test_a_damaged_snapshot_is_named_and_the_log_goes_before_it() -> None:
    with a_folder() as made, dev(made, "--import", "greet.py", **EVERY_EVENT) as process:
        given = ("--input", '{"name": "ann", "fail": false}', "--id", "r", "--wait")
        assert dalsegno(made, "run", "start", "greet.py", *given).code == 0
        deadline = time.monotonic() + 40  # it is saved after the answer
        while (before := dalsegno(made, "replay", "r", "--json").json)["snapshot_version"] != 4:
            assert time.monotonic() < deadline, before
        found = json.loads((made / ".dalsegno/connection.json").read_text())
        with psycopg.connect(found["dsn"]) as connection:
            connection.execute(b"UPDATE dalsegno.snapshots SET state = state || 'x'")
        verified = dalsegno(made, "verify", "r", "--json")
        assert verified.code == 5, verified
        assert "snapshot" in verified.err
        assert "is damaged: its checksum does not fit" in verified.err
        after = dalsegno(made, "replay", "r", "--json").json
        assert "snapshot 4 of run:r (automatic) is damaged" in str(after.pop("left_aside"))
        assert before.pop("left_aside") == []
        assert after == {**before, "snapshot_version": 0}
        # And the check after each of these tests is one that can fail.
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(30) != 0
        assert "is damaged" in said
