"""Personal runs and completion tokens in tests of users."""

import asyncio

import pytest

from dalsegno.testing import WorkflowFailed, dalsegno_env
from events.errors import Rejected
from events.personal import ERASED
from events.run_facts import RunStarted
from node_agent import TaskContext, task
from orchestrator.authoring import Workflow

pytestmark = pytest.mark.anyio

handed: list[str] = []


@task(name="shop.sign")
async def sign(ctx: TaskContext, order: int) -> object:
    handed.append(ctx.completion_token())
    return ctx.defer()


@task(name="shop.sign_plain")
def sign_plain(ctx: TaskContext, order: int) -> object:
    handed.append(ctx.completion_token())
    return ctx.defer()


@task(name="shop.greet")
async def greet(name: str) -> str:
    return f"hello {name}"


def signing(name: str = "shop.sign") -> Workflow:
    flow = Workflow("signing")
    signed = flow.task("sign", name, order=flow.input.order).retry(2, initial="1s")
    flow.output(by=signed.output)
    return flow


def greeting() -> Workflow:
    flow = Workflow("greeting")
    greeted = flow.task("greet", greet, name=flow.input.name)
    flow.task("note", "shop.note", said=greeted.output)
    flow.output(said=greeted.output)
    return flow


@pytest.fixture(autouse=True)
def none_handed() -> None:
    handed.clear()


@pytest.mark.parametrize("name", ["shop.sign", "shop.sign_plain"])
async def test_whoever_has_the_token_completes_the_task(name: str) -> None:
    async with dalsegno_env(tasks=[sign, sign_plain]) as env:
        run = await env.start(signing(name), input={"order": 7})
        await env.sleep("30d")
        assert run.status == "waiting"
        await env.complete_task(handed[-1], "ada")
        await env.complete_task(handed[-1], "ada")
        assert await run.result() == {"by": "ada"}


async def test_a_token_that_fails_has_another_attempt_with_another_token() -> None:
    async with dalsegno_env(tasks=[sign]) as env:
        run = await env.start(signing(), input={"order": 7})
        await env.fail_task(handed[-1], "nobody was there")
        await env.sleep("2s")
        first, second = handed
        assert first != second
        with pytest.raises(Rejected):
            await env.complete_task(first, "too late")
        await env.fail_task(second, "nobody at all", code="unsigned", retryable=False)
        with pytest.raises(WorkflowFailed, match="nobody at all"):
            await run.result()


async def test_what_is_no_token_is_refused() -> None:
    async with dalsegno_env(tasks=[sign]) as env:
        with pytest.raises(Rejected):
            await env.complete_task("that", 1)


async def test_the_values_of_a_personal_run_are_there_until_they_are_erased() -> None:
    async with dalsegno_env(tasks=[greet]) as env:
        env.fake("shop.note")
        run = await env.start(greeting(), input={"name": "ada"}, subject="customer-81")
        other = await env.start(greeting(), input={"name": "ada"}, subject="customer-81")
        stranger = await env.start(greeting(), input={"name": "bob"}, subject="customer-82")
        assert await run.result() == {"said": "hello ada"}
        await other.result()
        await stranger.result()
        (started,) = run.facts(RunStarted)
        assert started.input == {"name": "ada"}
        exported = run.export()
        assert b"ada" not in exported, "whoever has no key reads none of it"
        assert await run.erase("asked to") == 2
        for one in (run, other):
            assert one.view().output == ERASED
            assert one.facts(RunStarted)[0].input == ERASED
        assert stranger.view().output == {"said": "hello bob"}
        assert "personal.erased.v1" in [event.header.type for event in env.events()]


async def test_a_run_goes_on_through_a_restart_and_is_not_erased_while_it_is_open() -> None:
    async with dalsegno_env(tasks=[greet]) as env:
        env.fake("shop.note", takes="1h")
        run = await env.start(greeting(), input={"name": "ada"}, subject="customer-81")
        await env.restart()
        with pytest.raises(Rejected, match="is open"):
            await run.erase()
        assert await run.result() == {"said": "hello ada"}


async def test_a_run_of_nobody_cannot_be_erased() -> None:
    async with dalsegno_env(tasks=[greet]) as env:
        env.fake("shop.note")
        run = await env.start(greeting(), input={"name": "ada"})
        await run.ended()
        with pytest.raises(Rejected, match="not personal"):
            await run.erase()


def test_the_same_seed_is_the_same_history() -> None:
    async def play(seed: int) -> bytes:
        async with dalsegno_env(tasks=[greet], seed=seed) as env:
            env.fake("shop.note")
            run = await env.start(greeting(), input={"name": "ada"}, subject="customer-81")
            await run.ended()
            stored = env._world.log.read("run:run-1", 0, 100)
            return b"".join(one.state for one in stored)

    first = asyncio.run(play(1))
    assert asyncio.run(play(1)) == first
    assert asyncio.run(play(2)) != first
