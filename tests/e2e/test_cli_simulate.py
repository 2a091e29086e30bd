"""`dalsegno simulate` as its users have it: a file in, figures out, no server anywhere."""

import json
import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest

from events.simulation import SimulatedSeed
from tests.e2e.cluster import ROOT
from tests.e2e.command_line import COMMAND

DIAMOND = ROOT / "examples" / "diamond.py"
INPUT = '{"values": [4, 8, 15]}'
APPROVAL = """
workflow: approve
steps:
  - id: ask
    task: mail.send
  - id: answered
    wait: {signal: approved}
  - id: tell
    task: mail.send
"""
MODEL = """
tasks:
  mail.send: {takes: 2s, fails: 0}
signals:
  approved: {after: 3d, data: {by: ada}}
"""


class Simulated(msgspec.Struct):
    undisturbed: SimulatedSeed
    seeds: list[SimulatedSeed]


def simulate(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, "simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=100,
    )


def figures(*arguments: str, cwd: Path | None = None) -> Simulated:
    done = simulate(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Simulated)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "approve.yaml").write_text(APPROVAL)
    (tmp_path / "model.yaml").write_text(MODEL)
    return tmp_path


@pytest.mark.timeout(120)
def test_the_same_seed_is_the_same_history() -> None:
    arguments = (str(DIAMOND), "--input", INPUT, "--seeds", "3")
    first, second = figures(*arguments), figures(*arguments)
    assert first == second
    assert len({one.virtual_s for one in first.seeds}) == 3
    assert [one.violations for one in first.seeds] == [(), (), ()]
    assert {run.status for one in first.seeds for run in one.runs} <= {"completed", "failed"}


@pytest.mark.timeout(120)
def test_without_faults_runs_take_what_the_model_says(folder: Path) -> None:
    """Three days of waiting are simulated at once."""
    arguments = ("approve.yaml", "--model", "model.yaml", "--faults", "none", "--seeds", "2")
    for one in figures(*arguments, "--runs", "2", cwd=folder).seeds:
        assert [run.status for run in one.runs] == ["completed", "completed"]
        assert all(3 * 86_400 + 2 <= run.took_s < 3 * 86_400 + 10 for run in one.runs)
        assert one.tasks["mail.send"].attempts == 4
        assert 8 <= one.tasks["mail.send"].busy_s < 9


@pytest.mark.timeout(120)
def test_a_signal_that_nobody_sends_is_named(folder: Path) -> None:
    (found,) = figures("approve.yaml", "--faults", "none", "--seeds", "1", cwd=folder).seeds
    (run,) = found.runs
    assert (run.status, run.waits_for) == ("waiting", "approved")


@pytest.mark.timeout(120)
def test_people_read_tables_and_the_command_that_repeats_the_worst(folder: Path) -> None:
    done = simulate("approve.yaml", "--model", "model.yaml", "--seeds", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
    assert "every promise was kept" in done.stdout
    again = done.stdout.splitlines()[-1].rpartition(" simulate ")[2]
    shown = simulate(*shlex.split(again), cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "fault" in shown.stdout
    assert "run-1" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("--faults", "gremlins"), "no faults called gremlins", 2),
        (("--seeds", "0"), "--seeds is 0", 2),
        (("--model", "none.yaml"), "none.yaml cannot be read", 3),
        (("--model", "bad.yaml"), "unknown field `take`", 3),
    ],
)
def test_bad_input_is_refused(
    folder: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    (folder / "bad.yaml").write_text("tasks: {mail.send: {take: 2s}}")
    done = simulate("approve.yaml", *arguments, cwd=folder)
    assert done.returncode == code
    assert said in done.stderr


def test_the_model_of_the_documentation_is_read(folder: Path) -> None:
    page = (ROOT / "docs" / "howto" / "simulate.md").read_text()
    model = page.split('```yaml title="shop.model.yaml"')[1].split("```")[0]
    (folder / "shown.yaml").write_text(model)
    done = simulate("approve.yaml", "--model", "shown.yaml", "--seeds", "1", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seeds"]
