"""`dalsegno dev --logs 2`: several logs on one machine, to try what that is like."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import TASKS, dalsegno, dev

RUNS = [f"run-{number}" for number in range(6)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a server started by root may enter."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-tests-cli-"))
    made.chmod(0o755)
    (made / "flow.py").write_text(TASKS)
    yield made
    shutil.rmtree(made)


@pytest.mark.timeout(180)
def test_dev_has_as_many_logs_as_asked_for(folder: Path) -> None:
    with dev(folder, "--logs", "2", "--import", "flow.py"):
        for run_id in RUNS:
            start = ["run", "start", "flow.py", "--id", run_id, "--wait"]
            done = dalsegno(folder, *start, "--input", '{"name": "ada", "fail": false}')
            assert done.code == 0, done
        listed = json.loads(dalsegno(folder, "run", "list", "--json").out)
        assert [run["run_id"] for run in listed] == RUNS[::-1]
        tail = dalsegno(folder, "events", "tail", "--stream", "run:", "--json", "--limit", "200")
        found = [json.loads(line) for line in tail.out.splitlines()]
        assert {one["log"] for one in found} == {"log-1", "log-2"}
    refused = dalsegno(folder, "dev")
    assert refused.code == 2, refused
    assert "log log-1 of a cluster with log log-1 with shards 0-3" in refused.err
