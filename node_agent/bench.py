"""The task that `dalsegno bench` runs: nothing but the path around it."""

from node_agent.tasks import task


@task(name="bench.next")
async def following(number: int) -> int:
    """Returns the number after `number`."""
    return number + 1
