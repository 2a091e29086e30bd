"""A client that starts runs until it is killed: `python -m tests.e2e.follower_writer NAME URL`."""

import sys
from itertools import count

import anyio

from events.api import StartRun
from events.connection import Connection
from events.definition import Definition, ForEachStep, MapStep, SetStep
from events.errors import DalsegnoError
from orchestrator.adapters.nats.client import Client, connect

AT_ONCE = 4
"""Runs that one writer has open."""
WORKFLOW = "story"


def story() -> Definition:
    """Some twenty events, decided in a few turns, with tasks in the middle."""
    counted = SetStep(id="counted", variables={"n": "${ iteration.index }"})
    items: list[object] = list(range(8))
    return Definition(
        name=WORKFLOW,
        steps=(
            ForEachStep(id="loop", items=items, steps=(counted,)),  # type: ignore[arg-type]
            MapStep(
                id="work",
                items=[1, 2, 3],
                task="e2e.add",
                inputs={"left": "${ iteration.item }", "takes_s": 0},
            ),
        ),
    )


async def write(client: Client, name: str, numbers: "count[int]") -> None:
    while True:
        run_id = f"{name}-{next(numbers)}"
        try:
            await client.request(StartRun(run_id=run_id, workflow=WORKFLOW, input={}))
            await client.await_run(run_id, timeout_s=60)
        except DalsegnoError as error:  # servers and owners are killed under it
            print(f"{run_id}: {error}", flush=True)


async def main(*given: str) -> None:
    name, url = given
    numbers = count(1)
    async with (
        connect(Connection(urls=(url,)), timeout_s=60) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(AT_ONCE):
            group.start_soon(write, client, name, numbers)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": True})
