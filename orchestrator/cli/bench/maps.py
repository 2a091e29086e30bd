"""How long a map takes, from the client's start call to the completion visible to the client."""

import statistics
import time

from events.api import RegisterWorkflow, StartRun
from events.definition import Definition, MapStep
from events.errors import Unavailable
from orchestrator.adapters.nats.client import Client

MAP = "bench-map"
SIZES = (1_000, 10_000)


def map_workflow() -> Definition:
    """One map, over as many numbers as the input says."""
    step = MapStep(
        id="scale",
        items="${ input }",
        task="bench.next",
        inputs={"number": "${ iteration.item }"},
    )
    return Definition(name=MAP, steps=(step,))


async def register_map(client: Client) -> None:
    await client.request(RegisterWorkflow(definition=map_workflow()))


async def timed_map(client: Client, run_id: str, items: int) -> float:
    """Seconds of a map over so many numbers; raises `Unavailable` when it did not complete."""
    began = time.perf_counter()
    await client.request(StartRun(run_id=run_id, workflow=MAP, input=items))
    run = await client.await_run(run_id)
    if run.status != "completed":
        raise Unavailable(f"a map of {items} items is {run.status}: {run.error}")
    return time.perf_counter() - began


async def timed_maps(client: Client, repeats: int) -> dict[int, float]:
    """The median seconds of so many maps, by their items; the first of all warms up."""
    await timed_map(client, f"{MAP}-warm", SIZES[0])
    found = {}
    for items in SIZES:
        taken = [await timed_map(client, f"{MAP}-{items}-{n}", items) for n in range(repeats)]
        found[items] = statistics.median(taken)
    return found
