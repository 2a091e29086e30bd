"""Runs to export: a parent with a child, stored values, and a fork."""

import base64
from collections.abc import AsyncIterator, Sequence

import msgspec
import zstandard

from dalsegno.testing import dalsegno_env
from dalsegno.testing.env import Env
from events.api import ForkRun
from events.catalogue import Catalogue
from events.cluster_facts import DefinitionRegistered
from events.codec import digest, encode
from events.envelope import Head, Stored, unseal
from events.references import Payload
from node_agent import TaskContext, task
from orchestrator.adapters.archives.bundling import bundled
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.authoring import Workflow
from orchestrator.coordinator.ports import Batch, Lease
from orchestrator.kernel.evolve import evolve
from orchestrator.kernel.snapshot import state_hash
from orchestrator.kernel.state import RunState
from orchestrator.replay.exchange.export import lines
from orchestrator.replay.exchange.selecting import Exportable, Item, select, walk
from orchestrator.replay.ports import History, IndexRow
from orchestrator.replay.ports import row_of as row_of_state
from orchestrator.replay.rebuild import Kept as Versions
from orchestrator.replay.rebuild import Rebuilder

CHUNK = Payload.of(b'["one","two"]')
EMAIL = "ada.lovelace@example.com"
CATALOGUE = Catalogue()
ZSTD = b"\x28\xb5\x2f\xfd"


@task(name="shop.price")
async def price(item: str, count: int) -> int:
    return count * len(item)


@task(name="shop.write")
async def write(ctx: TaskContext, to: str) -> dict[str, str]:
    ctx.log.info("writing to %s", to)
    ctx.note(f"wrote to {to}")
    return {"sent": f"dear {to}, hello", "to": to}


TASKS = (price, write)


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


ORDER = {
    "item": "book",
    "count": 3,
    "customer": {"email": EMAIL, "password": "hunter-two"},
    "wishes": {
        "$ref": "list",
        "count": 2,
        "bytes": 13,
        "chunks": [{"count": 2, "hash": CHUNK.hash}],
    },
}


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


def store_of(env: Env) -> MemoryStore:
    return MemoryStore(env._world.log)


class Kept:
    """A cluster of the test kit with all of them, and its store."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.store = store_of(env)

    def workflow(self, run_id: str) -> str:
        row = self.env._world.log.index_row(run_id)
        assert row is not None
        return row.workflow


async def cluster() -> AsyncIterator[Kept]:
    """For fixtures."""
    async with dalsegno_env(tasks=TASKS) as env:
        await store_of(env).put_payloads([CHUNK])
        await ordered(env)
        await forked(env)
        yield Kept(env)


async def items(
    store: Exportable,
    run_ids: Sequence[str],
    *,
    children: bool = False,
    catalogue: Catalogue = CATALOGUE,
) -> AsyncIterator[Item]:
    selection = await select(store, catalogue, run_ids, children=children)
    async for item in walk(store, catalogue, selection):
        yield item


async def bundle(
    store: Exportable,
    *run_ids: str,
    children: bool = False,
    redacted: Sequence[str] = (),
    catalogue: Catalogue = CATALOGUE,
) -> bytes:
    found = items(store, run_ids, children=children, catalogue=catalogue)
    return b"".join([chunk async for chunk in bundled(found, run_ids, tuple(redacted))])


async def jsonl(
    store: Exportable,
    *run_ids: str,
    children: bool = False,
    redacted: Sequence[str] = (),
    catalogue: Catalogue = CATALOGUE,
) -> bytes:
    found = items(store, run_ids, children=children, catalogue=catalogue)
    return b"".join([line + b"\n" async for line in lines(found, tuple(redacted))])


def plain(data: bytes) -> bytes:
    """Everything in a file, decompressed, also what is in base 64 in it."""
    found = [data]
    if data[:4] == ZSTD:
        reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
        found.append(reader.read())
    for line in found[-1].splitlines():
        said = msgspec.json.decode(line) if line.startswith(b"{") else {}
        found += [base64.b64decode(said["data"])] if "payload" in said else []
    return b"\n".join(found)


async def hashes(history: History, run_id: str, catalogue: Catalogue = CATALOGUE) -> list[str]:
    """The hash of the run's state at every version."""
    rebuilder, found = Rebuilder(history, catalogue, snapshots=False), list[str]()
    state, kept = RunState(), Versions()
    async for event in rebuilder.follow(run_id):
        state = await rebuilder.ground(state, event, kept)
        evolve(state, event.fact, event.header.recorded_at)
        found.append(state_hash(state))
    return found


# -- for imports ----------------------------------------------------------------------------------


def row_of(events: Sequence[Stored], shard: int) -> IndexRow:
    """The row of a run that has only these events."""
    state = RunState()
    for stored in events:
        event = unseal(stored, CATALOGUE)
        evolve(state, event.fact, event.header.recorded_at)
    return row_of_state(state.run_id, shard, state)


def batch(leases: Sequence[Lease], events: Sequence[Stored], *rows: IndexRow) -> Batch:
    return Batch(id="b", leases=tuple(leases), events=tuple(events), index=rows)


def changed(fact: DefinitionRegistered, **changes: object) -> DefinitionRegistered:
    return msgspec.structs.replace(fact, **changes)


def rechained(data: bytes) -> bytes:
    """Lines with the digests that fit them, as somebody makes them who knows how: versions too."""
    heads: dict[str, Head] = {}
    found: list[bytes] = []
    for line in data.splitlines():
        said = msgspec.json.decode(line)
        if "heads" in said:
            said["heads"] = {one: (head.version, head.digest) for one, head in heads.items()}
            found.append(encode(said))
        elif "stream" in said:
            head = heads.setdefault(said["stream"], Head(said["stream"]))
            said["version"] = head.version + 1
            if head.digest:
                said["previous"] = head.digest
            text = encode(said)
            head.version, head.digest = head.version + 1, digest(text)
            found.append(text)
        else:
            found.append(line)
    return b"".join(line + b"\n" for line in found)
