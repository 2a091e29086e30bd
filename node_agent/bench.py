"""The task of `dalsegno bench`: as little work as a task can do."""

from node_agent import task


@task(name="bench.next")
async def following(number: int) -> int:
    return number + 1
