"""Feeds: what happens, told as soon as it is committed.

Guarantee. A feed that is begun again with the id of the last message that was received goes on
after it: nothing is missed. Events come once each; rows of runs come at least once for each change,
as they are when they are told.

The id of a message is a place up to which everything has been told: of one log its position, of
several the position of each, `east:1200,west:80`. In the feed of one run it is the version.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import msgspec

from events.catalogue import Catalogue
from events.ids import run_stream
from orchestrator.api.operations.operation import Begun
from orchestrator.api.service.answers import no_run
from orchestrator.api.service.events import followed, shown
from orchestrator.api.service.finding import row_shown
from orchestrator.api.service.log import places_of
from orchestrator.api.service.ports import Ports
from orchestrator.api.shapes import EventNews, RunNews
from orchestrator.insight.following.feed import POLL_S, Page
from orchestrator.insight.following.filters import RUN, Filter
from orchestrator.insight.following.positions import told
from orchestrator.insight.following.sieve import Sieve, compiled
from orchestrator.kernel.state import TERMINAL
from orchestrator.replay.ports import IndexRow

PAGE = 500
OF_RUNS = Filter(streams=(RUN,))


@asynccontextmanager
async def _pages(
    ports: Ports, sieve: Sieve, after: str
) -> AsyncIterator[tuple[dict[str, int], AsyncGenerator[Page]]]:
    """Where the feed begins, and its pages. Raises `InvalidRequest`, `Unavailable`."""
    places = await _begin(ports, after)
    async with aclosing(ports.feed.pages(places, sieve)) as pages:
        yield dict(places), pages


async def _begin(ports: Ports, after: str) -> Mapping[str, int]:
    return places_of(after, ports.feed.names) if after else await ports.ends()


class RunsMeant(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are told of; empty: all."""

    status: str = ""
    workflow: str = ""

    def has(self, row: IndexRow) -> bool:
        return self.status in ("", row.status) and self.workflow in ("", row.workflow)


@asynccontextmanager
async def follow_runs(
    ports: Ports, wanted: RunsMeant, after: str
) -> AsyncIterator[AsyncIterator[RunNews]]:
    async with _pages(ports, compiled(OF_RUNS, ports.expressions), after) as (places, pages):
        yield Begun(told(places), _run_news(ports, wanted, places, pages))


async def _run_news(
    ports: Ports, wanted: RunsMeant, places: dict[str, int], pages: AsyncIterator[Page]
) -> AsyncGenerator[RunNews]:
    """Of a run that several events of a page are about, the row once. Only the last message of a
    page says that all of it has been told."""
    async for page in pages:
        before = told(places)
        places[page.log] = page.reached
        ids = dict.fromkeys(event.run_id for event in page.events)
        rows = [row for run_id in ids if (row := await ports.log.index_row(run_id)) is not None]
        meant = [row for row in rows if wanted.has(row)]
        for number, row in enumerate(meant, 1):
            yield RunNews(id=told(places) if number == len(meant) else before, run=row_shown(row))


@asynccontextmanager
async def follow_events(
    ports: Ports, filter_: Filter, after: str
) -> AsyncIterator[AsyncIterator[EventNews]]:
    sieve = compiled(filter_, ports.expressions)
    async with _pages(ports, sieve, after) as (places, pages):
        yield Begun(told(places), _event_news(ports, places, pages))


async def _event_news(
    ports: Ports, places: dict[str, int], pages: AsyncIterator[Page]
) -> AsyncGenerator[EventNews]:
    several = len(ports.feed.names) > 1
    async for page in pages:
        for event in page.events:
            places[page.log] = event.position
            yield EventNews(id=told(places), event=followed(event, several=several))
        places[page.log] = page.reached


@asynccontextmanager
async def follow_run(
    ports: Ports, run_id: str, after: int
) -> AsyncIterator[AsyncIterator[EventNews]]:
    """Raises `NotFound`."""
    if await ports.log.index_row(run_id) is None:
        raise no_run(run_id)
    yield Begun(str(after), _history(ports, run_id, after))


async def _history(ports: Ports, run_id: str, version: int) -> AsyncGenerator[EventNews]:
    """Ends when the run has ended and all is told."""
    catalogue, log = Catalogue(), ports.log
    nothing = dict.fromkeys(ports.feed.names, 0)
    with ports.bells.ear() as ear:
        while True:
            row = await log.index_row(run_id)
            while page := await log.read(run_stream(run_id), version, PAGE):
                version = page[-1].version
                for stored in page:
                    yield EventNews(
                        id=str(stored.version), event=shown(stored, catalogue, ports.place)
                    )
            if row is None or (row.status in TERMINAL and version >= row.version):
                return
            await ear.wait(nothing, POLL_S)
