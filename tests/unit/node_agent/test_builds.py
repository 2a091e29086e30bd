"""Build ids: the same for the same code anywhere, another for any other code."""

import subprocess
import sys
from pathlib import Path

import pytest

TASKS = """
from node_agent import task
import {helper}

@task(name="t")
def run() -> int:
    return 1
"""
ASK = """
import sys
from node_agent.builds import build_of
from node_agent.importing import load_registry
load_registry(sys.argv[2:])
print(build_of(sys.argv[2:], sys.argv[1]))
"""


def build(folder: Path, *places: str, release: str = "1.0") -> str:
    """As a process of its own finds it, in the folder."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, release, *places],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{Path(__file__).parents[3]}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def host(folder: Path) -> Path:
    """A folder with a file of tasks, a package of tasks, and what they import."""
    (folder / "shop" / "inner").mkdir(parents=True)
    (folder / "tasks.py").write_text(TASKS.format(helper="helper"))
    (folder / "helper.py").write_text("ONE = 1\n")
    (folder / "other.py").write_text("TWO = 2\n")
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "shop" / "inner" / "__init__.py").write_text("ONE = 1\n")
    (folder / "shop" / "tasks.py").write_text(TASKS.format(helper="shop.inner"))
    return folder


@pytest.mark.parametrize("place", ["tasks.py", "./tasks.py", "shop.tasks"])
def test_the_same_code_is_the_same_build_wherever_it_lies(tmp_path: Path, place: str) -> None:
    one, other = host(tmp_path / "one"), host(tmp_path / "two" / "deeper")
    assert build(one, place) == build(other, place)
    assert len(build(one, place)) == 12


@pytest.mark.parametrize(
    ("place", "changed", "differs"),
    [
        ("tasks.py", "tasks.py", True),
        ("tasks.py", "helper.py", True),
        ("tasks.py", "other.py", False),
        ("shop.tasks", "shop/tasks.py", True),
        ("shop.tasks", "shop/inner/__init__.py", True),
        ("shop.tasks", "helper.py", False),
    ],
)
def test_a_line_of_it_makes_another_build(
    tmp_path: Path, place: str, changed: str, differs: bool
) -> None:
    folder = host(tmp_path / "host")
    before = build(folder, place)
    with (folder / changed).open("a") as file:
        file.write("# changed\n")
    assert (build(folder, place) != before) == differs


def test_another_release_is_another_build(tmp_path: Path) -> None:
    folder = host(tmp_path / "host")
    assert build(folder, "tasks.py") != build(folder, "tasks.py", release="1.1")


def test_without_modules_it_is_the_release_alone(tmp_path: Path) -> None:
    assert build(tmp_path) == build(tmp_path)
    assert build(tmp_path) != build(tmp_path, release="1.1")
