"""Nodes that die, leave and come back, and a coordinator that restarts."""

from datetime import timedelta

import pytest

from dalsegno.testing import Node, Stuck, dalsegno_env
from events.cluster_facts import NodeLeft, NodeLost
from events.policies import Needs
from orchestrator.authoring import Workflow
from tests.unit.testing.flows import ORDER, TASKS, approval, chain, order

pytestmark = pytest.mark.anyio


async def test_what_a_killed_node_had_goes_to_another() -> None:
    async with dalsegno_env(nodes=2) as env:
        env.fake("math.add", returns=5, takes="1h")
        began = env.now
        run = await env.start(chain(1), input={"n": 1})
        await env.kill_node(run.view().tasks[0].node)
        assert await run.result() == {"n": 5}
        assert timedelta(seconds=5) < env.now - began - timedelta(hours=1) < timedelta(seconds=10)
        first, second = env.calls("math.add")
        assert (first.node, second.node) == ("node-1", "node-2")
        assert first.idempotency_key == second.idempotency_key
        assert [e.fact.node for e in env.events() if isinstance(e.fact, NodeLost)] == ["node-1"]


async def test_a_node_comes_back_with_its_journal() -> None:
    async with dalsegno_env() as env:
        env.fake("math.add", returns=5, takes="1h")
        run = await env.start(chain(1), input={"n": 1})
        await env.kill_node()
        with pytest.raises(Stuck, match="node-1"):
            await run.result()
        await env.start_node()
        assert await run.result() == {"n": 5}
        assert len(env.calls("math.add")) == 2


async def test_a_drained_node_finishes_and_leaves() -> None:
    async with dalsegno_env(nodes=2) as env:
        env.fake("math.add", returns=5, takes="10s")
        run = await env.start(chain(2), input={"n": 1})
        await env.drain_node("node-1")
        assert await run.result() == {"n": 5}
        assert [call.node for call in env.calls("math.add")] == ["node-1", "node-2"]
        assert [e.fact.node for e in env.events() if isinstance(e.fact, NodeLeft)] == ["node-1"]


async def test_a_coordinator_comes_back_with_everything() -> None:
    async with dalsegno_env(tasks=TASKS) as env:
        env.fake("shop.charge", returns={"receipt": "r"}, takes="1h")
        waiting = await env.start(approval())
        running = await env.start(order(), input=ORDER)
        for _ in range(3):
            await env.restart()
            await env.sleep("10m")
        assert (waiting.status, running.status) == ("waiting", "running")
        assert await running.result() == {"said": "shipped r"}
        await env.restart()
        await waiting.signal("approve", {"by": "ada"})
        assert await waiting.result() == {"by": "ada"}
        assert len(env.calls("shop.charge")) == 1


async def test_a_timer_that_is_due_while_nobody_decides_fires_afterwards() -> None:
    flow = Workflow("naps")
    flow.sleep("nap", "1h")
    async with dalsegno_env() as env:
        run = await env.start(flow)
        await env.restart()
        await run.result()
        assert run.view().ended_at == env.now.timestamp() * 1_000_000


async def test_labels_and_capacity_decide_where_a_task_goes() -> None:
    flow = Workflow("picky")
    flow.task("label", "any.task").labels(kind="gpu")
    flow.task("size", "any.task").needs(cpu=4)
    nodes = [
        Node(name="gpu", labels={"kind": "gpu"}, capacity=Needs(cpu=1)),
        Node(name="big", capacity=Needs(cpu=8)),
    ]
    async with dalsegno_env(nodes=nodes) as env:
        env.fake("any.task")
        await (await env.start(flow)).result()
        assert [call.node for call in env.calls()] == ["gpu", "big"]


async def test_slots_bound_what_runs_at_the_same_time() -> None:
    flow = Workflow("wide")
    flow.map("each", "any.task", list(range(10)), concurrency=10)
    async with dalsegno_env(nodes=[Node(name="small", slots=2)]) as env:
        began = env.now
        env.fake("any.task", takes="1m")
        await (await env.start(flow)).result()
        assert env.now - began == timedelta(minutes=5)
