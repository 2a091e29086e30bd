"""Runs in a test of a user: handlers, fakes, time, signals, ends."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dalsegno.testing import Stuck, WorkflowFailed, dalsegno_env, run_workflow
from events.cluster_facts import NodeLost, NodeSuspected
from events.definition import Definition
from events.errors import InvalidValue, Misconfigured, Rejected
from events.task_facts import AttemptFailed, TaskCompleted
from node_agent import TaskContext, TaskError, task
from orchestrator.authoring import InvalidDefinition, Workflow, dump
from tests.unit.testing.flows import ORDER, TASKS, approval, chain, charge, order, price

pytestmark = pytest.mark.anyio


async def test_a_run_of_real_handlers_has_a_result() -> None:
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(order(), input=ORDER)
        assert run.status == "completed"
        assert await run.result() == {"said": "shipped run-1/charge~0"}
        assert [call.task for call in env.calls()] == ["shop.price", "shop.charge", "shop.ship"]


async def test_fakes_stand_in_for_tasks_of_which_nothing_else_is_known() -> None:
    async with dalsegno_env() as env:
        env.fake("shop.price", returns=12)
        env.fake("shop.charge", calls=lambda amount: {"receipt": f"paid {amount}"})
        env.fake("shop.ship", returns="gone")
        run = await env.start(order(), input=ORDER)
        assert await run.result() == {"said": "gone"}
        (shipped,) = env.calls("shop.ship")
        assert shipped.inputs == {"receipt": "paid 12"}
        assert (shipped.step, shipped.attempt, shipped.node) == ("ship", 1, "node-1")


async def test_retries_skip_their_waits() -> None:
    async with dalsegno_env(tasks=TASKS) as env:
        env.fake("shop.charge", raises=TaskError("busy", "later"), times=2)
        began = env.now
        run = await env.start(order(), input=ORDER)
        assert run.status == "waiting"
        assert await run.result() == {"said": "shipped run-1/charge~0"}
        assert env.now - began == timedelta(seconds=30 + 60)
        assert [call.attempt for call in env.calls("shop.charge")] == [1, 2, 3]
        assert [fact.failure.code for fact in run.facts(AttemptFailed)] == ["busy", "busy"]


async def test_a_fake_takes_virtual_time() -> None:
    async with dalsegno_env() as env:
        began = env.now
        env.fake("math.add", calls=lambda n: n + 1, takes="1h")
        run = await env.start(chain(3), input={"n": 0})
        await env.sleep("2h59m")
        assert run.status == "running"
        await env.sleep("1m")
        assert run.status == "completed"
        assert env.now - began == timedelta(hours=3)


async def test_timeouts_strike_a_fake_that_takes_too_long() -> None:
    flow = Workflow("slow")
    flow.task("work", "slow.work").timeouts(start_to_close="10m")
    async with dalsegno_env() as env:
        began = env.now
        env.fake("slow.work", takes="2h")
        run = await env.start(flow)
        with pytest.raises(WorkflowFailed, match="start_to_close_timeout"):
            await run.result()
        assert env.now - began == timedelta(minutes=10)


async def test_a_signal_ends_a_wait() -> None:
    async with dalsegno_env() as env:
        run = await env.start(approval())
        await env.sleep("12d")
        assert run.status == "waiting"
        await run.signal("approve", {"by": "ada"})
        assert run.status == "completed"
        assert await run.result() == {"by": "ada"}


async def test_a_wait_of_thirty_days_ends_at_once() -> None:
    async with dalsegno_env(now=datetime(2026, 1, 1, tzinfo=UTC)) as env:
        run = await env.start(approval())
        with pytest.raises(WorkflowFailed, match="nobody answered within 30 days") as caught:
            await run.result()
        assert caught.value.failure == "nobody_answered"
        assert env.now == datetime(2026, 1, 31, tzinfo=UTC)


async def test_wake_ups_do_not_add_up_to_a_silence_of_the_nodes() -> None:
    flow = Workflow("naps")
    for number in range(30):
        flow.sleep(f"nap{number}", "1h")
    flow.task("work", "naps.work")
    async with dalsegno_env() as env:
        env.fake("naps.work", returns=1)
        run = await env.start(flow)
        await run.result()
        assert not [e for e in env.events() if isinstance(e.fact, NodeSuspected | NodeLost)]


async def test_updates_queries_pause_and_resume() -> None:
    flow = Workflow("steered")
    flow.set("begin", limit=1)
    flow.accept_update("raise", "update.limit > 1", limit="${update.limit}")
    flow.wait_for("go", "go")
    flow.task("work", "steered.work")
    flow.output(limit=flow.vars.limit)
    async with dalsegno_env() as env:
        env.fake("steered.work")
        run = await env.start(flow)
        assert await run.update("raise", {"limit": 5}) == {"limit": 5}
        assert run.query("vars.limit + 1") == 6
        with pytest.raises(Rejected):
            await run.update("raise", {"limit": 0})
        await run.pause("a look first")
        await run.signal("go")
        assert env.calls() == []
        with pytest.raises(Stuck, match=r"paused: a look first; resume it"):
            await run.result()
        await run.resume()
        assert await run.result() == {"limit": 5}


async def test_every_signal_and_update_counts_whichever_handle_sends_it() -> None:
    flow = Workflow("twice")
    flow.set("begin", notes=0)
    flow.accept_update("note", notes="${vars.notes + update}")
    flow.wait_for("first", "go")
    second = flow.wait_for("second", "go")
    flow.output(data=second.output, notes=flow.vars.notes)
    async with dalsegno_env() as env:
        run = await env.start(flow)
        for number in (1, 2):
            handle = env.run(run.id)
            await handle.update("note", number)
            await handle.signal("go", number)
        assert await run.result() == {"data": 2, "notes": 3}


async def test_a_cancelled_run_says_so() -> None:
    async with dalsegno_env() as env:
        run = await env.start(approval())
        await run.cancel("changed my mind")
        with pytest.raises(WorkflowFailed, match="was cancelled") as caught:
            await run.result()
        assert caught.value.run.status == "cancelled"
        assert (await run.ended()).status == "cancelled"


async def test_workflows_call_others_that_are_registered() -> None:
    outer = Workflow("outer")
    called = outer.call("inner", "approval")
    outer.output(by=called.output.by)
    async with dalsegno_env() as env:
        await env.register(approval())
        run = await env.start(outer)
        inner = run.child("inner")
        with pytest.raises(Rejected):
            await env.run("nobody").signal("approve")
        await inner.signal("approve", {"by": "grace"})
        assert await run.result() == {"by": "grace"}


async def test_definitions_come_in_every_form(tmp_path: Path) -> None:
    definition = chain(2).definition()
    assert isinstance(definition, Definition)
    path = tmp_path / "chain.yaml"
    path.write_text(dump(definition))
    async with dalsegno_env() as env:
        env.fake("math.add", calls=lambda n: n + 1)
        for form in (chain(2), definition, path, str(path), "chain"):
            run = await env.start(form, input={"n": 3})
            assert await run.result() == {"n": 5}
        assert len(env.runs()) == 5


async def test_facts_are_typed() -> None:
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(order(), input=ORDER)
        assert [fact.step for fact in run.facts(TaskCompleted)] == ["price", "charge", "ship"]
        assert [event.header.version for event in run.events()] == list(range(1, 9))
        assert run.view().output == {"said": "shipped run-1/charge~0"}


def test_without_a_coroutine() -> None:
    result = run_workflow(order(), input=ORDER, tasks=TASKS, fakes={"shop.ship": "gone"})
    assert result == {"said": "gone"}


def test_in_an_event_loop_of_ones_own() -> None:
    async def body() -> object:
        async with dalsegno_env(tasks=TASKS) as env:
            run = await env.start(order(), input=ORDER)
            return await run.result()

    assert asyncio.run(body()) == {"said": "shipped run-1/charge~0"}


async def test_the_context_is_that_of_production() -> None:
    seen: list[tuple[int, str, object, str]] = []

    @task(name="long.work")
    async def work(ctx: TaskContext) -> str:
        seen.append((ctx.attempt, ctx.idempotency_key, ctx.details, ctx.secrets.get("key")))
        ctx.heartbeat({"at": ctx.attempt})
        if ctx.attempt == 1:
            raise TaskError("again")
        ctx.emit("done", {"n": 1})
        return "ok"

    flow = Workflow("long")
    flow.task("work", work).retry(2)
    async with dalsegno_env(tasks=[work], secrets={"key": "s3cret"}) as env:
        await (await env.start(flow)).result()
    assert seen == [
        (1, "run-1/work~0", None, "s3cret"),
        (2, "run-1/work~0", {"at": 1}, "s3cret"),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_a_seed_is_one_history(seed: int) -> None:
    orders = set()
    for _ in range(3):
        async with dalsegno_env(seed=seed) as env:
            env.fake("math.add", calls=lambda n: n + 1, takes=1)
            for number in range(6):
                await env.start(chain(2), input={"n": number}, id=f"r{number}")
            await env.sleep(5)
            orders.add(tuple(event.digest for event in env.events()))
    assert len(orders) == 1


async def test_seeds_differ_in_what_ends_first() -> None:
    flow = Workflow("race")
    both = flow.parallel("both")
    for name in "abcd":
        with both.branch(name):
            flow.task(name, "race.run")
    orders = set()
    for seed in range(8):
        async with dalsegno_env(seed=seed) as env:
            env.fake("race.run", takes=1)
            run = await env.start(flow)
            await run.result()
            orders.add(tuple(fact.step for fact in run.facts(TaskCompleted)))
    assert len(orders) > 3


async def test_bad_input_is_refused_with_the_mend() -> None:
    async with dalsegno_env(tasks=[price, charge]) as env:
        with pytest.raises(Misconfigured, match="more than one of"):
            env.fake("a", returns=1, raises="b")
        with pytest.raises(Misconfigured, match="say calls="):
            env.fake("a", returns=len)
        with pytest.raises(InvalidValue, match="input"):
            await env.start(chain(1), input={"n": object()})
        with pytest.raises(Misconfigured, match="no duration"):
            await env.sleep("soon")
        with pytest.raises(Misconfigured, match="there are node-1"):
            await env.kill_node("node-7")
        flow = Workflow("wrong")
        flow.task("price", price, items="book")
        with pytest.raises(InvalidDefinition, match="no parameter `items`"):
            await env.start(flow)
    with pytest.raises(Misconfigured, match="expected what @task makes"):
        async with dalsegno_env(tasks=[42]):  # type: ignore[list-item]
            pass
