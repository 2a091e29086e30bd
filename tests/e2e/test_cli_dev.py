"""`dev` and the commands that find it: runs, log, replay, audit; and how it ends."""

import json
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import psycopg
import pytest

from dalsegno.testing import replay_history
from tests import exports
from tests.e2e.command_line import (
    TASKS,
    Done,
    dalsegno,
    dev,
    lines_until,
    none_is_left,
    processes_that_name,
    started,
)

GREET = '{"name": "ann", "fail": false}'
STEP_KEYS = {"name", "kind", "status", "started_at", "ended_at"}
TASK_KEYS = {"name", "task", "status", "attempts", "node", "started_at", "ended_at"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter, with a running `dev` in it."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    with dev(made, "--agents", "2", "--import", "greet.py"):
        yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def first_run(folder: Path) -> Done:
    """A completed run `first`."""
    arguments = ("greet.py", "--input", GREET, "--id", "first", "--wait", "--json")
    return dalsegno(folder, "run", "start", *arguments)


def address(folder: Path) -> str:
    found = json.loads((folder / ".dalsegno/connection.json").read_text())
    return str(found["dsn"])


@pytest.mark.timeout(120)
def test_a_run_is_shown_in_its_documented_shape(folder: Path, first_run: Done) -> None:
    assert first_run.code == 0, first_run
    run = first_run.json
    assert (run["run_id"], run["status"], run["output"]) == (
        "first",
        "completed",
        {"text": "HELLO ANN"},
    )
    assert set(run) == {
        *("run_id", "workflow", "workflow_version", "version", "status", "output", "error"),
        *("steps", "tasks", "started_at", "ended_at"),
    }
    steps, tasks = run["steps"], run["tasks"]
    assert isinstance(steps, list)
    assert isinstance(tasks, list)
    assert [step["name"] for step in steps] == ["hello", "shout"]
    assert all(set(step) == STEP_KEYS for step in steps)
    assert all(set(task) == TASK_KEYS and task["started_at"].endswith("Z") for task in tasks)
    assert dalsegno(folder, "run", "show", "first", "--json").json == run


@pytest.mark.timeout(120)
def test_the_same_id_is_the_same_run_or_rejected(folder: Path, first_run: Done) -> None:
    again = dalsegno(folder, "run", "start", "greet", "--input", GREET, "--id", "first", "--json")
    assert (again.code, again.json) == (0, first_run.json)
    other = dalsegno(folder, "run", "start", "greet", "--input", "{}", "--id", "first", "--json")
    assert other.code == 3
    assert "run first exists already with another input" in other.err
    assert other.json["error"] == {"code": "rejected", "message": other.err[10:].strip()}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run show nope", "there is no run nope"),
        ("run cancel first", "first is completed already: it cannot be cancelled"),
        ("run start nope", "workflow 'nope' is not registered"),
        ("replay nope", "there is no run nope"),
        ("replay first --at 99", "run first has no version 99: its last one is "),
        ("events show nope", "there is no run nope"),
        ("events export nope", "there is no run nope"),
        ("verify nope", "there is no run nope"),
        ("run show firs", "there is no run firs: `dalsegno run list` shows those there are (did"),
        ("run cancel frist", "(did you mean first?)"),
        ("run query FIRST vars.x", "(did you mean first?)"),
        ("run wait first fist", "(did you mean first?)"),
        ("run tree fir", "(did you mean first?)"),
        ("run retry fir", "(did you mean first?)"),
        ("run values fir", "(did you mean first?)"),
        ("replay fir", "(did you mean first?)"),
        ("verify irst", "(did you mean first?)"),
        ("events show fir", "(did you mean first?)"),
        ("run list --before fir", "there is no run fir"),
        ("run list --workflow gret", "there is no workflow gret (did you mean greet?)"),
        ("stats gret", "there is no workflow gret (did you mean greet?)"),
    ],
)
def test_what_is_not_there_is_rejected(
    folder: Path, first_run: Done, command: str, said: str
) -> None:
    assert first_run.code == 0
    done = dalsegno(folder, *command.split())
    assert done.code == 3, done
    assert said in done.err


@pytest.mark.timeout(120)
def test_the_log_is_shown_with_whole_envelopes(folder: Path, first_run: Done) -> None:
    assert first_run.code == 0
    events = [
        json.loads(line)
        for line in dalsegno(folder, "events", "show", "first", "--json").out.splitlines()
    ]
    # Six, and one more for a handler that takes long enough to say that it runs.
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert first_run.json["version"] == len(events) >= 6
    assert [e["previous"] for e in events[1:]] == [e["digest"] for e in events[:-1]]
    assert {"position", "id", "actor", "epoch", "namespace", "segment", "key_id"} <= set(events[0])
    tail = dalsegno(folder, "events", "tail", "--stream", "run:first", "--after", "0")
    assert tail.out.count("task.completed.v1") == 2


@pytest.mark.timeout(120)
def test_a_history_is_exported_and_replayed_elsewhere(folder: Path, first_run: Done) -> None:
    path = folder / "elsewhere.jsonl"
    done = dalsegno(folder, "events", "export", "first", "--output", str(path))
    assert done.code == 0, done.err
    replayed = replay_history(path)
    assert replayed.view.output == first_run.json["output"]
    rebuilt = dalsegno(folder, "replay", "first", "--json").json
    assert replayed.state_hash == rebuilt["state_hash"]
    assert dalsegno(folder, "events", "export", "first").out == path.read_text("utf-8")
    again = dalsegno(folder, "events", "export", "first", "--output", str(path))
    assert (again.code, "there is such a file" in again.err) == (2, True)


@pytest.mark.timeout(300)
def test_a_run_of_another_cluster_is_brought_in_looked_at_and_forked(
    folder: Path, first_run: Done
) -> None:
    """An open one, so that somebody could take it up; from the kit, whose cluster is gone."""
    assert first_run.code == 0
    path = folder / "other.bundle"
    path.write_bytes(anyio.run(_of_another_cluster))
    brought = dalsegno(folder, "events", "import", path.name, "--json")
    assert brought.code == 0, brought
    (done,) = json.loads(brought.out)
    assert {run["run_id"]: run["status"] for run in done["runs"]} == {
        "order-1": "completed",
        "fork-1": "waiting",
    }
    again = dalsegno(folder, "events", "import", path.name)
    assert "0 runs imported, with 0 events; 2 runs had been here before" in again.out
    listed = {
        one["run_id"]: one for one in json.loads(dalsegno(folder, "run", "list", "--json").out)
    }
    assert listed["fork-1"]["imported"] is True
    assert "imported" not in listed["first"]
    shown = dalsegno(folder, "run", "show", "fork-1")
    assert shown.code == 0, shown
    assert shown.out.startswith("imported from other.bundle, ")
    for refused in ("cancel fork-1", "signal fork-1 approved", "pause fork-1"):
        asked = dalsegno(folder, "run", *refused.split())
        assert (asked.code, "run fork-1 was imported" in asked.err) == (3, True), asked
    for target in ("fork-1", f"{path.name}"):
        assert dalsegno(folder, "verify", target).code == 0
    replayed = dalsegno(folder, "replay", path.name, "--json").json
    assert (
        replayed["state_hash"] == dalsegno(folder, "replay", "fork-1", "--json").json["state_hash"]
    )
    exported = folder / "again.bundle"
    dalsegno(folder, "events", "export", "fork-1", "--format", "bundle", "--out", str(exported))
    assert exported.read_bytes() == path.read_bytes()
    forked = dalsegno(folder, "fork", "fork-1", "--at", "1", "--run-id", "ours", "--yes")
    assert forked.code == 0, forked
    assert (
        dalsegno(folder, "run", "signal", "ours", "approved", "--data", '{"who": "eve"}').code == 0
    )
    ended = dalsegno(folder, "run", "wait", "ours", "--json")
    assert ended.code == 0, ended
    assert "eve" in ended.out


async def _of_another_cluster() -> bytes:
    async for kept in exports.cluster():
        return await exports.bundle(kept.store, "fork-1")
    raise AssertionError("there is always one")


@pytest.mark.timeout(120)
def test_what_others_are_given_has_none_of_the_values(folder: Path, first_run: Done) -> None:
    assert first_run.code == 0
    for form in ("bundle", "jsonl", "cloudevents", "ocel2", "chrome-trace"):
        path = folder / f"first.{form}"
        options = ("--format", form, "--out", str(path), "--redact", "input.name")
        done = dalsegno(folder, "events", "export", "first", *options)
        assert done.code == 0, done
        assert "of input.name taken out" in done.err
        assert path.stat().st_size > 0
    lines = (folder / "first.jsonl").read_text()
    assert "redacted" in lines
    wrong = dalsegno(folder, "events", "export", "first", "--redact", "emial")
    assert (wrong.code, "nothing in these runs is at emial" in wrong.err) == (3, True)
    wrong = dalsegno(folder, "events", "import", "greet.py")
    assert (wrong.code, "greet.py is no export of runs" in wrong.err) == (5, True)


@pytest.mark.timeout(120)
def test_the_log_is_followed_until_interrupted(folder: Path, first_run: Done) -> None:
    assert first_run.code == 0
    after = last_position(folder)
    arguments = ["events", "tail", "--follow", "--json", "--after", str(after)]
    with started(folder, *arguments) as following:
        assert dalsegno(folder, "run", "start", "greet", "--input", GREET, "--id", "f1").code == 0
        events = [json.loads(line) for line in lines_until(following, "run.completed.v1")]
        following.send_signal(signal.SIGINT)
        said = following.communicate(timeout=30)[1]
    assert following.returncode == 130
    assert said.endswith("dalsegno: interrupted\n")
    assert "Traceback" not in said
    versions = [event["version"] for event in events if event["stream"] == "run:f1"]
    assert versions == list(range(1, len(versions) + 1))
    assert len(versions) >= 6
    positions = [event["position"] for event in events]
    assert positions == sorted(set(positions))


def last_position(folder: Path) -> int:
    done = dalsegno(folder, "events", "tail", "--limit", "1", "--json")
    return int(json.loads(done.out)["position"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("given", ["--after -1", "--after 9223372036854775808", "--limit -1"])
def test_a_position_that_is_none_is_refused(folder: Path, given: str) -> None:
    done = dalsegno(folder, "events", "tail", *given.split())
    assert done.code == 2, done
    flag, value = given.split()
    assert f"{flag} is {value}: expected" in done.err.replace("'", "")


@pytest.mark.timeout(120)
def test_replay_is_the_same_from_events_and_at_any_version(folder: Path, first_run: Done) -> None:
    replayed = dalsegno(folder, "replay", "first", "--hashes", "--json").json
    hashes = replayed["hashes"]
    assert isinstance(hashes, list)
    assert replayed["output"] == first_run.json["output"]
    assert replayed["state_hash"] == hashes[-1]
    earlier = dalsegno(folder, "replay", "first", "--at", "3", "--json").json
    assert (earlier["status"], earlier["state_hash"]) == ("running", hashes[2])


@pytest.mark.timeout(120)
def test_lists(folder: Path, first_run: Done) -> None:
    assert first_run.code == 0
    runs = json.loads(dalsegno(folder, "run", "list", "--workflow", "greet", "--json").out)
    assert "first" in {run["run_id"] for run in runs}
    listed = dalsegno(folder, "nodes", "list", "--json")
    assert listed.code == 0, listed
    nodes = json.loads(listed.out)
    assert [node["node"] for node in nodes] == ["agent-1", "agent-2"]
    shown = dalsegno(folder, "config", "show", "--changed")
    assert "dev in" in shown.out
    assert "***" in shown.out
    assert address(folder).split(":")[2].split("@")[0] not in shown.out


@contextmanager
def changed_event(folder: Path, stream: str, version: int) -> Iterator[None]:
    """An event with a blank more; mended afterwards, because all runs are replayed at the end."""
    place = "WHERE originator_id = %s AND originator_version = %s"
    with psycopg.connect(address(folder), autocommit=True) as connection:
        changing = f"UPDATE dalsegno.events SET state = state || ' ' {place}"
        connection.execute(changing.encode(), (stream, version))
        yield
        mending = f"UPDATE dalsegno.events SET state = substr(state, 1, length(state) - 1) {place}"
        connection.execute(mending.encode(), (stream, version))


@pytest.mark.timeout(120)
def test_verify_names_the_event_that_was_changed(folder: Path, first_run: Done) -> None:
    assert first_run.code == 0
    dalsegno(folder, "run", "start", "greet", "--input", GREET, "--id", "damaged", "--wait")
    assert dalsegno(folder, "verify", "--all").code == 0
    with changed_event(folder, "run:damaged", 3):
        done = dalsegno(folder, "verify", "damaged", "--json")
        assert done.code == 5, done
        assert "run damaged: chain: event 4" in done.err
        assert done.json["bad"] == 1
        replayed = dalsegno(folder, "replay", "damaged")
        assert replayed.code == 5, replayed


@pytest.mark.timeout(120)
def test_a_task_that_nobody_has_waits_visibly(folder: Path) -> None:
    (folder / "other.yaml").write_text("workflow: other\nsteps:\n  - {id: a, task: nobody.has}\n")
    assert dalsegno(folder, "run", "start", "other.yaml", "--id", "waits").code == 0
    shown = dalsegno(folder, "run", "show", "waits", "--json").json
    tasks = shown["tasks"]
    assert isinstance(tasks, list)
    assert tasks[0]["pending"].startswith("no_node")
    cancelled = dalsegno(folder, "run", "cancel", "waits", "--json").json
    assert cancelled["status"] == "cancelled"


@pytest.mark.timeout(120)
def test_two_in_one_folder_are_refused(folder: Path) -> None:
    done = dalsegno(folder, "dev")
    assert done.code == 2, done
    assert "in use" in done.err or "another" in done.err


@pytest.mark.timeout(120)
def test_kill_9_leaves_no_process_and_the_data_stays(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "greet.py").write_text(TASKS)
    try:
        with dev(made, "--import", "greet.py") as process:
            started = dalsegno(made, "run", "start", "greet.py", "--input", GREET, "--id", "kept")
            assert started.code == 0, started
            assert processes_that_name(str(made))
            process.kill()
            process.wait(10)
            assert none_is_left(str(made)), "processes outlived a killed dev"
        assert dalsegno(made, "run", "list").code == 2, "its connection file still counts"
        with dev(made, "--import", "greet.py"):
            assert dalsegno(made, "verify", "kept").code == 0
    finally:
        shutil.rmtree(made)
