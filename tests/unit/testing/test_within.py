"""Groups with a limit of time on a coordinator and agents: nodes and children are told."""

import anyio
import pytest

from dalsegno.testing import WorkflowFailed, dalsegno_env
from node_agent import task
from orchestrator.authoring import Workflow, steps
from tests.unit.testing.flows import approval

pytestmark = pytest.mark.anyio


async def test_a_node_is_told_to_give_back_what_it_has_of_a_late_group() -> None:
    begun, called_back = anyio.Event(), anyio.Event()

    @task(name="shop.ask")
    async def ask() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            called_back.set()

    late = steps.set("late", price=7)
    flow = Workflow("offer")
    both = steps.task("ask", "shop.ask").then(steps.task("weigh", "shop.weigh"))
    flow.add(both.with_timeout("30s").on_error(late, "within_timeout"))
    flow.output(price=flow.vars.price)

    async with dalsegno_env(tasks=[ask], patience_s=0.1) as env:
        env.fake("shop.weigh", returns=0)
        run = await env.start(flow)
        await begun.wait()
        await env.advance("31s")
        assert await run.result() == {"price": 7}
        assert called_back.is_set()


async def test_a_run_that_a_late_group_called_is_cancelled() -> None:
    flow = Workflow("offer")
    flow.add(steps.call("ask", "approval").with_timeout("1d"))
    async with dalsegno_env() as env:
        await env.register(approval())
        run = await env.start(flow)
        child = run.child("ask")
        with pytest.raises(WorkflowFailed, match="ask-within was not over within 86400 s"):
            await run.result()
        assert (await child.ended()).status == "cancelled"


async def test_a_group_that_is_over_in_time_is_as_if_it_were_not_there() -> None:
    flow = Workflow("offer")
    asked = flow.within("offer", "30s")
    with asked.body():
        flow.sleep("think", "29s")
        answer = flow.task("ask", "shop.ask")
    flow.sleep("later", "1h")
    flow.output(answer=answer.output)
    async with dalsegno_env() as env:
        env.fake("shop.ask", returns="yes")
        run = await env.start(flow)
        assert await run.result() == {"answer": "yes"}
