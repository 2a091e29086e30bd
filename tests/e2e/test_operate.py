"""docs/howto/operate.md is followed at night: a failed run, one that waits, a node with a bad
disk."""

import os
import sys
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.command_line import dalsegno, dev, environment
from tests.e2e.walkthrough import follow

pytest_plugins = ["tests.servers"]

PAGE = (ROOT / "docs/howto/operate.md").read_text("utf-8")
TASKS = """
from node_agent import TaskContext, TaskError, task


@task(name="night.read")
def read() -> list[str]:
    return ["a", "b"]


@task(name="night.load")
def load(ctx: TaskContext, rows: list[str]) -> int:
    if ctx.run_id == "nightly-17":
        raise TaskError("too_late", "the file is not there yet")
    return len(rows)
"""
NIGHTLY = """
workflow: nightly
steps:
  - {id: read, task: night.read}
  - {id: load, task: night.load, with: {rows: "${ steps.read.output }"}}
"""
ORDER = """
workflow: order
steps:
  - {id: approval, wait: {signal: approved}}
output: ${ steps.approval.output.by }
"""


@pytest.mark.timeout(150)
def test_the_night_shift_finds_what_is_wrong_and_mends_it(data_folder: Path) -> None:
    for name, text in {"tasks.py": TASKS, "nightly.yaml": NIGHTLY, "order.yaml": ORDER}.items():
        (data_folder / name).write_text(text, "utf-8")
    theirs = environment()
    theirs["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), theirs["PATH"]])
    with dev(data_folder, "--agents", "2", "--import", "tasks.py"):
        failed = dalsegno(
            data_folder, "run", "start", "nightly.yaml", "--id", "nightly-17", "--wait"
        )
        assert failed.code == 1, failed
        for order in ("order-17", "order-18"):
            begun = dalsegno(data_folder, "run", "start", "order.yaml", "--id", order)
            assert begun.code == 0, begun
        follow(PAGE, data_folder, theirs, frozenset())
        mended = dalsegno(data_folder, "run", "show", "nightly-17b", "--json")
    assert (mended.json["status"], mended.json["output"]) == ("completed", 2)
