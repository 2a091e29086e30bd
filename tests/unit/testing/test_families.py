"""A run and those that its steps start keep to one build, whoever has the first attempt."""

from collections.abc import Iterable

import pytest

from dalsegno.testing import Node, dalsegno_env
from dalsegno.testing.env import Env
from events.policies import RunOptions
from events.run_facts import RunPinned
from events.task_facts import TaskDispatched
from orchestrator.authoring import Workflow

pytestmark = pytest.mark.anyio
NODES = [Node(name=f"n{number}", build_id=f"b{number}", slots=3) for number in range(1, 5)]
PINNED = RunOptions(build="pinned")
SEEDS = range(4)


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


def grandparents() -> Workflow:
    flow = Workflow("grandparents")
    for number in range(3):
        flow.call(f"family{number}", "middle").after()
    return flow


def middle() -> Workflow:
    flow = Workflow("middle")
    for number in range(2):
        flow.call(f"call{number}", "child").after()
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


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_first_attempt_of_a_family_decides_for_all(seed: int) -> None:
    async with dalsegno_env(nodes=NODES, seed=seed) as env:
        fake(env, TASKS)
        await env.register(child())
        run = await env.start(family(), options=PINNED)
        await run.result()
        assert len(env.runs()) == 1 + 4 + 2
        assert len(builds(env)) == 1
        (pinned,) = run.facts(RunPinned)
        assert "the first attempt of its runs" in pinned.reason
        assert {fact.build for one in env.runs() for fact in one.facts(RunPinned)} == builds(env)


@pytest.mark.parametrize("seed", SEEDS)
async def test_it_is_one_decision_over_generations_and_restarts(seed: int) -> None:
    async with dalsegno_env(nodes=NODES, seed=seed) as env:
        fake(env, TASKS)
        for workflow in (child(), middle()):
            await env.register(workflow)
        run = await env.start(grandparents(), options=PINNED)
        for _ in range(3):
            await env.restart()
            await env.sleep("300ms")
        await run.result()
        assert len(env.runs()) == 1 + 3 + 6
        assert len(builds(env)) == 1


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


async def test_a_pinned_child_of_a_run_that_is_not_decides_for_itself() -> None:
    async with dalsegno_env(nodes=NODES) as env:
        fake(env, TASKS)
        await env.register(child(build="pinned"))
        run = await env.start(family())
        await run.result()
        assert run.facts(RunPinned) == []
        pinned = [fact.build for one in env.runs() for fact in one.facts(RunPinned)]
        assert len(pinned) == 4
        assert set(pinned) <= {"b1", "b2", "b3", "b4"}
