"""Parts that are done once, in a test of a user: virtual time passes while they are recorded."""

import asyncio

import pytest

from dalsegno.testing import dalsegno_env
from events.task_facts import OnceRecorded
from node_agent import TaskContext, TaskError, task
from orchestrator.authoring import Workflow

pytestmark = pytest.mark.anyio
calls: list[str] = []


async def part(name: str) -> str:
    await asyncio.sleep(0)
    calls.append(name)
    return f"{name} done"


def part_in_thread(name: str) -> str:
    calls.append(name)
    return f"{name} done"


@task(name="async")
async def in_loop(ctx: TaskContext) -> str:
    done = await ctx.once("first", lambda: part("first"))
    if ctx.attempt == 1:
        raise TaskError("busy", "try again")
    return done


@task(name="plain")
def in_thread(ctx: TaskContext) -> str:
    done = ctx.once("first", lambda: part_in_thread("first"))
    if ctx.attempt == 1:
        raise TaskError("busy", "try again")
    return done


@pytest.mark.parametrize("name", ["async", "plain"])
async def test_a_part_is_done_once_over_all_attempts(name: str) -> None:
    calls.clear()
    flow = Workflow("once")
    done = flow.task("a", name).retry(3, initial="1m")
    flow.output(done=done.output)
    async with dalsegno_env(tasks=[in_loop, in_thread]) as env:
        run = await env.start(flow)
        assert await run.result() == {"done": "first done"}
        (fact,) = run.facts(OnceRecorded)
    assert (fact.name, fact.value, fact.attempt) == ("first", "first done", 1)
    assert calls == ["first"]
