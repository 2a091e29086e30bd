"""Offers of two shops at the same time, and the better one: steps as values that are combined.

    dalsegno try examples/offers.py --input '{"item": "lamp"}'
    dalsegno try examples/offers.py --input '{"item": "ink"}'

What is done for each shop is a function that returns steps. One that does not sell the item (the
second command) ends there, and the other one goes on.
"""

from node_agent import TaskError, task
from orchestrator.authoring import Steps, Workflow, steps

PRICES = {"north": {"lamp": 40}, "south": {"lamp": 35, "ink": 3}}


@task(name="offers.ask")
def ask(shop: str, item: str) -> int:
    if item not in PRICES[shop]:
        raise TaskError("not_sold", f"{shop} has no {item}", retryable=False)
    return PRICES[shop][item]


@task(name="offers.deliver")
def deliver(price: int) -> int:
    return price + 5


@task(name="offers.choose")
def choose(offers: dict[str, int | None]) -> dict[str, int | str]:
    price, shop = min((price, shop) for shop, price in offers.items() if price is not None)
    return {"shop": shop, "price": price}


flow = Workflow("offers", timeout="5m")


def offer(shop: str) -> tuple[Steps, steps.Task]:
    """The steps for one shop, and the one of them that has the price."""
    asked = steps.task(f"ask-{shop}", ask, shop=shop, item=flow.input.item)
    delivered = steps.task(f"deliver-{shop}", deliver, price=asked.output)
    asking = asked.retry(3).with_timeout("1m").then(delivered)
    return asking.on_error(steps.nothing, "not_sold"), delivered


from_north, north = offer("north")
from_south, south = offer("south")
chosen = steps.task("choose", choose, offers={"north": north.output, "south": south.output})

flow.add(from_north.par_with(from_south).then(chosen))
flow.output(chosen.output)
