"""Workflows and tasks as users of the test kit would have them."""

import anyio

from node_agent import TaskContext, TaskError, task
from orchestrator.authoring import Retry, Workflow


@task(name="shop.price")
async def price(item: str, count: int) -> int:
    """What it costs, after a moment of real time."""
    await anyio.sleep(0.001)
    return count * len(item)


@task(name="shop.charge")
def charge(ctx: TaskContext, amount: int) -> dict[str, str]:
    """A plain function: it runs in a thread."""
    if amount > 1000:
        raise TaskError("card_declined", f"{amount} is too much", retryable=False)
    return {"receipt": ctx.idempotency_key}


@task(name="shop.ship")
async def ship(receipt: str) -> str:
    return f"shipped {receipt}"


TASKS = (price, charge, ship)
ORDER = {"item": "book", "count": 3}


def order() -> Workflow:
    flow = Workflow("order")
    priced = flow.task("price", price, item=flow.input.item, count=flow.input.count)
    charged = flow.task("charge", charge, amount=priced.output)
    charged.retry(Retry(attempts_max=3, initial_s=30.0))
    shipped = flow.task("ship", ship, receipt=charged.output.receipt)
    flow.output(said=shipped.output)
    return flow


def approval() -> Workflow:
    flow = Workflow("approval")
    asked = flow.wait_for("decision", "approve", timeout="30d")
    with asked.on_error("signal_timeout"):
        flow.fail("late", "nobody_answered", "nobody answered within 30 days")
    flow.output(by=asked.output.by)
    return flow


def chain(length: int) -> Workflow:
    flow = Workflow("chain")
    value = flow.input.n
    for number in range(1, length + 1):
        value = flow.task(f"add{number}", "math.add", n=value).output
    flow.output(n=value)
    return flow
