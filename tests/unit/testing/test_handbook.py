"""What the handbook shows is run as a user would: by pytest, in a folder of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_pass_under_plain_pytest(tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs/howto/testing.md").read_text("utf-8"))
    (tmp_path / "test_orders.py").write_text("\n\n".join(blocks))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "--basetemp",
            "tmp",
            "-p",
            "no:cacheprovider",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    written = re.findall(r"def (test_\w+)", "\n".join(blocks))
    assert f"{len(written)} passed" in done.stdout
