"""The tasks of the examples: give this file to an agent with `--import`."""

from collections import Counter

import msgspec

from node_agent import TaskContext, TaskError, task


@task(name="greet.compose")
def compose(name: str) -> str:
    return f"Hello, {name}"


@task(name="greet.shout")
async def shout(text: str) -> str:
    return f"{text.upper()}!"


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


@task(name="orders.bill")
def bill(order: str, amount: int, memo: str, ctx: TaskContext) -> dict[str, int | str]:
    # A payment service would be given the key, so that a second attempt pays nothing twice.
    return {"order": order, "amount": amount, "memo": memo, "key": ctx.idempotency_key}


@task(name="words.split")
def split(texts: list[str]) -> dict[str, list[str]]:
    middle = (len(texts) + 1) // 2
    return {"first": texts[:middle], "second": texts[middle:]}


@task(name="words.count")
def count_words(texts: list[str]) -> dict[str, int]:
    return dict(Counter(word for text in texts for word in text.lower().split()))


@task(name="words.merge")
def merge_counts(counts: list[dict[str, int] | None], top: int = 10) -> list[list[str | int]]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one or {})
    return [[word, number] for word, number in total.most_common(top)]
