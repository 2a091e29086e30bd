"""Runs that the steps of a pinned run start keep to its build."""

from collections.abc import Iterable

import pytest

from dalsegno.testing import Node, dalsegno_env
from dalsegno.testing.env import Env
from events.policies import RunOptions
from events.task_facts import TaskDispatched
from orchestrator.authoring import Workflow

pytestmark = pytest.mark.anyio
NODES = [Node(name=f"n{number}", build_id=f"b{number}", slots=3) for number in range(1, 5)]


def child(build: str = "") -> Workflow:
    flow = Workflow("child", options=RunOptions(build=build))
    first = flow.task("first", "t.first")
    flow.output(second=flow.task("second", "t.second", of=first.output).output)
    return flow


def family() -> Workflow:
    """Four children and a map in two parts at the same time, and at last a task of its own."""
    flow = Workflow("family")
    calls = [flow.call(f"call{number}", "child").after() for number in range(4)]
    mapped = flow.map("mapped", "t.item", 1_001, concurrency=40, n=flow.item).after()
    flow.task("last", "t.last").after(*calls, mapped)
    return flow


def fake(env: Env, tasks: Iterable[str]) -> None:
    for task in tasks:
        env.fake(task, takes="1s")


def builds(env: Env, run_ids: str = "") -> set[str]:
    """Those that attempts were given to, in runs whose ids begin so."""
    return {
        event.fact.build_id
        for event in env.events()
        if isinstance(event.fact, TaskDispatched)
        and event.header.stream.removeprefix("run:").startswith(run_ids)
    }


TASKS = ["t.first", "t.second", "t.item", "t.last"]


async def test_a_child_inherits_the_build_that_is_known() -> None:
    async with dalsegno_env(nodes=NODES) as env:
        fake(env, TASKS)
        await env.register(child())
        run = await env.start(family(), options=RunOptions(build="b3"))
        await run.result()
        assert builds(env) == {"b3"}


async def test_without_a_pin_every_run_is_placed_for_itself() -> None:
    async with dalsegno_env(nodes=NODES) as env:
        fake(env, TASKS)
        await env.register(child())
        await (await env.start(family())).result()
        assert builds(env) == {"b1", "b2", "b3", "b4"}


async def test_a_workflow_that_names_a_build_keeps_it_when_it_is_called() -> None:
    async with dalsegno_env(nodes=NODES) as env:
        fake(env, TASKS)
        await env.register(child(build="b2"))
        run = await env.start(family(), options=RunOptions(build="b3"))
        await run.result()
        assert builds(env) == {"b2", "b3"}
        assert len(run.facts(TaskDispatched)) == 1
