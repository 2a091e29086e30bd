"""The public test client for debug adapters, in Node, drives `dalsegno dap`: on a real cluster with
real runs, and on files that were exported from it. `make test-editor` installs what it needs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT
from tests.e2e.command_line import dalsegno, dev, environment
from tests.editor import scene

HERE = Path(__file__).parent
DALSEGNO = Path(sys.executable).with_name("dalsegno")
FORMATS = ("jsonl", "bundle")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where a `dev` runs; a run has ended there and was exported, another one waits."""
    made = Path(tempfile.mkdtemp(prefix="dalsegno-editor-"))
    made.chmod(0o755)  # the server may run as another user
    texts = {
        "orders.yaml": scene.ORDERS,
        "bills.py": scene.BILLS,
        "waiting.yaml": scene.WAITING,
        "tasks.py": scene.TASKS,
    }
    for name, text in texts.items():
        (made / name).write_text(text)
    with dev(made, "--import", "tasks.py"):
        assert dalsegno(made, "workflow", "register", "bills.py").code == 0
        given = ("--input", json.dumps(scene.INPUT), "--id", "order-1", "--wait")
        for start in (("orders.yaml", *given), ("waiting.yaml", "--id", "waiting-1")):
            done = dalsegno(made, "run", "start", *start)
            assert done.code == 0, done
        for kind in FORMATS:
            file = ("--format", kind, "--output", f"orders.{kind}")
            done = dalsegno(made, "events", "export", "order-1", *file)
            assert done.code == 0, done
        yield made
    shutil.rmtree(made)


@pytest.mark.timeout(280)
def test_the_public_client_drives_the_adapter(folder: Path) -> None:
    told = {
        "folder": str(folder),
        "dalsegno": str(DALSEGNO),
        "run": "order-1",
        "waiting": "waiting-1",
        "files": [f"orders.{kind}" for kind in FORMATS],
    }
    done = subprocess.run(
        ["npm", "test", "--silent"],
        cwd=HERE,
        env={**environment(), "EDITOR_SCENE": json.dumps(told), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_extension_is_packed_whole() -> None:
    """As `make vscode` has packed it, from what is there now."""
    source = ROOT / "deploy/vscode"
    with zipfile.ZipFile(ROOT / "dist/dalsegno.vsix") as packed:
        inside = {name.removeprefix("extension/"): packed.read(name) for name in packed.namelist()}
    for name in ("package.json", "extension.js", "command.js", "launch.json"):
        assert inside[name] == (source / name).read_bytes(), name
    assert inside["readme.md"] == (source / "README.md").read_bytes()
    assert b'Id="dalsegno" Version=' in inside["extension.vsixmanifest"]
