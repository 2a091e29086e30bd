"""The agent's edge with real handlers, over a bus and a journal in memory."""

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from events.errors import Misconfigured, Unavailable
from events.messages import Cancel, Completed, Execute, Failed, Progressed, Returned
from events.values import Value
from node_agent import (
    Outcome,
    TaskCancelled,
    TaskContext,
    TaskError,
    interceptor,
    subprocess_task,
    task,
)
from node_agent.adapters.clock import SystemClock
from node_agent.adapters.memory_journal import MemoryJournal
from node_agent.agent import Agent, Parts
from node_agent.core import AgentCore
from node_agent.executors.execution import Surroundings
from node_agent.executors.handlers import Handlers
from node_agent.executors.processes import Finished, Job
from node_agent.inbox import Inbox
from node_agent.journal import Ended, JournalPort, Live, Record
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.registry import TaskRegistry
from node_agent.settings import Settings
from node_agent.steps import DrainRequested
from node_agent.tasks import AnyTask, Arguments, Handler, InterceptorMark
from tests.unit.node_agent.fakes import DEADLINE_S, FakeBus, FakeHost, attempt, execute

pytestmark = pytest.mark.anyio


class NoProcesses:
    def run(self, job: Job) -> Finished:
        raise FileNotFoundError(2, "No such file or directory")

    def close(self) -> None: ...


class Vault:
    def resolve(self, name: str) -> str | None:
        return {"db": "hunter2"}.get(name)


@asynccontextmanager
async def aclosing_bus(bus: FakeBus) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await bus.close()


class World:
    """One agent with its surroundings."""

    def __init__(
        self,
        tasks: tuple[AnyTask, ...],
        interceptors: tuple[InterceptorMark, ...] = (),
        journal: JournalPort | None = None,
        **settings: Value,
    ) -> None:
        registry = TaskRegistry(tasks, [mark.function for mark in interceptors])
        self.bus = FakeBus()
        self.inbox = Inbox()
        self.journal = journal or MemoryJournal()
        clock = SystemClock()
        chosen = Settings(node="n1", tasks=registry.names, slots=8, credits=32)
        self.core = AgentCore(msgspec.structs.replace(chosen, **settings), lambda at: f"i{at}")
        handlers = Handlers(anyio.CapacityLimiter(8), clock, NoProcesses(), 1000)
        surroundings = Surroundings(
            registry=registry,
            handlers=handlers,
            clock=clock,
            secrets=Vault(),
            lists=ListReader(self.bus),
            keeper=Keeper(self.inbox.put),
            signal=self.inbox.signal,
            ended=self.inbox.put,
            output_bytes_max=1000,
        )
        parts = Parts(
            core=self.core,
            inbox=self.inbox,
            bus=self.bus,
            journal=self.journal,
            surroundings=surroundings,
            host=FakeHost(),
        )
        self.agent = Agent(parts)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeBus]:
        with anyio.fail_after(DEADLINE_S):
            async with aclosing_bus(self.bus), anyio.create_task_group() as group:
                group.start_soon(self.agent.run, ())
                yield self.bus
                self.inbox.put(DrainRequested())
                self.inbox.put(DrainRequested())

    async def outcome(self, command: Execute) -> Completed | Failed | Returned:
        """Runs one attempt to its end."""
        async with self.running() as bus:
            bus.send(command)
            (report,) = await bus.until_final(command.attempt)
            return report


# -- handlers -------------------------------------------------------------------------------------


@task(name="t")
async def add(left: int, right: int = 1) -> int:
    return left + right


@task(name="plain")
def plain(left: int) -> str:
    return f"{left} in {threading.current_thread() is threading.main_thread()}"


@task(name="outcome")
async def named(ctx: TaskContext) -> Outcome:
    return Outcome("late", {"step": ctx.step})


@task(name="broken")
async def broken() -> None:
    raise TaskError("no_luck", "try later", {"luck": 0})


async def test_an_async_handler() -> None:
    report = await World((add,)).outcome(execute(task="t", left=2))
    assert isinstance(report, Completed)
    assert report.output == 3
    assert report.usage.input_bytes == len(b'{"left":2}')
    assert report.usage.output_bytes == 1
    assert report.usage.cpu_s is None
    assert 0 < report.started_at <= report.ended_at


async def test_a_plain_handler_runs_in_a_thread_and_its_cpu_is_measured() -> None:
    report = await World((plain,)).outcome(execute(task="plain", left=2))
    assert isinstance(report, Completed)
    assert report.output == "2 in False"
    assert report.usage.cpu_s is not None


async def test_a_named_outcome() -> None:
    report = await World((named,)).outcome(execute(task="outcome"))
    assert isinstance(report, Completed)
    assert (report.outcome, report.output) == ("late", {"step": "a"})


async def test_failures() -> None:
    world = World((add, broken))
    async with world.running() as bus:
        bus.send(execute("bad", task="t", left="two"), execute("broken", task="broken"))
        bad, failed = await bus.until_final(attempt("bad"), attempt("broken"))
    assert isinstance(bad, Failed)
    assert isinstance(failed, Failed)
    assert bad.failure.code == "invalid_inputs"
    assert bad.failure.message == "task t: parameter 'left': expected int, got str"
    assert not bad.retryable
    assert failed.failure.code == "no_luck"
    assert failed.retryable


@task(name="large")
async def large() -> str:
    return "x" * 2000


async def test_a_large_output_fails_its_attempt() -> None:
    report = await World((large,)).outcome(execute(task="large"))
    assert isinstance(report, Failed)
    assert report.failure.code == "payload_too_large"


@task(name="told")
async def told(ctx: TaskContext) -> dict[str, Value]:
    ctx.log.info("attempt %d of %s", ctx.attempt, ctx.secrets.get("db"))
    ctx.note("a remark")
    ctx.emit("happened", {"n": 1})
    return {
        "key": ctx.idempotency_key,
        "token": ctx.token,
        "details": ctx.details,
        "inputs": ctx.inputs,
        "run": ctx.run_id,
        "workflow": ctx.workflow,
    }


async def test_a_handler_knows_its_attempt_and_may_speak(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dalsegno.task")
    command = msgspec.structs.replace(
        execute(task="told", number=2), token=17, details={"at": 5}, workflow="w"
    )
    report = await World((told,)).outcome(command)
    assert isinstance(report, Completed)
    assert report.output == {
        "key": "run-1/a~0",
        "token": 17,
        "details": {"at": 5},
        "inputs": {},
        "run": "run-1",
        "workflow": "w",
    }
    assert report.said is not None
    assert report.said.log == ("INFO attempt 2 of ***",)
    assert report.said.notes == ("a remark",)
    assert [event.name for event in report.said.emitted] == ["happened"]
    (record,) = [r for r in caplog.records if r.name == "dalsegno.task"]
    assert record.__dict__["run_id"] == "run-1"
    assert record.getMessage() == "attempt 2 of ***"


@task(name="unknown_secret")
async def unknown_secret(ctx: TaskContext) -> str:
    return ctx.secrets.get("nobody")


async def test_an_unknown_secret_fails() -> None:
    report = await World((unknown_secret,)).outcome(execute(task="unknown_secret"))
    assert isinstance(report, Failed)
    assert report.failure.code == "unknown_secret"


# -- progress and cancellation --------------------------------------------------------------------


@task(name="beating")
def beating(ctx: TaskContext) -> str:
    """A plain handler that beats from its thread until it is cancelled."""
    ctx.progress(0.25, "a quarter")
    ctx.heartbeat({"row": 7})
    if ctx.wait_cancelled(DEADLINE_S):
        ctx.raise_if_cancelled()
    return "was not cancelled"


async def test_a_plain_handler_sees_its_cancellation_and_its_progress_arrives() -> None:
    async with World((beating,)).running() as bus:
        bus.send(execute(task="beating"))
        await bus.until(lambda: any(isinstance(r, Progressed) for r in bus.reports))
        bus.send(Cancel(attempt=attempt(), shard=0))
        (report,) = await bus.until_final(attempt())
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("recalled", True)
    progress = [r for r in bus.reports if isinstance(r, Progressed)]
    assert (progress[-1].details, progress[-1].fraction) == ({"row": 7}, 0.25)


@task(name="waiting")
async def waiting(ctx: TaskContext) -> str:
    ctx.heartbeat()
    try:
        await anyio.sleep(3600)
    finally:
        ctx.note(f"cancelled: {ctx.cancelled}")
    return "was not cancelled"


async def test_an_async_handler_is_interrupted() -> None:
    async with World((waiting,)).running() as bus:
        bus.send(execute(task="waiting"))
        await bus.until(lambda: bool(bus.beats and bus.beats[-1].held))
        bus.send(Cancel(attempt=attempt(), shard=0))
        (report,) = await bus.until_final(attempt())
    assert isinstance(report, Returned)
    assert report.started


async def test_a_handler_that_runs_too_long_is_timed_out() -> None:
    command = msgspec.structs.replace(execute(task="waiting"), start_to_close_s=0.05)
    report = await World((waiting,)).outcome(command)
    assert isinstance(report, Failed)
    assert (report.kind, report.failure.code) == ("timed_out", "start_to_close_timeout")
    assert report.said is not None
    assert report.said.notes == ("cancelled: True",)


@task(name="stubborn")
async def stubborn() -> str:
    try:
        await anyio.sleep(3600)
    except asyncio.CancelledError:
        return "finished all the same"
    return "was not cancelled"


async def test_a_completion_under_cancellation_counts() -> None:
    async with World((stubborn,)).running() as bus:
        bus.send(execute(task="stubborn"))
        await bus.until(lambda: bool(bus.beats and bus.beats[-1].held))
        bus.send(Cancel(attempt=attempt(), shard=0))
        (report,) = await bus.until_final(attempt())
    assert isinstance(report, Completed)
    assert report.output == "finished all the same"


@task(name="cancels_itself")
async def cancels_itself() -> None:
    raise asyncio.CancelledError


@task(name="gives_up")
def gives_up() -> None:
    raise TaskCancelled


@task(name="exits")
async def exits() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("declared", "code"),
    [(cancels_itself, "cancelled_error"), (gives_up, "task_cancelled"), (exits, "system_exit")],
)
async def test_ending_without_being_asked_to_is_a_failure(declared: AnyTask, code: str) -> None:
    report = await World((declared,)).outcome(execute(task=declared.name))
    assert isinstance(report, Failed)
    assert report.failure.code == code


# -- interceptors, journal, leaving ---------------------------------------------------------------


calls: list[str] = []


def saying(name: str) -> InterceptorMark:
    async def around(ctx: TaskContext, arguments: Arguments, proceed: Handler) -> object:
        calls.append(f"{name} before {ctx.task} {arguments}")
        returned = await proceed(ctx, arguments | {"right": 10})
        calls.append(f"{name} after {returned}")
        return returned

    return interceptor(around)


async def test_interceptors_stand_around_every_handler_in_order() -> None:
    calls.clear()
    world = World((add,), (saying("outer"), saying("inner")))
    report = await world.outcome(execute(task="t", left=2))
    assert isinstance(report, Completed)
    assert report.output == 12
    assert calls == [
        "outer before t {'left': 2, 'right': 1}",
        "inner before t {'left': 2, 'right': 10}",
        "inner after 12",
        "outer after 12",
    ]


async def test_a_report_is_durable_before_it_is_sent() -> None:
    journal = MemoryJournal()
    world = World((add,), journal=journal)
    world.bus.settles = False
    async with world.running() as bus:
        bus.send(execute(task="t", left=2))
        (report,) = await bus.until_final(attempt())
        (live,) = journal.read_durable()
        assert live.report == report
        assert bus.acknowledged == 1


class FullJournal:
    """Its disk is full when the first end is to be written."""

    def open(self) -> tuple[Live, ...]:
        return ()

    def append(self, records: tuple[Record, ...]) -> None:
        if any(isinstance(record, Ended) for record in records):
            raise Unavailable("the journal cannot be written: No space left on device")

    async def sync(self) -> None: ...
    def close(self) -> None: ...


async def test_an_agent_without_a_journal_ends() -> None:
    world = World((add,), journal=FullJournal())
    world.bus.send(execute(task="t", left=2))
    async with aclosing_bus(world.bus):
        with pytest.RaisesGroup(Unavailable, flatten_subgroups=True), anyio.fail_after(DEADLINE_S):
            await world.agent.run(())
    assert not world.bus.finals


async def test_an_agent_that_is_too_old_for_its_coordinators_drains_and_says_so() -> None:
    world = World((add,))
    world.bus.protocol_min = 99
    async with aclosing_bus(world.bus):
        with (
            pytest.raises(Misconfigured, match=r"protocol 99.*newer"),
            anyio.fail_after(DEADLINE_S),
        ):
            await world.agent.run(())
    assert world.bus.beats[-1].leaving


async def test_what_the_last_process_left_is_reported_by_the_next() -> None:
    journal = MemoryJournal()
    first = World((waiting,), journal=journal)
    with anyio.CancelScope() as killed:
        async with aclosing_bus(first.bus), anyio.create_task_group() as group:
            group.start_soon(first.agent.run, ())
            first.bus.send(execute(task="waiting"))
            await first.bus.until(lambda: bool(first.bus.beats and first.bus.beats[-1].held))
            killed.cancel()
    second = World((waiting,), journal=journal)
    with anyio.fail_after(DEADLINE_S):
        async with aclosing_bus(second.bus), anyio.create_task_group() as group:
            group.start_soon(second.agent.run, journal.open())
            (report,) = await second.bus.until_final(attempt())
            second.inbox.put(DrainRequested())
    assert isinstance(report, Returned)
    assert (report.reason, report.started) == ("node_restarted", True)


async def test_a_program_that_cannot_be_started_fails_its_attempt() -> None:
    report = await World((subprocess_task("x", ["x"]),)).outcome(execute(task="x"))
    assert isinstance(report, Failed)
    assert report.failure.code == "command_not_started"
    assert report.failure.message == "x cannot be started: No such file or directory"


@task(name="blocks")
async def blocks() -> None:
    threading.Event().wait(1.2)


async def test_a_handler_that_blocks_the_event_loop_is_complained_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World((blocks,), heartbeat_interval_s=0.05)
    await world.outcome(execute(task="blocks"))
    said = r"the event loop stood still for [1-9][\d.]* s, maybe in one of: blocks;"
    assert [r for r in caplog.records if re.match(said, r.getMessage())]
