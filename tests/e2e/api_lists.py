"""Lists of the API come whole and without repetition, whoever writes meanwhile."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import anyio

from orchestrator.api.operations.groups import RunsWanted
from orchestrator.api.shapes import Page
from orchestrator.client import Client
from tests.e2e.apis import order

MANY = 8
PAGES = 3
ALL = 100
GROWS = "grows"
Keys = tuple[list[object], str | None]
"""What tells the items of a page apart, and the cursor of the next one."""
Paged = Callable[[str, int], Awaitable[Keys]]
T = TypeVar("T")


def keyed(page: Callable[[str, int], Awaitable[Page[T]]], key: Callable[[T], object]) -> Paged:
    async def keys(cursor: str, limit: int) -> Keys:
        found = await page(cursor, limit)
        return [key(item) for item in found.items], found.next

    return keys


def lists_of(client: Client) -> Mapping[str, Paged]:
    """Those that grow for ever."""
    of_growing = RunsWanted(workflow="growing")
    return {
        "runs": keyed(lambda c, n: client.list_runs(cursor=c, limit=n), lambda run: run.run_id),
        "runs of a workflow": keyed(
            lambda c, n: client.list_runs(of_growing, cursor=c, limit=n), lambda run: run.run_id
        ),
        "workflows": keyed(
            lambda c, n: client.list_workflows(cursor=c, limit=n), lambda row: row.workflow
        ),
        "versions": keyed(
            lambda c, n: client.list_workflow_versions("versions", cursor=c, limit=n),
            lambda row: row.workflow_version,
        ),
        "events of a run": keyed(
            lambda c, n: client.list_run_events(GROWS, after=int(c or 0), limit=n),
            lambda event: event.version,
        ),
        "snapshots": keyed(
            lambda c, n: client.list_snapshots(cursor=c, limit=n), lambda one: one.id
        ),
        "snapshots of a run": keyed(
            lambda c, n: client.list_snapshots(run_id=GROWS, cursor=c, limit=n), lambda one: one.id
        ),
        "batches": keyed(
            lambda c, n: client.list_batches(cursor=c, limit=n), lambda one: one.batch_id
        ),
        "events": keyed(
            lambda c, n: client.list_events(after=c, limit=max(n, ALL)),
            lambda event: (event.stream, event.version),
        ),
    }


async def check_lists(url: str) -> None:
    """Every item that was there at the start comes exactly once, and none comes twice."""
    async with Client.http(url) as client:
        writer = Writer(client)
        for _ in range(MANY):
            await writer.write()
        for name, page in lists_of(client).items():
            before = await read(page, ALL)
            assert len(before) >= MANY, (name, before)
            begun = writer.rounds
            told = await read(page, len(before) // PAGES, writer.write)
            assert writer.rounds - begun >= PAGES, f"{name} came in {writer.rounds - begun} pages"
            assert not set(before) - set(told), f"{name}: some did not come"
            assert len(told) == len(set(told)), f"{name}: some came twice"


async def nothing() -> None:
    pass


async def read(
    page: Paged, limit: int, between: Callable[[], Awaitable[None]] = nothing
) -> list[object]:
    """The whole list; something is done behind each page."""
    found: list[object] = []
    cursor: str | None = ""
    while cursor is not None:
        keys, cursor = await page(cursor, limit)
        found += keys
        await between()
    return found


class Writer:
    """Writes into every list: at its ends, in its middle, and to what is in it already."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.rounds = 0

    async def write(self) -> None:
        client, number = self._client, self.rounds
        self.rounds += 1
        middle = f"listed-{number * 37 % 100:02}"  # in no order
        if not number:
            await client.register_workflow(order("growing"))
            await client.start_run("growing", run_id=GROWS)
        async with anyio.create_task_group() as group:
            group.start_soon(self._register, number, middle)
            group.start_soon(self._start, middle)
            group.start_soon(self._grow, number)

    async def _register(self, number: int, name: str) -> None:
        """Also a run of its own, and a batch about it."""
        client = self._client
        await client.register_workflow(order("versions", f"note {number}"))
        await client.register_workflow(order(name))
        await client.start_run(name)
        await client.start_batch("cancel", RunsWanted(workflow=name))

    async def _start(self, run_id: str) -> None:
        await self._client.start_run("growing", run_id=run_id)
        await self._client.create_snapshot(run_id)

    async def _grow(self, number: int) -> None:
        """A history; its row in the list of runs changes."""
        client = self._client
        await (client.resume_run(GROWS) if number % 2 else client.pause_run(GROWS))
        await client.create_snapshot(GROWS)
