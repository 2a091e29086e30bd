"""A process that samples its own stacks, told from outside when."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from orchestrator.adapters.host.processes import used, used_by_children
from orchestrator.adapters.host.stacks import UNKNOWN, innermost
from tests.architecture.tree import ROOT

BURN = """
import os, signal, sys, time
from pathlib import Path
from orchestrator.adapters.host.stacks import BEGIN, END, StackSampler

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

path = Path(sys.argv[1])
StackSampler(path, lambda module: "burning" if module == "__main__" else None).install()
burn(0.05)
os.kill(os.getpid(), BEGIN)
burn(0.2)
os.kill(os.getpid(), END)
burn(0.02)
"""


def test_samples_are_taken_by_cpu_time_between_two_signals(tmp_path: Path) -> None:
    path = tmp_path / "stacks.json"
    subprocess.run([sys.executable, "-c", BURN, str(path)], cwd=ROOT, check=True, timeout=20)
    counts = json.loads(path.read_text())
    assert set(counts) == {"burning"}
    assert 5 <= counts["burning"] <= 60  # 40, had the kernel no ticks of its own


def _frame() -> FrameType:
    return sys._getframe()


def _called(by: Callable[[], FrameType]) -> FrameType:
    return by()


def test_code_that_is_nobodys_counts_for_whoever_called_it() -> None:
    asked: list[str] = []

    def room(module: str) -> str | None:
        asked.append(module)
        return "caller" if len(asked) == 2 else None

    assert innermost(_called(_frame), room) == "caller"
    assert asked == [__name__] * 2


def test_a_stack_of_nobodys_is_other() -> None:
    assert innermost(None, lambda _: "never") == UNKNOWN
    assert innermost(_frame(), lambda _: None) == UNKNOWN


def test_a_process_is_counted_and_one_that_is_gone_is_not() -> None:
    me = used(os.getpid())
    assert me is not None
    assert me.cpu_s > 0
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.pid in {one.pid for one in used_by_children(os.getpid())}
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert used(child.pid) is None
    assert used_by_children(child.pid) == []
