"""No decision asks the clock, rolls dice or reads the environment: the linter refuses it."""

import re
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT, modules, project

CALLS = [
    "import time\ntime.time()",
    "import time\ntime.time_ns()",
    "from time import monotonic\nmonotonic()",
    "import time\ntime.perf_counter()",
    "import time\ntime.sleep(1)",
    "import datetime\ndatetime.datetime.now(datetime.UTC)",
    "from datetime import date\ndate.today()",
    "import random\nrandom.random()",
    "from random import Random\nRandom()",
    "import secrets\nsecrets.token_hex()",
    "import uuid\nuuid.uuid4()",
    "import os\nos.urandom(8)",
    "import os\nos.environ['HOME']",
    "from os import getenv\ngetenv('HOME')",
]
DECIDING = [
    "events/probe.py",
    "orchestrator/kernel/probe.py",
    "orchestrator/coordinator/probe.py",
    "orchestrator/authoring/probe.py",
    "orchestrator/replay/probe.py",
    "node_agent/probe.py",
]


@pytest.mark.parametrize("call", CALLS)
def test_the_kernel_may_not(call: str) -> None:
    assert "TID251" in _lint(call, "orchestrator/kernel/probe.py")


@pytest.mark.parametrize("path", DECIDING)
def test_no_room_that_decides_may(path: str) -> None:
    assert "TID251" in _lint(CALLS[0], path)


@pytest.mark.parametrize("path", ["orchestrator/adapters/x/probe.py", "node_agent/bootstrap.py"])
def test_the_edges_may(path: str) -> None:
    assert "TID251" not in _lint(CALLS[0], path)


def test_pure_rooms_silence_nothing() -> None:
    silenced = [
        f"{module.path}:{number}"
        for module in modules("events", "orchestrator/kernel")
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.search(r"noqa:.*\b(TID|DTZ|S311)", line)
    ]
    assert not silenced, f"the ban on clock and randomness is lifted in a pure room: {silenced}"


def test_every_ban_says_what_to_do_instead() -> None:
    lint = project()["tool"]["ruff"]["lint"]
    bans = lint["flake8-tidy-imports"]["banned-api"]
    assert all(ban["msg"] for ban in bans.values())


def _lint(source: str, path: str) -> str:
    """What ruff says to the source if it lay at the path."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise"]
    outcome = subprocess.run(
        [*command, "--stdin-filename", path, "-"],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode in {0, 1}, outcome.stderr
    return outcome.stdout
