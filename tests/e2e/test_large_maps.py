"""Maps in parts on a real cluster, from the shell: a list by file, results by reference."""

import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import dalsegno, dev

ITEMS = 1_200
CHARS = 1_000
TASKS = """
from node_agent import task


@task("names.shout")
def shout(name: str, mark: str) -> str:
    return name.upper() + mark


@task("names.size")
def size(name: str) -> int:
    return len(name)
"""
FLOW = """
workflow: large
steps:
  - id: shout
    map:
      items: ${ input.names }
      task: names.shout
      with: {name: "${ iteration.item }", mark: "${ input.mark }"}
  - id: sizes
    map: {items: "${ steps.shout.output }", task: names.size, with: {name: "${ iteration.item }"}}
output: {count: "${ steps.shout.output.count }", sizes: "${ steps.sizes.output }"}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-maps-"))
    made.chmod(0o755)
    (made / "names.py").write_text(TASKS)
    (made / "large.yaml").write_text(FLOW)
    with dev(made, "--import", "names.py"):
        yield made
    shutil.rmtree(made)


@pytest.mark.timeout(300)
def test_a_large_list_by_file_goes_through_two_maps(folder: Path) -> None:
    names = [f"{number:05}" + "x" * CHARS for number in range(ITEMS)]
    (folder / "input.json").write_text(json.dumps({"names": names, "mark": "!"}))
    start = ("run", "start", "large.yaml", "--input", "@input.json", "--id", "big", "--wait")
    done = dalsegno(folder, *start, "--json")
    assert done.code == 0, done
    output = json.loads(done.out)["output"]
    assert output == {"count": ITEMS, "sizes": [5 + CHARS + 1] * ITEMS}
    written = dalsegno(folder, "run", "values", "big", "--of", "steps.shout.output")
    assert [json.loads(line) for line in written.out.splitlines()] == [
        name.upper() + "!" for name in names
    ]
    listed = json.loads(dalsegno(folder, "run", "list", "--limit", "100", "--json").out)
    assert {run["status"] for run in listed} == {"completed"}
    assert len(listed) > 2 * math.ceil(ITEMS / 1000)
    assert max(run["version"] for run in listed) < 3 * 1000
    verified = dalsegno(folder, "verify", "big")
    assert verified.code == 0, verified
