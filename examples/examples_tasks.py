"""The tasks of the examples in YAML: give this file to an agent with `--import`."""

import msgspec

from node_agent import TaskContext, TaskError, task


@task(name="greet.compose")
def compose(name: str) -> str:
    return f"Hello, {name}"


@task(name="greet.shout")
async def shout(text: str) -> str:
    return f"{text.upper()}!"


# -- orders ---------------------------------------------------------------------------------------


class Item(msgspec.Struct):
    name: str
    price: int
    count: int = 1


@task(name="orders.price")
def price(items: list[Item]) -> dict[str, int]:
    if not items:
        raise TaskError("no_items", "an order needs an item", retryable=False)
    return {"total": sum(item.price * item.count for item in items)}


@task(name="orders.reserve")
def reserve(order: str, items: list[Item], ctx: TaskContext) -> list[str]:
    ctx.log.info("reserving %d items for %s", len(items), order)
    return [f"{item.count} x {item.name}" for item in items]


@task(name="orders.release")
def release(order: str, reserved: list[str]) -> str:
    return f"put back for {order}: {', '.join(reserved)}"


@task(name="orders.charge")
def charge(order: str, amount: int, card: str, ctx: TaskContext) -> dict[str, str | int]:
    if card == "expired":
        raise TaskError("declined", f"the card for {order} has expired", retryable=False)
    # A payment service would be given the key, so that a second attempt charges nothing twice.
    return {"payment": f"payment-{order}", "amount": amount, "key": ctx.idempotency_key}


@task(name="orders.refund")
def refund(payment: str, amount: int) -> str:
    return f"{amount} given back for {payment}"


@task(name="orders.ship")
def ship(order: str, reserved: list[str], address: str) -> str:
    if address == "Atlantis":
        raise TaskError("no_carrier", f"nobody goes to {address}", retryable=False)
    return f"{len(reserved)} items on the way to {address}"


# -- parcels --------------------------------------------------------------------------------------


@task(name="parcels.label")
def label(parcel: str, grams: int) -> str:
    if grams > 31_500:
        raise TaskError("too_heavy", f"{parcel} weighs {grams} g, 31500 are allowed", None, False)
    return f"TRACK-{parcel.upper()}"
