"""Workflow files are checked against the tasks that every agent has, whatever is imported."""

from pathlib import Path

import pytest

from orchestrator.authoring import InvalidDefinition
from orchestrator.cli.main import run
from orchestrator.cli.workflow import definitions
from orchestrator.cli.workflow.definitions import (
    AS_IT_IS,
    BUILT_IN,
    Reading,
    describe_tasks,
    load_checked,
)


def written(folder: Path, *steps: str) -> str:
    path = folder / "flow.yaml"
    path.write_text("\n".join(["workflow: flow", "steps:", *(f"  - {step}" for step in steps)]))
    return str(path)


ASKS = '{id: ask, task: http.request, with: {url: "https://shop.example"}}'
ASKS_WRONGLY = "{id: ask, task: http.request, with: {methd: GET}}"
WAITS_WRONGLY = "{id: wait, map: {items: 3, task: trace.task, with: {name: 7}}}"
OWN = "{id: own, task: shop.own, with: {whatever: 1}}"


def test_inputs_of_built_in_tasks_are_checked_without_an_import(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        load_checked(written(tmp_path, ASKS_WRONGLY, WAITS_WRONGLY, OWN), AS_IT_IS)
    message = str(caught.value)
    assert "http.request needs `url`" in message
    assert "did you mean `method`?" in message
    assert "steps[1].map.with.name" in message
    assert "shop.own" not in message


def test_other_tasks_are_somebody_elses_affair(tmp_path: Path) -> None:
    assert load_checked(written(tmp_path, ASKS, OWN), AS_IT_IS).name == "flow"


def test_with_an_import_every_task_has_to_be_known(tmp_path: Path) -> None:
    tasks = "from node_agent import task\n\n\n@task('shop.other')\ndef other() -> None: ...\n"
    (tmp_path / "some_tasks.py").write_text(tasks)
    reading = Reading(imports=[str(tmp_path / "some_tasks.py")])
    with pytest.raises(InvalidDefinition, match=r"shop\.own"):
        load_checked(written(tmp_path, ASKS, OWN), reading)


def test_the_agent_is_not_asked_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "describe_tasks", None)
    assert load_checked(written(tmp_path, OWN), AS_IT_IS).name == "flow"


def test_the_built_in_tasks_are_those_that_every_agent_has() -> None:
    assert describe_tasks(()).keys() == BUILT_IN


@pytest.mark.parametrize("verb", ["workflow check", "workflow register", "run start"])
def test_every_command_that_reads_a_file_refuses_it(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*verb.split(), written(tmp_path, ASKS_WRONGLY)]) == 3
    assert "http.request needs `url`" in capsys.readouterr().err
