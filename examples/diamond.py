"""A diamond: prepare, process, two analyses at the same time, and a merge that waits for both.

    dalsegno try examples/diamond.py --agents 2 --input '{"values": [4, 8, 15, 16, 23, 42]}'

Processing may fail without the run failing: its error handler goes on with the values as they are
(`"scale": 0` makes it fail).
"""

import statistics

from node_agent import TaskError, task
from orchestrator.authoring import Retry, Workflow, has


@task(name="diamond.prepare")
def prepare(values: list[float]) -> list[float]:
    return sorted(values)


@task(name="diamond.process")
def process(values: list[float], scale: float) -> list[float]:
    if scale == 0:
        raise TaskError("no_scale", "there is no scale of 0", retryable=False)
    return [value / scale for value in values]


@task(name="diamond.average")
def average(values: list[float]) -> float:
    return statistics.fmean(values)


@task(name="diamond.spread")
def spread(values: list[float]) -> float:
    return max(values) - min(values)


@task(name="diamond.merge")
def merge(average: float, spread: float) -> dict[str, float | str]:
    summary = f"{average:g} on average, {spread:g} between the smallest and the largest"
    return {"average": average, "spread": spread, "summary": summary}


flow = Workflow("diamond", timeout="60s")

prepared = flow.task("prepare", prepare, values=flow.input.values)
prepared.retry(Retry(attempts_max=3, initial_s=1.0, factor=2.0, cap_s=10.0)).timeouts("10s")
prepared.needs(cpu=0.5, memory="64MB")

scaling = flow.choice("scaling")
with scaling.case(has(flow.input.scale)):
    flow.set("given", scale=flow.input.scale)
with scaling.default():
    flow.set("usual", scale=2)

flow.set("unprocessed", values=prepared.output)
processed = flow.task("process", process, values=prepared.output, scale=flow.vars.scale)
processed.retry(Retry(attempts_max=2, initial_s=2.0, factor=1.5, cap_s=8.0)).timeouts("15s")
with processed.on_error():
    flow.set("as_they_are", processed=False)

chosen = flow.choice("chosen")
with chosen.case(processed.output != None):  # noqa: E711 -- a term, evaluated in the run
    flow.set("take", values=processed.output)
with chosen.default():
    pass

analyses = flow.parallel("analyses")
with analyses.branch("average"):
    averaged = flow.task("average", average, values=flow.vars.values).timeouts("20s")
with analyses.branch("spread"):
    spreading = flow.task("spread", spread, values=flow.vars.values).timeouts("20s")

merged = flow.task("merge", merge, average=averaged.output, spread=spreading.output).timeouts("10s")
flow.output(merged.output)
