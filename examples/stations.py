"""Map and reduce over a large list: 2,400 weather stations are read, then one task goes through all
of their readings.

    dalsegno try examples/stations.py --agents 2 --input '{"stations": 2400}'

So many items are done in parts, which are runs of their own, and the results are too large for one
value: the map's output is a reference to them. `ctx.values` reads them one after the other, a part
of them in memory at a time; of a small map it reads the list.
"""

import math

import msgspec

from node_agent import LargeList, TaskContext, task
from orchestrator.authoring import Workflow

HOURS = 24
QUARTERS = 4 * HOURS


class Day(msgspec.Struct):
    station: int
    tenths: list[int]
    """Of a degree, every quarter of an hour."""


@task(name="stations.read")
def read(station: int) -> Day:
    return Day(station, [(station * 7 + quarter * 13) % 400 - 100 for quarter in range(QUARTERS)])


@task(name="stations.summarize")
async def summarize(days: LargeList, ctx: TaskContext) -> dict[str, float]:
    found = ctx.values(days)
    low, high, total = math.inf, -math.inf, 0
    async for value in found:
        day = msgspec.convert(value, Day)
        low, high = min(low, *day.tenths), max(high, *day.tenths)
        total += sum(day.tenths)
    mean = round(total / (len(found) * QUARTERS) / 10, 2)
    return {"stations": len(found), "coldest": low / 10, "warmest": high / 10, "mean": mean}


flow = Workflow("stations", timeout="5m", description="Goes through the readings of many stations.")

days = flow.map("days", read, flow.input.stations, concurrency=64, station=flow.item)
summary = flow.task("summary", summarize, days=days.output)
summary.timeouts("2m")
flow.output(summary.output)
