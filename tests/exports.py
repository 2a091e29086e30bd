"""Runs to export: a parent with children, a map in parts, stored values, and a fork."""

from collections.abc import AsyncIterator, Sequence

from dalsegno.testing import dalsegno_env
from dalsegno.testing.env import Env
from events.api import ForkRun
from events.catalogue import Catalogue
from node_agent import TaskContext, task
from orchestrator.adapters.archives.bundling import bundled
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.authoring import Workflow
from orchestrator.kernel.snapshot import state_hash
from orchestrator.replay.export import lines
from orchestrator.replay.ports import History
from orchestrator.replay.rebuild import Rebuilder
from orchestrator.replay.selecting import Exportable, Item, select, walk

ITEMS = 1_100
"""Items of a map that goes through child runs, which store their results."""
WIDTH = 900
EMAIL = "ada.lovelace@example.com"
CATALOGUE = Catalogue()


@task(name="shop.price")
async def price(item: str, count: int) -> int:
    return count * len(item)


@task(name="shop.write")
async def write(ctx: TaskContext, to: str) -> dict[str, str]:
    ctx.log.info("writing to %s", to)
    ctx.note(f"wrote to {to}")
    return {"sent": f"dear {to}, hello", "to": to}


@task(name="lists.widen")
async def widen(number: int, width: int) -> str:
    return f"{number:0{width}}"


TASKS = (price, write, widen)


def letter() -> Workflow:
    flow = Workflow("letter")
    flow.output(said=flow.task("write", write, to=flow.input.to).output)
    return flow


def order() -> Workflow:
    """Prices, writes a letter by a child run, and waits for somebody who approves."""
    flow = Workflow("order")
    priced = flow.task("price", price, item=flow.input.item, count=flow.input.count)
    told = flow.call("tell", "letter", {"to": flow.input.customer.email})
    asked = flow.wait_for("approval", "approved")
    flow.output(amount=priced.output, by=asked.output, told=told.output)
    return flow


def wide() -> Workflow:
    flow = Workflow("wide")
    made = flow.map("made", widen, flow.input.items, number=flow.item, width=flow.input.width)
    flow.output(made=made.output)
    return flow


ORDER = {"item": "book", "count": 3, "customer": {"email": EMAIL, "password": "hunter-two"}}


async def ordered(env: Env, run_id: str = "order-1") -> None:
    """A run of `order` with its child, which has completed."""
    await env.register(letter())
    run = await env.start(order(), input=ORDER, id=run_id)
    await run.signal("approved", {"who": "grace"})
    await run.result()


async def forked(env: Env, source: str = "order-1", run_id: str = "fork-1") -> None:
    """A fork of it from before the signal; it stays open."""
    world = env._world
    world.ask(ForkRun(run_id=run_id, source_run_id=source, source_version=4, reason="a try"))
    await env.settle()


async def widened(env: Env, run_id: str = "wide-1") -> None:
    run = await env.start(wide(), input={"items": ITEMS, "width": WIDTH}, id=run_id)
    await run.result()


def store_of(env: Env) -> MemoryStore:
    return MemoryStore(env._world.log)


class Kept:
    """A cluster of the test kit with all of them, and its store."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.store = store_of(env)


async def cluster(*, large: bool = False) -> AsyncIterator[Kept]:
    """For fixtures."""
    async with dalsegno_env(tasks=TASKS) as env:
        await ordered(env)
        await forked(env)
        if large:
            await widened(env)
        yield Kept(env)


async def items(
    store: Exportable, run_ids: Sequence[str], *, children: bool = False
) -> AsyncIterator[Item]:
    selection = await select(store, CATALOGUE, run_ids, children=children)
    async for item in walk(store, CATALOGUE, selection):
        yield item


async def bundle(store: Exportable, *run_ids: str, children: bool = False) -> bytes:
    chunks = bundled(items(store, run_ids, children=children), run_ids)
    return b"".join([chunk async for chunk in chunks])


async def jsonl(store: Exportable, *run_ids: str, children: bool = False) -> bytes:
    found = lines(items(store, run_ids, children=children))
    return b"".join([line + b"\n" async for line in found])


async def hashes(history: History, run_id: str) -> list[str]:
    """The hash of the run's state at every version."""
    rebuilder = Rebuilder(history, CATALOGUE, snapshots=False)
    last = await rebuilder.run(run_id)
    assert last is not None
    states = [await rebuilder.run(run_id, at) for at in range(1, last.head.version + 1)]
    return [state_hash(one.state) for one in states if one is not None]
