"""`try`: one run, embedded, gone afterwards. And the demo."""

from pathlib import Path

import pytest

from tests.e2e.command_line import TASKS, dalsegno, none_is_left

pytest_plugins = ["tests.servers"]


@pytest.mark.timeout(120)
def test_a_run_that_completes_exits_0(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text(TASKS)
    done = dalsegno(tmp_path, "try", "greet.py", "--input", '{"name": "bo", "fail": false}')
    assert done.code == 0, done
    assert "completed" in done.out
    assert "HELLO BO" in done.out
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["greet.py"]


@pytest.mark.timeout(120)
def test_a_run_that_fails_exits_1_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text(TASKS)
    (tmp_path / "input.json").write_text('{"name": "bo", "fail": true}')
    done = dalsegno(tmp_path, "try", "greet.py", "--input", "@input.json", "--json")
    assert done.code == 1, done
    run = done.json
    assert run["status"] == "failed"
    assert run["error"] == {
        "code": "too_loud",
        "message": "no shouting here",
        "step": "shout",
        "details": None,
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{id: a, task: greet.helo}", "did you mean `greet.hello`?"),
        ("{id: a, task: greet.hello, with: {name: 3}}", "expected string, found 3"),
    ],
)
def test_tasks_are_checked_before_anything_starts(tmp_path: Path, step: str, said: str) -> None:
    (tmp_path / "greet.py").write_text(TASKS)
    (tmp_path / "bad.yaml").write_text(f"workflow: bad\nsteps:\n  - {step}\n")
    done = dalsegno(tmp_path, "try", "bad.yaml", "--import", "greet.py", "--json")
    assert done.code == 3, done
    assert said in done.err


@pytest.mark.timeout(120)
def test_the_demo_ends_well_and_leaves_nothing(tmp_path: Path, data_folder: Path) -> None:
    quick = {"DALSEGNO_ENGINE__ATTEMPT_LEASE_TTL_S": "2"}  # an agent is killed
    done = dalsegno(tmp_path, "demo", TMPDIR=str(data_folder), **quick)
    assert done.code == 0, done
    assert "is killed with SIGKILL while it runs" in done.out
    assert "coordinator is killed with SIGKILL" in done.out
    assert "attempt 2" in done.out
    assert "byte-identical" in done.out
    assert "35 tasks, each completed" in done.out
    assert none_is_left(str(data_folder))
    assert not list(data_folder.iterdir())
    assert not list(tmp_path.iterdir())
