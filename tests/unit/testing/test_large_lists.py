"""Handlers that read what a large map has made, in a test of a user: by reference and as a list."""

import pytest

from dalsegno.testing import WorkflowFailed, dalsegno_env
from events.task_facts import TaskCompleted
from events.values import Value
from node_agent import LargeList, TaskContext, task
from orchestrator.authoring import Workflow

pytestmark = pytest.mark.anyio
ITEMS = 1_200
WIDTH = 900
"""Characters that make the results of the first part larger than their share of one payload."""


@task(name="lists.widen")
async def widen(number: int, width: int) -> str:
    return f"{number:0{width}}"


@task(name="lists.sum")
async def add_up(texts: LargeList, ctx: TaskContext) -> dict[str, object]:
    total = 0
    async for text in ctx.values(texts):
        total += int(str(text))
    return {"total": total, "by_reference": not isinstance(texts, list)}


@task(name="lists.sum_plainly")
def add_up_plainly(texts: LargeList, ctx: TaskContext) -> int:
    return sum(int(str(text)) for text in ctx.values(texts))


TASKS = (widen, add_up, add_up_plainly)


def reduced() -> Workflow:
    flow = Workflow("reduced")
    wide = flow.map("wide", widen, flow.input.items, number=flow.item, width=flow.input.width)
    summed = flow.task("sum", add_up, texts=wide.output)
    plainly = flow.task("plainly", add_up_plainly, texts=wide.output)
    flow.output(found=summed.output, plainly=plainly.output)
    return flow


@pytest.mark.parametrize(("width", "by_reference"), [(WIDTH, True), (5, False)])
async def test_a_large_map_is_reduced(width: int, by_reference: bool) -> None:
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(reduced(), input={"items": ITEMS, "width": width})
        total = ITEMS * (ITEMS - 1) // 2
        found = {"total": total, "by_reference": by_reference}
        assert await run.result() == {"found": found, "plainly": total}
        assert len(run.facts(TaskCompleted)) == 2


async def test_values_that_nobody_has_stored_fail_the_task_in_words() -> None:
    chunk: Value = {"count": 2, "hash": "0" * 64}
    forged: Value = {"$ref": "list", "count": 2, "bytes": 9, "chunks": [chunk]}
    flow = Workflow("forged")
    flow.task("sum", add_up, texts=flow.input.texts)
    async with dalsegno_env(tasks=TASKS) as env:
        run = await env.start(flow, input={"texts": forged})
        with pytest.raises(WorkflowFailed, match="no run has stored any there") as caught:
            await run.result()
        assert caught.value.failure == "values_missing"
