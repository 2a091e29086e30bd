"""Executions: the last look at the lease, and cancellation before the handler was called."""

import asyncio
from typing import get_args

import anyio
import msgspec
import pytest

from node_agent import TaskContext, task
from node_agent.adapters.clock import SystemClock
from node_agent.credentials import NoSecrets
from node_agent.executors.execution import Executions, Surroundings
from node_agent.executors.handlers import Handlers
from node_agent.executors.processes import Finished, Job
from node_agent.lists import ListReader
from node_agent.once import Keeper
from node_agent.registry import TaskRegistry
from node_agent.steps import (
    Broke,
    Ceased,
    Done,
    ExecutionEnded,
    NotBegun,
    StartExecution,
    Why,
)
from tests.unit.node_agent.fakes import FakeLists, attempt, execute

pytestmark = pytest.mark.anyio
calls: list[int] = []


class NoProcesses:
    def run(self, job: Job) -> Finished:
        raise AssertionError(job)

    def close(self) -> None: ...


@task(name="t")
async def noted(n: int) -> int:
    calls.append(n)
    return n


@task(name="sync")
def divided(n: int) -> float:
    return 1 / n


@task(name="async")
async def divided_later(n: int) -> float:
    return 1 / n


def surroundings(ended: list[ExecutionEnded]) -> Surroundings:
    clock = SystemClock()
    return Surroundings(
        registry=TaskRegistry([noted, divided, divided_later]),
        handlers=Handlers(anyio.CapacityLimiter(1), clock, NoProcesses(), 1000),
        clock=clock,
        secrets=NoSecrets(),
        lists=ListReader(FakeLists()),
        keeper=Keeper(lambda kept: None),
        signal=lambda sign: None,
        ended=ended.append,
        output_bytes_max=1000,
    )


async def test_a_handler_is_not_called_once_its_lease_has_passed() -> None:
    calls.clear()
    ended: list[ExecutionEnded] = []
    around = surroundings(ended)
    now_us = around.clock.now().monotonic_us
    async with asyncio.TaskGroup() as group:
        executions = Executions(around, group)
        executions.start(StartExecution(execute("late", n=1), 1, now_us))
        executions.start(StartExecution(execute("good", n=2), 1, now_us + 60_000_000))
        assert executions.count == 2
    assert calls == [2]
    assert {end.attempt: type(end.result) for end in ended} == {
        attempt("late"): NotBegun,
        attempt("good"): Done,
    }
    assert executions.count == 0


async def test_a_cancellation_before_the_call_prevents_it_and_is_still_answered() -> None:
    calls.clear()
    ended: list[ExecutionEnded] = []
    around = surroundings(ended)
    async with asyncio.TaskGroup() as group:
        executions = Executions(around, group)
        until_us = around.clock.now().monotonic_us + 60_000_000
        executions.start(StartExecution(execute(n=1), 1, until_us))
        executions.cancel(attempt())
        executions.cancel(attempt())
        executions.cancel(attempt("unknown"))
    assert calls == []
    assert ended == [ExecutionEnded(attempt(), NotBegun())]


@pytest.mark.parametrize(("name", "function"), [("sync", "divided"), ("async", "divided_later")])
async def test_a_traceback_begins_in_the_handler(name: str, function: str) -> None:
    ended: list[ExecutionEnded] = []
    around = surroundings(ended)
    async with asyncio.TaskGroup() as group:
        execution = msgspec.structs.replace(execute(n=0), task=name)
        until_us = around.clock.now().monotonic_us + 60_000_000
        Executions(around, group).start(StartExecution(execution, 1, until_us))
    (end,) = ended
    assert isinstance(end.result, Broke)
    details = end.result.failure.details
    assert isinstance(details, dict)
    trace = details["traceback"]
    assert isinstance(trace, list)
    assert [str(frame).rpartition(" ")[2] for frame in trace] == [function]


@task(name="told")
async def told(ctx: TaskContext) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        ctx.note(f"{ctx.cancel_reason} {ctx.fenced}")
        raise


@pytest.mark.parametrize("why", get_args(Why))
async def test_a_cancelled_handler_is_told_why_and_whether_it_is_fenced(why: Why) -> None:
    ended: list[ExecutionEnded] = []
    around = msgspec.structs.replace(surroundings(ended), registry=TaskRegistry([told]))
    async with asyncio.TaskGroup() as group:
        executions = Executions(around, group)
        execution = msgspec.structs.replace(execute(), task="told")
        until_us = around.clock.now().monotonic_us + 60_000_000
        executions.start(StartExecution(execution, 1, until_us))
        await asyncio.sleep(0)
        executions.cancel(attempt(), why)
        executions.cancel(attempt(), "drained")
    (end,) = ended
    assert isinstance(end.result, Ceased)
    assert end.result.said is not None
    assert end.result.said.notes == (f"{why} {why in ('superseded', 'dropped', 'reset')}",)
