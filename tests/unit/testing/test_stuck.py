"""A test that cannot go on says so at once, and says why."""

import anyio
import pytest

from dalsegno.testing import Stuck, WorkflowFailed, dalsegno_env
from events.errors import Rejected
from node_agent import task
from orchestrator.authoring import Workflow
from tests.unit.testing.flows import TASKS, approval, chain, order

pytestmark = pytest.mark.anyio


@task(name="bad.hang")
async def hang() -> None:
    await anyio.sleep_forever()


@task(name="bad.divide")
def divide(number: int) -> int:
    return 1 // number


def single(name: str, **inputs: object) -> Workflow:
    flow = Workflow("single")
    flow.task("it", name, **inputs)
    return flow


async def test_a_forgotten_fake_is_named_and_can_still_be_made() -> None:
    async with dalsegno_env() as env:
        began = env.now
        run = await env.start(chain(1), input={"n": 1})
        with pytest.raises(Stuck, match=r'step add1 of run run-1 .*env.fake\("math.add"'):
            await run.result()
        assert env.now == began
        env.fake("math.add", returns=7)
        assert await run.result() == {"n": 7}


async def test_a_timeout_does_not_hide_a_forgotten_fake() -> None:
    flow = Workflow("hurried", timeout="1m")
    flow.task("it", "no_such")
    async with dalsegno_env() as env:
        run = await env.start(flow)
        with pytest.raises(Stuck, match="runs the task no_such"):
            await run.result()


async def test_a_used_up_fake_is_as_none() -> None:
    async with dalsegno_env() as env:
        env.fake("math.add", returns=7, times=1)
        run = await env.start(chain(2), input={"n": 1})
        with pytest.raises(Stuck, match="step add2"):
            await run.result()


async def test_items_of_maps_need_fakes_too() -> None:
    flow = Workflow("mapped")
    flow.map("each", "no.such", [1, 2], item=flow.item)
    async with dalsegno_env() as env:
        run = await env.start(flow)
        with pytest.raises(Stuck, match=r"step each\[0\]"):
            await run.result()


async def test_a_signal_that_never_comes() -> None:
    flow = Workflow("patient")
    flow.wait_for("decision", "approve")
    async with dalsegno_env() as env:
        run = await env.start(flow)
        with pytest.raises(Stuck, match=r'step decision .*await run\.signal\("approve"'):
            await run.result()


async def test_a_child_that_waits_is_shown_with_its_parent() -> None:
    flow = Workflow("patient")
    flow.wait_for("decision", "approve")
    outer = Workflow("outer")
    outer.call("inner", "patient")
    async with dalsegno_env() as env:
        await env.register(flow)
        run = await env.start(outer)
        with pytest.raises(Stuck, match=r"(?s)of outer is .* of patient is .* signal approve"):
            await run.result()


async def test_a_task_that_fits_no_node_says_what_is_wrong_with_each() -> None:
    flow = Workflow("picky")
    flow.task("it", "any.task").labels(gpu="yes")
    async with dalsegno_env(nodes=["a", "b"]) as env:
        env.fake("any.task")
        run = await env.start(flow)
        with pytest.raises(Stuck, match=r"a: label gpu is not yes.* b: label gpu is not yes"):
            await run.result()


async def test_a_condition_that_can_never_hold() -> None:
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(order(), input={"item": "book", "count": 1})
        with pytest.raises(Stuck, match="has not come"):
            await run.until(lambda run: run.status == "paused")


async def test_a_handler_that_hangs_is_named() -> None:
    async with dalsegno_env(tasks=[hang], patience_s=0.05) as env:
        run = await env.start(single("bad.hang"))
        with pytest.raises(Stuck, match=r"bad\.hang on node-1"):
            await run.result()
        with pytest.raises(Stuck, match=r"bad\.hang on node-1"):
            await env.sleep("1h")
        await run.cancel("enough")
        assert run.status == "cancelled"


async def test_time_can_go_on_over_a_handler_that_hangs() -> None:
    flow = Workflow("slow")
    flow.task("it", "bad.hang").timeouts(start_to_close="5m")
    async with dalsegno_env(tasks=[hang], patience_s=0.05) as env:
        run = await env.start(flow)
        await env.advance("4m")
        assert run.status == "running"
        await env.advance("2m")
        with pytest.raises(WorkflowFailed, match="start_to_close_timeout"):
            await run.result()


async def test_what_a_dead_node_waited_for_is_no_obstacle() -> None:
    flow = Workflow("hurried", timeout="1m")
    flow.task("it", "no_such")
    async with dalsegno_env() as env:
        run = await env.start(flow)
        await env.kill_node()
        assert (await run.ended()).status == "timed_out"


async def test_what_a_handler_raised_is_the_cause() -> None:
    async with dalsegno_env(tasks=[divide]) as env:
        run = await env.start(single("bad.divide", number=0))
        with pytest.raises(WorkflowFailed, match=r"failed at step it: \[zero_division_e") as caught:
            await run.result()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_inputs_are_checked_as_on_a_node_also_before_a_fake() -> None:
    async with dalsegno_env(tasks=[divide]) as env:
        env.fake("bad.divide", returns=1)
        run = await env.start(single("bad.divide", number="${input}"), input="seven")
        with pytest.raises(WorkflowFailed, match="parameter 'number': expected int, got str"):
            await run.result()


async def test_inputs_of_a_fake_function_are_checked_by_its_annotations() -> None:
    def add(n: int) -> int:
        return n + 1

    async with dalsegno_env() as env:
        env.fake("math.add", calls=add)
        run = await env.start(chain(1), input={"n": "one"})
        with pytest.raises(WorkflowFailed, match=r"fake of math\.add: parameter 'n'"):
            await run.result()


async def test_a_workflow_that_nobody_registered() -> None:
    async with dalsegno_env() as env:
        with pytest.raises(Rejected, match="no workflow approval is registered"):
            await env.start("approval")
        await env.register(approval())
        assert (await env.start("approval")).status == "waiting"


async def test_a_fault_outside_of_handlers_is_raised_not_waited_for() -> None:
    """Such as one in an interceptor: nothing would ever come of the attempt."""

    class Broken(BaseException):
        pass

    def broken(n: int) -> None:
        raise Broken(n)

    async with dalsegno_env() as env:
        env.fake("math.add", calls=broken)
        with pytest.raises(Broken):
            await env.start(chain(1), input={"n": 1})
