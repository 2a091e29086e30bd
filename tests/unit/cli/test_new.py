"""`dalsegno new`: what it writes is right, what it refuses is left as it is."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.cel import CelExpressions
from orchestrator.authoring import check, load
from orchestrator.authoring.form_schema import form_schema_text
from orchestrator.cli.main import run
from orchestrator.cli.workflow.definitions import checked, describe_tasks


def made(folder: Path, *flags: str) -> Path:
    assert run(["new", str(folder), *flags]) == 0
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


@pytest.fixture(autouse=True)
def _tasks_of_other_projects() -> Iterator[None]:
    """Every project has a module `tasks`, and this process would keep the first one."""
    yield
    sys.modules.pop("tasks", None)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_both_forms_are_one_workflow(elsewhere: Path) -> None:
    python, yaml = made(Path("one/shop")), made(Path("two/shop"), "--yaml")

    written = [".gitignore", "README.md", "tasks.py", "test_workflow.py", "workflow.py"]
    assert names(python) == written
    assert load(python / "workflow.py") == load(yaml / "workflow.yaml")
    assert check(load(python / "workflow.py"), CelExpressions()).is_accepted
    assert (yaml / "workflow.schema.json").read_text() == form_schema_text()


def test_its_tasks_take_what_the_workflow_gives(tmp_path: Path) -> None:
    project = made(tmp_path / "shop", "--yaml")
    schemas = describe_tasks([str(project / "tasks.py")])

    assert checked(str(project / "workflow.yaml"), schemas).name == "shop"


def test_nothing_is_left_to_fill_in(tmp_path: Path) -> None:
    for flags in ([], ["--yaml"]):
        for path in made(tmp_path / f"shop{len(flags)}", *flags).iterdir():
            assert "{{" not in path.read_text("utf-8"), path


def test_the_next_commands_are_told(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(Path("shop"))

    assert capsys.readouterr().out.splitlines()[1:] == [
        "Next:",
        "  cd shop",
        """  dalsegno try workflow.py --input '{"items": ["pen", "book"]}'""",
        "  pytest",
    ]


def test_the_current_folder_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    made(Path(), "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["project"] == "shop"
    assert sorted(told["files"]) == names(Path())


@pytest.mark.parametrize("name", ["1st", "a b", "a.b", "-x", "é", "a" * 51, "_a", "a\n"])
def test_a_wrong_name_is_refused(
    elsewhere: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", "--", name]) == 3
    assert "is no name for a project: use letters" in capsys.readouterr().err
    assert not list(elsewhere.iterdir())


def test_the_longest_name_is_taken(elsewhere: Path) -> None:
    assert check(load(made(Path("a" * 50)) / "workflow.py"), CelExpressions()).is_accepted


def test_a_folder_with_something_in_it_is_refused(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "shop").mkdir()
    (elsewhere / "shop/notes").write_text("mine")

    assert run(["new", "shop"]) == 3
    assert "is not empty: name another folder" in capsys.readouterr().err
    assert names(Path("shop")) == ["notes"]


def test_what_cannot_be_written_leaves_nothing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "file").write_text("")
    assert run(["new", "file"]) == 3
    assert run(["new", "file/shop"]) == 3

    # A link to nowhere looks like no file, and cannot be made anew: the last file of all.
    (elsewhere / "shop").mkdir()
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))
    (elsewhere / "shop/.gitignore").symlink_to("nowhere")
    assert run(["new", "shop"]) == 3
    assert names(Path("shop")) == [".gitignore"]
    assert "cannot be written" in capsys.readouterr().err
