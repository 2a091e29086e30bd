"""The agent as a process over a real NATS: runs, drains, is killed, comes back."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
import msgspec
import pytest

from events.connection import Connection
from events.ids import Attempt
from events.messages import (
    Command,
    Commands,
    Completed,
    Execute,
    Failed,
    Granted,
    Heartbeat,
    Returned,
    Settle,
)
from events.streams import Topology
from events.subjects import Subjects
from orchestrator.adapters.embedded import EmbeddedNats
from orchestrator.adapters.nats.bus import NatsBus
from orchestrator.coordinator.ports import Lease

pytest_plugins = ["tests.servers"]
pytestmark = [pytest.mark.anyio, pytest.mark.real]
DEADLINE_S = 25.0
ROOT = Path(__file__).parents[2]

TASKS = '''
import os, sys, threading
import anyio
from node_agent import TaskContext, subprocess_task, task

@task(name="add")
async def add(left: int, right: int = 1) -> int:
    return left + right

@task(name="hold")
async def hold(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "held"

@task(name="stuck")
def stuck() -> None:
    threading.Event().wait(1000)

upper = subprocess_task("upper", [sys.executable, "-c", """
import json, sys
print("reading", file=sys.stderr)
print(json.dumps({k: v.upper() for k, v in json.load(sys.stdin).items()}))
"""])
fails = subprocess_task("fails", ["sh", "-c", "echo it went wrong >&2; exit 3"])
'''


class Coordinator:
    """Grants leases, sends commands, settles reports; keeps what it hears."""

    def __init__(self, bus: NatsBus) -> None:
        self.beats: list[Heartbeat] = []
        self.finals: dict[Attempt, Completed | Failed | Returned] = {}
        self._bus = bus
        self._news = anyio.Event()

    async def run(self, group: anyio.abc.TaskGroup) -> None:
        await self._bus.start()
        group.start_soon(self._answer)
        group.start_soon(self._read)

    async def send(self, *commands: Command) -> None:
        batch = Commands(coordinator="c", commands=commands)
        await self._bus.publish("n1", self.beats[-1].incarnation, batch)

    async def execute(self, step: str, task: str, **inputs: str | float) -> Attempt:
        attempt = Attempt("run", step, 0, 1)
        await self.send(Execute(attempt=attempt, shard=0, task=task, inputs=dict(inputs)))
        return attempt

    async def final(self, attempt: Attempt) -> Completed | Failed | Returned:
        await self.until(lambda: attempt in self.finals)
        return self.finals[attempt]

    async def until(self, is_so: Callable[[], bool]) -> None:
        with anyio.fail_after(DEADLINE_S):
            while not is_so():
                await self._news.wait()

    async def _answer(self) -> None:
        async for beat, reply_to in self._bus.heartbeats():
            self.beats.append(beat)
            self._ring()
            answer = Granted(
                coordinator="c",
                sequence=beat.sequence,
                incarnation=beat.incarnation,
                shards=(0,),
                lease_ttl_s=5.0,
            )
            await self._bus.answer_heartbeat(reply_to, answer)

    async def _read(self) -> None:
        async for deliveries in self._bus.reports([Lease(shard=0, epoch=1)]):
            for delivery in deliveries:
                finals = [
                    report
                    for report in delivery.reports.reports
                    if isinstance(report, (Completed, Failed, Returned))
                ]
                self.finals |= {report.attempt: report for report in finals}
                self._ring()
                if finals and self.beats:
                    await self.send(Settle(attempts=tuple(r.attempt for r in finals)))

    def _ring(self) -> None:
        self._news.set()
        self._news = anyio.Event()


class World:
    def __init__(self, folder: Path, url: str, coordinator: Coordinator) -> None:
        self.coordinator = coordinator
        self._folder = folder
        self._url = url
        self.agent: subprocess.Popen[str] | None = None
        (folder / "node_tasks.py").write_text(TASKS)

    def start(self, *more: str) -> subprocess.Popen[str]:
        self.agent = subprocess.Popen(
            self.command(*more), cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
        )
        return self.agent

    def command(self, *more: str) -> list[str]:
        where = ["--nats-url", self._url, "--data-dir", str(self._folder / "data")]
        tasks = ["--import", str(self._folder / "node_tasks.py")]
        return [sys.executable, "-m", "node_agent", "--node", "n1", *where, *tasks, *more]

    async def up(self, *more: str) -> None:
        """Starts an agent and waits until it is heard."""
        heard = len(self.coordinator.beats)
        self.start(*more)
        await self.coordinator.until(lambda: len(self.coordinator.beats) > heard)

    async def end(self, how: signal.Signals) -> tuple[int, str]:
        """Sends a signal; returns exit code and log."""
        assert self.agent is not None
        self.agent.send_signal(how)
        return await self.ended()

    async def ended(self) -> tuple[int, str]:
        assert self.agent is not None
        told = await anyio.to_thread.run_sync(told_until_its_end, self.agent)
        code, self.agent = self.agent.returncode, None
        return code, told

    def close(self) -> None:
        if self.agent is not None:
            self.agent.kill()
            self.agent.communicate(timeout=DEADLINE_S)


def told_until_its_end(agent: subprocess.Popen[str]) -> str:
    """The log of an agent that is about to end; of one that does not, where its threads are."""
    try:
        return agent.communicate(timeout=DEADLINE_S)[1]
    except subprocess.TimeoutExpired:
        agent.send_signal(signal.SIGABRT)
        told = agent.communicate(timeout=DEADLINE_S)[1]
        raise AssertionError(f"the agent did not end:\n{told}") from None


ENVIRONMENT = {
    **os.environ,
    "PYTHONFAULTHANDLER": "1",
    "DALSEGNO_HEARTBEAT_INTERVAL_S": "0.1",
    "DALSEGNO_CANCEL_GRACE_S": "0.5",
    "DALSEGNO_DRAIN_TIMEOUT_S": "1",
}


@pytest.fixture
async def world(
    tmp_path: Path, nats_server_private: EmbeddedNats, nats_prefix: str
) -> AsyncIterator[World]:
    connection = Connection(urls=(nats_server_private.url,))
    bus = NatsBus(connection, Topology(subjects=Subjects(nats_prefix)), "c")
    coordinator = Coordinator(bus)
    world = World(tmp_path, nats_server_private.url, coordinator)
    ENVIRONMENT["DALSEGNO_PREFIX"] = nats_prefix
    async with anyio.create_task_group() as group:
        await coordinator.run(group)
        try:
            yield world
        finally:
            world.close()
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await bus.close()


async def test_tasks_run_and_a_drained_agent_ends_with_zero(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "DALSEGNO_DRAIN_TIMEOUT_S", "20")
    coordinator = world.coordinator
    await world.up()
    add = await coordinator.execute("add", "add", left=2)
    upper = await coordinator.execute("upper", "upper", word="shout")
    fails = await coordinator.execute("fails", "fails")
    for attempt in (add, upper, fails):
        await coordinator.final(attempt)
    hold = await coordinator.execute("hold", "hold", seconds=1.0)
    await coordinator.until(lambda: any(hold in beat.held for beat in coordinator.beats))
    code, told = await world.end(signal.SIGTERM)
    assert code == 0, told
    report = coordinator.finals[add]
    assert isinstance(report, Completed)
    assert report.output == 3
    report = coordinator.finals[upper]
    assert isinstance(report, Completed)
    assert report.output == {"word": "SHOUT"}
    assert report.said is not None
    assert report.said.log == ("reading",)
    assert report.usage.cpu_s is not None
    report = coordinator.finals[fails]
    assert isinstance(report, Failed)
    assert report.failure.code == "exit_3"
    assert report.failure.message == "sh ended with exit_3: it went wrong"
    assert isinstance(await coordinator.final(hold), Completed)
    await coordinator.until(lambda: coordinator.beats[-1].leaving)


async def test_what_outlasts_the_drain_is_given_back_and_the_process_ends(world: World) -> None:
    coordinator = world.coordinator
    await world.up()
    hold = await coordinator.execute("hold", "hold", seconds=1000)
    stuck = await coordinator.execute("stuck", "stuck")
    await coordinator.until(lambda: len(coordinator.beats[-1].held) == 2)
    code, told = await world.end(signal.SIGTERM)
    assert code == 1, told
    for attempt in (hold, stuck):
        report = await coordinator.final(attempt)
        assert isinstance(report, Returned)
        assert (report.reason, report.started) == ("recalled", True)


async def test_a_killed_agent_comes_back_as_another_and_returns_what_it_held(world: World) -> None:
    coordinator = world.coordinator
    await world.up()
    hold = await coordinator.execute("hold", "hold", seconds=1000)
    await coordinator.until(lambda: hold in coordinator.beats[-1].held)
    first = coordinator.beats[-1].incarnation
    await world.end(signal.SIGKILL)
    await world.up()
    report = await coordinator.final(hold)
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("node_restarted", True)
    assert coordinator.beats[-1].incarnation > first


async def test_a_second_agent_of_the_same_node_is_refused(world: World) -> None:
    await world.up()
    ended = await anyio.run_process(world.command(), cwd=ROOT, env=ENVIRONMENT, check=False)
    assert ended.returncode == 2
    assert b"is in use by the agent with process id" in ended.stderr
    assert b"Traceback" not in ended.stderr


async def test_log_lines_may_be_json(world: World) -> None:
    ENVIRONMENT["DALSEGNO_LOG_FORMAT"] = "json"
    try:
        await world.up()
    finally:
        del ENVIRONMENT["DALSEGNO_LOG_FORMAT"]
    _, told = await world.end(signal.SIGTERM)
    lines = [msgspec.json.decode(line) for line in told.splitlines()]
    assert {line["node"] for line in lines} == {"n1"}
    assert any("incarnation" in line["message"] for line in lines)
