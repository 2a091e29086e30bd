"""Programs as real processes: output, exit codes, limits, and that nothing outlives anybody."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import anyio
import psutil
import pytest

from node_agent.adapters.processes import MARK, HostProcesses
from node_agent.executors.processes import Finished, Job

DEADLINE_S = 15.0


@pytest.fixture
def processes(request: pytest.FixtureRequest) -> Iterator[HostProcesses]:
    mark = f"test-{os.getpid()}-{request.node.name}"
    runner = HostProcesses(mark, os.environ, stop_grace_s=0.3)
    yield runner
    runner.close()
    assert marked(mark) == []


def marked(mark: str) -> list[int]:
    """Processes that carry the mark, the warden not among them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def python(
    code: str,
    stdin: bytes = b"{}",
    is_cancelled: Callable[[], bool] = lambda: False,
    output_bytes_max: int = 1_000_000,
) -> tuple[Job, list[str]]:
    lines: list[str] = []
    job = Job((sys.executable, "-c", code), stdin, {}, lines.append, is_cancelled, output_bytes_max)
    return job, lines


def until(is_so: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(round(DEADLINE_S / 0.02)):
        if is_so():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not happen in time")


def test_a_program_reads_stdin_and_writes_stdout_and_lines(processes: HostProcesses) -> None:
    job, lines = python(
        "import sys; d = sys.stdin.read(); print('one\\ntwo', file=sys.stderr); print(d * 2)",
        stdin=b"x" * 500_000,
    )
    finished = processes.run(job)
    assert (finished.exit_code, len(finished.output)) == (0, 1_000_000)
    assert finished.is_too_large
    assert lines == ["one", "two"]


def test_its_use_is_measured(processes: HostProcesses) -> None:
    """It is measured whenever it has taken more of its input, and lives until the last of it."""
    code = "import sys; b = bytearray(300_000_000); n = sum(range(6_000_000)); sys.stdin.read()"
    finished = processes.run(python(code, stdin=b"x" * 1_000_000)[0])
    assert finished.cpu_s is not None
    assert finished.cpu_s > 0.02
    assert finished.memory_peak_bytes is not None
    assert 300_000_000 < finished.memory_peak_bytes < 600_000_000


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.close(0); os.close(1); os.close(2)", 0),
    ],
)
def test_how_it_ended_is_told(processes: HostProcesses, code: str, exit_code: int) -> None:
    assert processes.run(python(code, stdin=b"x" * 1_000_000)[0]).exit_code == exit_code


@pytest.mark.edge("STDERR_LINE_BYTES_MAX")
def test_a_line_without_end_is_split(processes: HostProcesses) -> None:
    job, lines = python("import sys; sys.stderr.write('x' * 100_000); sys.stderr.write('é')")
    processes.run(job)
    assert max(map(len, lines)) <= 8_192
    assert lines[-1].endswith("é")


def test_what_cannot_be_started_is_an_error(processes: HostProcesses) -> None:
    job = Job(("./nothing-of-this-name",), b"", {}, print, lambda: False, 100)
    with pytest.raises(FileNotFoundError):
        processes.run(job)


def test_a_cancelled_program_may_end_by_itself(processes: HostProcesses) -> None:
    code = """
import signal, sys, threading
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
print("up", file=sys.stderr, flush=True)
while not ended.is_set(): ended.wait(0.01)
print("1")
"""
    lines: list[str] = []
    job = Job((sys.executable, "-c", code), b"", {}, lines.append, lambda: bool(lines), 100)
    finished = processes.run(job)
    assert (finished.exit_code, finished.output) == (0, b"1\n")


GROUP = """
import os, subprocess, sys, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True);"
    "time.sleep(1000)"], stdout=subprocess.PIPE, {extra})
child.stdout.readline()
print(os.getpid(), child.pid, file=sys.stderr, flush=True)
{then}
"""


def group(then: str, extra: str = "") -> str:
    return GROUP.format(then=then, extra=extra)


def test_a_cancelled_group_that_ignores_it_is_killed(processes: HostProcesses) -> None:
    lines: list[str] = []
    code = group("import time; time.sleep(1000)")
    job = Job((sys.executable, "-c", code), b"", {}, lines.append, lambda: bool(lines), 100)
    assert processes.run(job).exit_code == -9
    pids = [int(pid) for pid in lines[0].split()]
    until(lambda: not any(map(alive, pids)))


def test_children_that_a_program_leaves_behind_are_killed(processes: HostProcesses) -> None:
    job, lines = python(group("raise SystemExit(0)"))
    assert processes.run(job).exit_code == 0
    until(lambda: not any(alive(int(pid)) for pid in lines[0].split()))


AGENT = """
import os, sys
from node_agent.adapters.processes import HostProcesses
from node_agent.executors.processes import Job

job = Job((sys.executable, "-c", sys.argv[2]), b"", {},
          lambda line: print(line, flush=True), lambda: False, 100)
HostProcesses(sys.argv[1], os.environ, 1.0).run(job)
"""


@pytest.mark.parametrize("extra", ["", "start_new_session=True"])
def test_nothing_outlives_an_agent_that_is_killed(extra: str) -> None:
    mark = f"killed-{os.getpid()}-{len(extra)}"
    code = group("import time; time.sleep(1000)", extra)
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, mark, code], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    pids = [int(pid) for pid in agent.stdout.readline().split()]
    assert all(map(alive, pids))
    agent.kill()
    agent.wait()
    agent.stdout.close()
    until(lambda: not marked(mark))
    until(lambda: not any(map(alive, pids)))


def test_a_killed_warden_is_replaced(processes: HostProcesses) -> None:
    processes.run(python("pass")[0])
    wardens = [p for p in psutil.Process().children() if "warden.py" in " ".join(p.cmdline())]
    (warden,) = wardens
    warden.send_signal(signal.SIGKILL)
    until(lambda: warden.status() == psutil.STATUS_ZOMBIE)
    processes.run(python("pass")[0])
    running = [p for p in psutil.Process().children() if "warden.py" in " ".join(p.cmdline())]
    assert len(running) == 1


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_several_run_side_by_side(processes: HostProcesses) -> None:
    async def run() -> None:
        finished: list[Finished] = []

        async def one(n: int) -> None:
            job, _ = python(f"print({n})")
            finished.append(await anyio.to_thread.run_sync(processes.run, job))

        async with anyio.create_task_group() as tasks:
            for n in range(6):
                tasks.start_soon(one, n)
        assert sorted(int(end.output) for end in finished) == list(range(6))

    anyio.run(run)
