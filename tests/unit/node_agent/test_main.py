"""The command line: what it describes, what it refuses, and with which exit code."""

import sys
from pathlib import Path

import msgspec
import pytest

from node_agent.__main__ import main

TASKS = '''
from node_agent import task, subprocess_task

@task(name="{name}")
async def add(left: int, right: int = 1) -> int:
    """Adds."""
    return left + right

cat = subprocess_task("cat", ["cat"])
'''


@pytest.fixture(autouse=True)
def clean_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test imports is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def module(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.py"
    path.write_text(text)
    return str(path)


def test_built_in_tasks_need_no_import(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--describe", "--json"]) == 0
    names = [one["name"] for one in msgspec.json.decode(capsys.readouterr().out)]
    assert "trace.task" in names


def test_tasks_are_described_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = module(tmp_path, "some_tasks", TASKS.format(name="add"))
    assert main(["--describe", "--json", "--import", path]) == 0
    described = msgspec.json.decode(capsys.readouterr().out)
    add, cat = (one for one in described if one["name"] in {"add", "cat"})
    assert (add["name"], add["kind"], add["description"]) == ("add", "async", "Adds.")
    assert add["parameters"]["required"] == ["left"]
    assert (cat["name"], cat["kind"]) == ("cat", "subprocess")


def test_tasks_are_described_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = module(tmp_path, "more_tasks", TASKS.format(name="add"))
    assert main(["--describe", "--import", path]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["add", "async", "Adds."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        (
            "import nowhere_to_be_found",
            "No module named 'nowhere_to_be_found'",
        ),
        ("x = 1", "declares no task: decorate its functions with @task()"),
        (TASKS.format(name=" "), "a task name has 1 to 200 printable characters"),
    ],
)
def test_modules_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = module(tmp_path, "bad_tasks", text)
    assert main(["--import", path]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_two_modules_with_one_task_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = module(tmp_path, "first_tasks", TASKS.format(name="add"))
    second = module(tmp_path, "second_tasks", TASKS.format(name="add"))
    assert main(["--describe", "--import", first, "--import", second]) == 2
    error = capsys.readouterr().err
    assert "first_tasks.add and second_tasks.add" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--import", "no.such.module"], "there is no module no on the import path"),
        (["--import", "node_agent.nothing"], "there is no module node_agent.nothing"),
        (["--import", "none/tasks.py"], "there is no such file"),
        (
            ["--import", "node_agent.bench", "--slots", "many"],
            "flag: agent.slots is 'many': expected a whole number",
        ),
        (["--import", "node_agent.bench", "--config", "none.toml"], "no configuration file"),
    ],
)
def test_bad_arguments_end_with_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_file_called_like_a_loaded_module_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = module(tmp_path, "json", TASKS.format(name="add"))
    assert main(["--import", path]) == 2
    assert "a module called json is loaded already; rename the file" in capsys.readouterr().err


def test_the_same_module_twice_is_once(tmp_path: Path) -> None:
    path = module(tmp_path, "twice_tasks", TASKS.format(name="add"))
    assert main(["--describe", "--import", path, "--import", path]) == 0


def test_settings_are_shown_with_their_sources_and_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALSEGNO_NATS__PASSWORD", "hunter2")
    monkeypatch.setenv("DALSEGNO_CREDITS", "7")
    assert main(["--show-config", "--json", "--slots", "3"]) == 0
    told = capsys.readouterr().out
    assert "hunter2" not in told
    shown = {one["name"]: (one["value"], one["source"]) for one in msgspec.json.decode(told)}
    assert shown["agent.slots"] == (3, "flag")
    assert shown["agent.credits"] == (7, "environment")
    assert shown["nats.password"] == ("***", "environment")
    assert shown["agent.data_dir"] == (".dalsegno", "default")
    assert main(["--show-config"]) == 0
